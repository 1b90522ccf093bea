"""``himalia notebooks``: what can be started with, and creating, starting and stopping from a terminal."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from himalia.cli.console import accelerator_of, accelerator_options
from himalia.cli.tenancy import Way

if TYPE_CHECKING:
    from himalia.sdk.client import Client


def build(commands: Any, way: Way) -> None:
    """The commands beside ``list`` and ``show``."""
    way.command(commands.add_parser("profiles", help="profiles of the hub's configuration"), _profiles)
    create = way.command(commands.add_parser("create", help="make one and start it"), _create)
    create.add_argument("name")
    create.add_argument("--spec", help="basic resource spec (default: the cheapest with a whole CPU)")
    accelerator_options(create)
    create.add_argument("--environment")
    create.add_argument("--description", default="")
    create.add_argument("--no-start", action="store_true", help="only make it")
    start = way.command(commands.add_parser("start", help="start a stopped one"), _start)
    start.add_argument("which", help="name or number")
    for parser in (create, start):
        parser.add_argument(
            "--profile", metavar="SLUG", help="profile of the hub's configuration; kept for later starts"
        )
        profile_option(parser)
    stop = way.command(commands.add_parser("stop", help="stop one, or take it out of the queue"), _stop)
    stop.add_argument("which", help="name or number")


def profile_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--option", action="append", default=[], metavar="NAME=VALUE", help="a choice of the profile's options"
    )


def profile_options(arguments: argparse.Namespace) -> dict[str, str] | None:
    """What ``--option`` was given, or None."""
    return dict(pair.partition("=")[::2] for pair in arguments.option) or None


def _profiles(client: Client, arguments: argparse.Namespace) -> Any:
    found = client.notebooks.profiles()
    if arguments.json:
        return found
    lines = []
    for one in found:
        about = f": {one.description}" if one.description else ""
        lines.append(f"{one.slug}{' (default)' if one.default else ''}  {one.name}{about}")
        for option in one.options:
            values = [f"{choice.value}{' (default)' if choice.default else ''}" for choice in option.choices]
            if option.other is not None:
                values.append(option.other.message or option.other.title)
            lines.append(f"    {option.name}  {option.title}: {', '.join(values)}")
    return "\n".join(lines) or "The hub's configuration has no profiles."


def _create(client: Client, arguments: argparse.Namespace) -> Any:
    return client.notebooks.create(
        arguments.name,
        spec=arguments.spec,
        accelerator=accelerator_of(arguments),
        environment=arguments.environment,
        description=arguments.description,
        profile=arguments.profile,
        profile_options=profile_options(arguments),
        start=not arguments.no_start,
    )


def _start(client: Client, arguments: argparse.Namespace) -> Any:
    return client.notebooks.get(arguments.which).start(
        profile=arguments.profile, profile_options=profile_options(arguments)
    )


def _stop(client: Client, arguments: argparse.Namespace) -> Any:
    return client.notebooks.get(arguments.which).stop()
