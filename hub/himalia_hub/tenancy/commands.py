"""``himalia admin organisations|departments|members|groups|roles|policy|senders|sources``: from the machine.

The commands are those of :mod:`himalia.cli` for people with a token, run as the machine's administrator.
"""

from __future__ import annotations

import argparse
from typing import Any

from himalia.cli import administration
from himalia.cli.tenancy import Command, Way

ALIASES = {"members": ["people"]}


def register_admin(commands: Any) -> None:
    """Add the commands of tenancy and security."""
    way = Way(over_the_platform, machine=True)
    for name, help_text in administration.HELP.items():
        group = commands.add_parser(name, help=help_text, aliases=ALIASES.get(name, []))
        administration.build(name, group, way)
        first = "show" if name == "policy" else "list"
        group.set_defaults(**vars(group.parse_args([first])))  # the group without an action is its list


def over_the_platform(parser: argparse.ArgumentParser, run: Command) -> argparse.ArgumentParser:
    """Run a command over a client of the running platform; a refusal is one sentence and exit code 1."""
    from himalia_hub.commands.admin import administration as installation
    from himalia_hub.commands.admin import guarded

    parser.add_argument("--json", action="store_true", help="print JSON")

    def over_the_machine(arguments: argparse.Namespace) -> int:
        from himalia.cli.objects import answered

        return answered(lambda: installation(arguments).client(), run, arguments)

    parser.set_defaults(run=guarded(over_the_machine))
    return parser
