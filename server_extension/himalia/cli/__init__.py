"""The command line ``himalia``: the installation's commands and the SDK's objects.

Groups come from entry points ``himalia.commands``; each offers ``register(subparsers)`` and sets
``run`` as the parser's default, a function from arguments to an exit code. Only the group that
was asked for is imported, so that every command starts quickly. A group whose import fails for a
missing extra is listed all the same and says on use what to install.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from himalia import __version__

GROUP = "himalia.commands"
OBJECTS = {
    "status": "who you are, what runs, what is left",
    "datasets": "list, show, create, import, label, publish, compare, export",
    "runs": "training runs: list, show, submit, log, metrics, stop",
    "jobs": "training jobs",
    "models": "models and their versions",
    "services": "online services: list, show, deploy, predict, stop",
    "bills": "what was used and what it cost",
    "balance": "what is left, and for how long",
    "quota": "limits at each level",
    "quotas": "quotas of those you administer: show, list, set",
    "prices": "prices per hour: list, set",
    "accelerators": "what would satisfy a wish for an accelerator, with price and wait",
    "verdict": "what a start would meet now: quota, room, balance",
    "preview-pod": "the pod that a start would make, as YAML; for administrators",
    "checklist": "what an installation or organisation still lacks",
    "recharge": "put money into an organisation's balance, or deduct it",
    "organisations": "organisations: list, create, edit, enable, disable, delete",
    "departments": "departments: list, create, edit, enable, disable, delete, add, remove",
    "members": "members: list, create, edit, import, export, enable, disable, unlock, link, delete",
    "groups": "groups: list, create, edit, delete, add, remove",
    "roles": "roles: list, show, permissions, create, delete, of, grant",
    "policy": "the security policy: show, set",
    "senders": "how e-mail, SMS and WeCom leave: list, set, test, remove",
    "sources": "external sign-in sources: list, show, kinds, create, edit, enable, disable, test, delete",
    "audit": "the audit log: list, export",
    "shares": "what is shared with you, and what you share: list, give, take-back",
    "tokens": "your API tokens: list, create, revoke",
    "sessions": "end your sessions everywhere",
    "specs": "resource specs: list, show, create, delete",
    "environments": "runtime environments",
    "algorithms": "what can be trained",
    "notebooks": "your notebooks",
    "workloads": "everything that occupies resources",
    "tasks": "long operations",
    "login": "keep an address and a token for this account",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of the script; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    wanted = next((word for word in arguments if not word.startswith("-")), None)
    parser = _parser(wanted)
    parsed = parser.parse_args(arguments)
    run = getattr(parsed, "run", None)
    if run is None:
        parser.print_help()
        return 2
    try:
        return int(run(parsed) or 0)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 141


def _parser(wanted: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="himalia", description="Himalia on the command line.")
    parser.add_argument("--version", action="version", version=f"himalia {__version__}")
    groups = parser.add_subparsers(title="commands", metavar="COMMAND")
    if wanted in OBJECTS:
        import himalia.cli.objects as objects

        objects.register(groups, wanted)
        return parser
    points = {point.name: point for point in entry_points(group=GROUP)}
    for name, point in sorted(points.items()):
        if wanted in (None, name) or wanted not in points:
            _group(groups, point)
    if wanted not in points:
        for name, help_text in OBJECTS.items():
            groups.add_parser(name, help=help_text, add_help=False)
    return parser


def _group(groups: Any, point: EntryPoint) -> None:
    try:
        register = point.load()
    except ImportError as error:
        missing = error.name or str(error)
        group = groups.add_parser(point.name, help="needs the extra himalia[hub]", add_help=False)
        group.add_argument("rest", nargs=argparse.REMAINDER)
        group.set_defaults(run=lambda _arguments: _say_missing(point.name, missing))
        return
    register(groups)


def _say_missing(name: str, module: str) -> int:
    sys.stderr.write(
        f"himalia {name} needs {module}, which is not installed here. Install it with: pip install 'himalia[hub]'\n"
    )
    return 1
