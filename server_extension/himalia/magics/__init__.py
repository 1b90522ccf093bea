"""IPython magics: ``%load_ext himalia``. IPython is imported when they are loaded, not before.

``%himalia`` shows where things stand, ``%dataset`` opens pictures, ``%%train`` turns a cell into a
run, ``%deploy`` and ``%predict`` serve a model. They parse and show; what they do is the SDK's.
"""

from __future__ import annotations

import sys
from typing import Any


def load(shell: Any) -> None:
    """Register the magics and the completion of names; let ``parse_args()`` work in cells.

    A kernel starts with its connection file in ``sys.argv``, which scripts pasted into a cell
    would take for their own arguments.
    """
    from himalia.magics import completion
    from himalia.magics.magics import HimaliaMagics

    if any("kernel" in word for word in sys.argv[:2]):
        sys.argv = ["notebook"]
    shell.register_magics(HimaliaMagics)
    completion.install(shell)
