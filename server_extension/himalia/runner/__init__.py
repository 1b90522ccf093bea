"""What runs inside a training workload around the user's command: ``python -m himalia.runner``.

It starts the command, sends metrics and files to the platform, and ends with the command's exit
code (docs/design/clients.md). Standard library only; it knows nothing of quotas, phases or
money, and the platform trusts nothing it says beyond the run its token belongs to.
"""
