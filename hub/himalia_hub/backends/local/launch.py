"""Starts a shim: ``python -I -S launch.py <replica directory>``, the specification on stdin.

A file of its own, run by its path, so that the interpreter loads nothing else (no site packages).
"""

import json
import os
import sys

sys.path.insert(0, os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", "..")))


def main(directory: str) -> None:
    """Detach, take the replica's lock, and run it to its end; the first process ends at once.

    Writes ``accepted`` to stdout when this call made the attempt exist and ``exists`` when it
    already did; exits 0 in both cases.
    """
    from himalia_hub.backends.local import journal
    from himalia_hub.backends.local.shim import Shim

    spec = json.loads(sys.stdin.buffer.read())
    report_read, report_write = os.pipe()
    if os.fork():
        os.close(report_write)
        with open(report_read, "rb") as pipe:
            answer = pipe.read()
        os.write(1, answer)
        os._exit(0 if answer in (b"accepted", b"exists") else 1)
    os.close(report_read)
    os.setsid()
    # Held until this process ends: the proof that it lives.
    lock = journal.take_lock(directory)
    if lock is None or os.path.exists(os.path.join(directory, journal.JOURNAL)):
        os.write(report_write, b"exists")
        os._exit(0)
    null = os.open("/dev/null", os.O_RDWR)
    errors = os.open(os.path.join(directory, "errors"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for number, fd in enumerate((null, null, errors)):
        os.dup2(fd, number)
    os.chdir("/")
    shim = Shim(directory, spec)
    shim.accept()
    os.write(report_write, b"accepted")
    os.close(report_write)
    shim.start()
    if not shim.finished:
        shim.loop.run()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
