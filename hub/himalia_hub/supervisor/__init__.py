"""Starts, watches and ends the parts of an installation on one machine (``himalia up``).

What the parts are and how they find one another is ``docs/design/supervisor.md``. This package
knows processes, ports and files; it reads no database and holds no rule of the platform.
"""
