"""``himalia admin``: what the machine's administrator does without signing in.

The group is a registry: a noun that wants commands here offers
``register_admin(subparsers)`` in a module named in :data:`MODULES`; each command sets
``run=callable(arguments) -> int`` and talks to the platform through
:class:`~himalia_hub.supervisor.administration.Administration`.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any, Protocol

from himalia_hub.supervisor.administration import Administration
from himalia_hub.supervisor.errors import SupervisorError
from himalia_hub.supervisor.state import default_state_directory

MODULES = (
    "himalia_hub.tenancy.commands",
    "himalia_hub.compute.commands",
    "himalia_hub.develop.notebooks.commands",
    "himalia_hub.billing.commands",
    "himalia_hub.metering.commands",
    "himalia_hub.audit.commands",
)
"""Where nouns register their commands; one that does not exist adds none."""


def register(subparsers: Any) -> None:
    """Add the ``admin`` group to the command line."""
    group = subparsers.add_parser("admin", help="administer this installation from its machine")
    group.add_argument(
        "--state-dir",
        type=Path,
        default=None,
        help="the installation's directory (default: $HIMALIA_STATE_DIR, else the one of `himalia up`)",
    )
    group.set_defaults(run=lambda arguments: (group.print_help(), 2)[1])
    commands = group.add_subparsers(title="commands", metavar="COMMAND")

    link = commands.add_parser("link", help="print a new one-time sign-in link")
    link.add_argument("--user", default=None, help="whose (default: the first platform administrator)")
    link.set_defaults(run=guarded(_link))

    status = commands.add_parser("status", help="what runs and who is there")
    status.set_defaults(run=guarded(_status))

    for name in MODULES:
        if _exists(name):
            module = importlib.import_module(name)
            module.register_admin(commands)


def administration(arguments: argparse.Namespace) -> Administration:
    """The installation that the command line names."""
    return Administration(state_directory(arguments))


def state_directory(arguments: argparse.Namespace) -> Path:
    named = getattr(arguments, "state_dir", None) or os.environ.get("HIMALIA_STATE_DIR")
    return Path(named) if named else default_state_directory(os.environ, root=os.geteuid() == 0)


def installed_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """The settings of the installation that the command line names, running or not."""
    directory = state_directory(arguments)
    try:
        settings: dict[str, Any] = json.loads((directory / "platform.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SupervisorError(
            f"There is no installation in {directory}.", "Name the directory of a started one with --state-dir."
        ) from error
    return settings


class Verified(Protocol):
    """What a verification found; ``notes`` explain, ``differences`` are what should not be."""

    __slots__: tuple[str, ...]
    notes: list[str]
    differences: list[str]


def tell_verified(arguments: argparse.Namespace, report: Verified, checked: str) -> int:
    """Print a report, as JSON where that is asked, else in sentences that end with what was checked; the exit code."""
    found = len(report.differences)
    if arguments.json:
        print(json.dumps({name: getattr(report, name) for name in report.__slots__}, ensure_ascii=False))
        return 1 if found else 0
    for line in report.notes:
        print(line)
    for line in report.differences:
        print(line, file=sys.stderr)
    print(f"{checked}{found or 'no'} difference{'' if found == 1 else 's'}.")
    return 1 if found else 0


def guarded(command: Any) -> Any:
    """A command whose :class:`SupervisorError` becomes a sentence and exit code 1."""

    def run(arguments: argparse.Namespace) -> int:
        try:
            return int(command(arguments) or 0)
        except SupervisorError as error:
            print(error.message, file=sys.stderr)
            if error.hint:
                print(error.hint, file=sys.stderr)
            return 1

    return run


def _link(arguments: argparse.Namespace) -> int:
    print(administration(arguments).link(arguments.user))
    return 0


def _status(arguments: argparse.Namespace) -> int:
    admin = administration(arguments)
    status = admin.call("GET", "admin/status")
    print(f"address    {admin.settings['public']['hub_url']}")
    print(f"version    {status['version']}")
    print(f"isolation  {status['isolation']}")
    print(f"people     {status['users']} in {status['tenants']} organisations")
    phases = ", ".join(f"{count} {phase}" for phase, count in sorted(status["workloads"].items()) if count)
    print(f"workloads  {phases or 'none'}")
    return 0


def _exists(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False
