"""``himalia roles list|show|permissions|create|delete|of|grant``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from himalia.cli.tenancy import Way
from himalia.sdk.errors import InvalidInput

if TYPE_CHECKING:
    from himalia.sdk.client import Client


def build(group: argparse.ArgumentParser, way: Way) -> None:
    """The parser of the command."""
    actions = group.add_subparsers(metavar="ACTION", required=not way.machine)

    def add(verb: str, help_text: str, run: Any) -> argparse.ArgumentParser:
        parser = way.command(actions.add_parser(verb, help=help_text), run)
        parser.add_argument("--organisation", default=None, help="the organisation's code (platform administrators)")
        return parser

    add("list", "roles and how many hold them", _list).add_argument("-q", default="", help="part of the name")
    add("show", "one role with what it permits", _show).add_argument("role", help="key, number or name")
    add("permissions", "the table of permissions", _permissions)
    create = add("create", "make a custom role", _create)
    create.add_argument("name", help="4-32 characters")
    create.add_argument("permission", nargs="+", help="NAME=REACH, for example data.dataset.read=department")
    create.add_argument("--description", default="")
    create.add_argument("--platform", action="store_true", help="for all organisations")
    add("delete", "delete a custom role that nobody holds", _delete).add_argument("role", help="key, number or name")
    add("of", "a member's roles", _of).add_argument("member", type=int, help="the member's number")
    grant = add("grant", "set a member's own roles; what is not named is taken", _grant)
    grant.add_argument("member", type=int, help="the member's number")
    grant.add_argument("role", nargs="*", help="keys, as `himalia roles list` shows them")
    grant.add_argument("--department", type=int, default=None, help="what department_administrator names")


def _list(client: Client, arguments: argparse.Namespace) -> Any:
    return client.admin.roles.list(arguments.q, organisation=arguments.organisation)


def _which(text: str) -> int | str:
    return int(text) if text.isdigit() else text


def _show(client: Client, arguments: argparse.Namespace) -> Any:
    return client.admin.roles.get(_which(arguments.role), organisation=arguments.organisation)


def _permissions(client: Client, arguments: argparse.Namespace) -> Any:
    return client.admin.roles.permissions()


def _create(client: Client, arguments: argparse.Namespace) -> Any:
    wanted = {}
    for pair in arguments.permission:
        name, separator, reach = pair.partition("=")
        if not separator:
            raise InvalidInput(f"{pair!r} is not NAME=REACH.", hint="For example data.dataset.read=own.")
        wanted[name] = reach
    return client.admin.roles.create(
        arguments.name,
        wanted,
        description=arguments.description,
        scope="platform" if arguments.platform else "organisation",
        organisation=arguments.organisation,
    )


def _delete(client: Client, arguments: argparse.Namespace) -> Any:
    role = _show(client, arguments)
    client.admin.roles.delete(role, organisation=arguments.organisation)
    return f"{role.name} is deleted."


def _of(client: Client, arguments: argparse.Namespace) -> Any:
    return client.admin.roles.of(arguments.member, organisation=arguments.organisation)


def _grant(client: Client, arguments: argparse.Namespace) -> Any:
    return client.admin.roles.grant(
        arguments.member, *arguments.role, department=arguments.department, organisation=arguments.organisation
    )
