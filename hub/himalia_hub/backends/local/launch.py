"""Starts a shim: ``python -I -S launch.py <replica directory>``, the specification on stdin.

A file of its own, run by its path, so that the interpreter loads nothing else (no site packages).
"""

import os
import sys

sys.path.insert(0, os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", "..")))

if __name__ == "__main__":
    from himalia_hub.backends.local.shim import main

    main(sys.argv[1])
