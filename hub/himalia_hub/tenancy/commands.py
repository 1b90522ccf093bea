"""``himalia admin organisations|people``: organisations and people from the machine."""

from __future__ import annotations

import argparse
from typing import Any

from himalia_hub.auth.permissions import BUILT_IN_ROLES, MEMBER


def register_admin(commands: Any) -> None:
    """Add the commands of tenancy."""
    from himalia_hub.commands.admin import guarded

    tenants = commands.add_parser("organisations", help="list or create organisations")
    actions = tenants.add_subparsers(metavar="ACTION")
    tenants.set_defaults(run=guarded(_list_tenants))
    create = actions.add_parser("create", help="create an organisation")
    create.add_argument("code", help="4-32 characters of a-z, 0-9, -; never changes")
    create.add_argument("--name", required=True)
    create.add_argument("--description", default="")
    create.set_defaults(run=guarded(_create_tenant))

    people = commands.add_parser("people", help="list, create, enable or disable people")
    actions = people.add_subparsers(metavar="ACTION")
    people.set_defaults(run=guarded(_list_people))
    create = actions.add_parser("create", help="create a person and print a one-time sign-in link")
    create.add_argument("name", help="6-32 letters or digits")
    create.add_argument("--organisation", required=True, help="the organisation's code")
    create.add_argument("--department", default=None)
    create.add_argument("--display-name", default="")
    create.add_argument("--role", action="append", choices=BUILT_IN_ROLES, help=f"may be repeated (default: {MEMBER})")
    create.set_defaults(run=guarded(_create_person))
    for word in ("enable", "disable"):
        action = actions.add_parser(word, help=f"{word} a person")
        action.add_argument("name")
        action.set_defaults(run=guarded(_change_person), enabled=word == "enable")


def _administration(arguments: argparse.Namespace) -> Any:
    from himalia_hub.commands.admin import administration

    return administration(arguments)


def _list_tenants(arguments: argparse.Namespace) -> int:
    for row in _administration(arguments).call("GET", "admin/tenants"):
        state = "" if row["enabled"] else "  disabled"
        print(f"{row['code']:<24} {row['name']:<32} {row['users']:>5} people{state}")
    return 0


def _create_tenant(arguments: argparse.Namespace) -> int:
    body = {"code": arguments.code, "name": arguments.name, "description": arguments.description}
    made = _administration(arguments).call("POST", "admin/tenants", body)
    print(f"{made['code']} is made.")
    return 0


def _list_people(arguments: argparse.Namespace) -> int:
    for row in _administration(arguments).call("GET", "admin/users"):
        state = "" if row["enabled"] else "  disabled"
        print(f"{row['name']:<24} {row['tenant']:<16} {', '.join(row['roles'])}{state}")
    return 0


def _create_person(arguments: argparse.Namespace) -> int:
    admin = _administration(arguments)
    body = {
        "tenant": arguments.organisation,
        "name": arguments.name,
        "display_name": arguments.display_name,
        "department": arguments.department,
        "roles": arguments.role or [MEMBER],
    }
    made = admin.call("POST", "admin/users", body)
    print(f"{made['user']['name']} signs in once with {admin.link_address(made['token'])}")
    return 0


def _change_person(arguments: argparse.Namespace) -> int:
    row = _administration(arguments).call(
        "POST", f"admin/users/{arguments.name}/change", {"enabled": arguments.enabled}
    )
    print(f"{row['name']} is {'enabled' if row['enabled'] else 'disabled'}.")
    return 0
