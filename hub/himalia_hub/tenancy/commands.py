"""``himalia admin organisations|departments|members|groups``: tenancy from the machine.

The commands are the SDK's calls (:mod:`himalia.sdk.admin`) made as the machine's administrator.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from himalia_hub.auth.permissions import MEMBER

if TYPE_CHECKING:
    from himalia.sdk.admin import Admin

Command = Callable[["Admin", argparse.Namespace], Any]


def register_admin(commands: Any) -> None:
    """Add the commands of tenancy."""
    _organisations(commands)
    _departments(commands)
    _members(commands)
    _groups(commands)


def _run(command: Command) -> Callable[[argparse.Namespace], int]:
    """The command over a client of the running platform; a refusal is one sentence and exit code 1."""
    from himalia_hub.commands.admin import administration, guarded

    def run(arguments: argparse.Namespace) -> int:
        from himalia.sdk.errors import HimaliaError

        with administration(arguments).client() as client:
            try:
                shown = command(client.admin, arguments)
            except HimaliaError as error:
                sys.stderr.write(f"himalia: {error}\n")
                return 1
        if isinstance(shown, int):
            return shown
        if shown is not None:
            print(shown)
        return 0

    wrapped: Callable[[argparse.Namespace], int] = guarded(run)
    return wrapped


def _action(actions: Any, name: str, help_text: str, command: Command) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(name, help=help_text)
    parser.set_defaults(run=_run(command))
    return parser


def _lister(actions: Any, group: argparse.ArgumentParser, command: Command, *, scoped: bool) -> None:
    """``list`` with its options, and the group without an action as the same without options."""
    parser = _action(actions, "list", "list them", command)
    parser.add_argument("-q", default=None, help="text in name or number")
    parser.add_argument("--sort", default="name", help="name, -created_at, …")
    parser.add_argument("--limit", type=int, default=None)
    parser.add_argument("--json", action="store_true", help="print JSON")
    if scoped:
        parser.add_argument("--organisation", default="*", help="an organisation's code (default: all)")
    group.set_defaults(run=_run(command), q=None, sort="name", limit=None, json=False, organisation="*")


def _table(rows: Iterable[Any], columns: dict[str, Callable[[Any], Any]], as_json: bool) -> Any:
    from himalia.sdk.display import Table

    found = [[str(show(row)) for show in columns.values()] for row in rows]
    if as_json:
        return json.dumps([dict(zip(columns, row, strict=True)) for row in found], ensure_ascii=False, indent=2)
    return Table(list(columns), found)


def _names(things: Iterable[Any]) -> str:
    return ", ".join(thing.name for thing in things)


def _state(enabled: bool) -> str:
    return "enabled" if enabled else "disabled"


# -- organisations -----------------------------------------------------------------------------


def _organisations(commands: Any) -> None:
    group = commands.add_parser("organisations", help="list, create, edit, enable, disable, delete organisations")
    actions = group.add_subparsers(metavar="ACTION")
    _lister(actions, group, _list_organisations, scoped=False)
    create = _action(actions, "create", "create an organisation with its first administrator", _create_organisation)
    create.add_argument("code", help="4-32 characters of a-z, 0-9, -; never changes")
    create.add_argument("--administrator", required=True, help="the first administrator's name; prints a sign-in link")
    create.add_argument("--name", default=None, help="4-32 characters of a-z, 0-9, - (default: the code)")
    create.add_argument("--description", default="")
    create.add_argument("--valid-until", default=None, help="2027-01-01T00:00:00Z")
    edit = _action(actions, "edit", "change name, description or end", _edit_organisation)
    edit.add_argument("code")
    edit.add_argument("--name", default=None)
    edit.add_argument("--description", default=None)
    edit.add_argument("--valid-until", default=None, help="2027-01-01T00:00:00Z, or never")
    for word in ("enable", "disable", "delete"):
        _action(actions, word, f"{word} an organisation", _organisation(word)).add_argument("code")


def _list_organisations(admin: Admin, arguments: argparse.Namespace) -> Any:
    rows = admin.organisations.list(q=arguments.q, sort=arguments.sort, limit=arguments.limit)
    columns: dict[str, Callable[[Any], Any]] = {
        "code": lambda one: one.code,
        "name": lambda one: one.name,
        "state": lambda one: one.state,
        "members": lambda one: one.members,
        "departments": lambda one: one.departments,
        "administrators": lambda one: _names(one.administrators),
    }
    return _table(rows, columns, arguments.json)


def _create_organisation(admin: Admin, arguments: argparse.Namespace) -> str:
    made = admin.organisations.create(
        arguments.code,
        name=arguments.name,
        description=arguments.description,
        valid_until=arguments.valid_until,
        administrator=arguments.administrator,
    )
    return f"{made.code} is made. {_signs_in(made.link)}"


def _signs_in(link: Any) -> str:
    return f"{link.name} signs in once with {link.url}" if link else "A role must be granted before anybody signs in."


def _edit_organisation(admin: Admin, arguments: argparse.Namespace) -> str:
    changes: dict[str, Any] = {"name": arguments.name, "description": arguments.description}
    if arguments.valid_until is not None:
        changes["valid_until"] = None if arguments.valid_until == "never" else arguments.valid_until
    row = admin.organisations.get(str(arguments.code)).update(**changes)
    return f"{row.code}: {row.name}, {row.state}."


def _organisation(word: str) -> Command:
    def run(admin: Admin, arguments: argparse.Namespace) -> str:
        row = admin.organisations.get(str(arguments.code))
        getattr(row, word)()
        return f"{row.code} is {word}d."

    return run


# -- departments -------------------------------------------------------------------------------


def _departments(commands: Any) -> None:
    group = commands.add_parser("departments", help="list, create, edit, enable, disable, delete departments")
    actions = group.add_subparsers(metavar="ACTION")
    _lister(actions, group, _list_departments, scoped=True)
    create = _scoped(_action(actions, "create", "create a department", _create_department))
    create.add_argument("--description", default="")
    edit = _scoped(_action(actions, "edit", "change name or description", _edit_department))
    edit.add_argument("--rename", default=None, metavar="NAME")
    edit.add_argument("--description", default=None)
    for word in ("enable", "disable", "delete"):
        _scoped(_action(actions, word, f"{word} a department", _simple("departments", word)))
    for word in ("add", "remove"):
        change = _scoped(_action(actions, word, f"{word} members", _membership("departments", word)))
        change.add_argument("members", nargs="+", metavar="MEMBER", help="names")


def _scoped(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("name")
    parser.add_argument("--organisation", required=True, help="the organisation's code")
    return parser


def _list_departments(admin: Admin, arguments: argparse.Namespace) -> Any:
    rows = admin.departments.list(
        q=arguments.q, sort=arguments.sort, limit=arguments.limit, organisation=arguments.organisation
    )
    columns: dict[str, Callable[[Any], Any]] = {
        "organisation": lambda one: one.organisation.code,
        "id": lambda one: one.id,
        "name": lambda one: one.name,
        "state": lambda one: _state(one.enabled),
        "members": lambda one: one.members,
        "administrators": lambda one: _names(one.administrators),
    }
    return _table(rows, columns, arguments.json)


def _create_department(admin: Admin, arguments: argparse.Namespace) -> str:
    made = admin.departments.create(
        arguments.name, description=arguments.description, organisation=arguments.organisation
    )
    return f"{made.name} is made."


def _edit_department(admin: Admin, arguments: argparse.Namespace) -> str:
    row = admin.departments.get(str(arguments.name), organisation=arguments.organisation)
    return f"{row.update(name=arguments.rename, description=arguments.description).name} is changed."


def _simple(collection: str, word: str) -> Command:
    """A method of one thing, named by its name within its organisation."""

    def run(admin: Admin, arguments: argparse.Namespace) -> str:
        row = getattr(admin, collection).get(str(arguments.name), organisation=arguments.organisation)
        getattr(row, word)()
        return f"{row.name} is {word}{'d' if word.endswith('e') else 'ed'}."

    return run


def _membership(collection: str, word: str) -> Command:
    def run(admin: Admin, arguments: argparse.Namespace) -> str:
        code = arguments.organisation
        row = getattr(admin, collection).get(str(arguments.name), organisation=code)
        people = [admin.members.get(str(name), organisation=code) for name in arguments.members]
        getattr(row, word)(*people)
        return f"{row.name} has {row.members} members."

    return run


# -- members -----------------------------------------------------------------------------------


def _members(commands: Any) -> None:
    group = commands.add_parser(
        "members", aliases=["people"], help="list, create, edit, import, export, enable, disable, delete members"
    )
    actions = group.add_subparsers(metavar="ACTION")
    _lister(actions, group, _list_members, scoped=True)
    create = _scoped(_action(actions, "create", "create a member and print a one-time sign-in link", _create_member))
    create.add_argument("--department", default=None, help="a department's name")
    create.add_argument("--display-name", default="")
    create.add_argument("--role", action="append", help=f"may be repeated (default: {MEMBER})")
    create.add_argument("--guest", action="store_true", help="an annotator who signs in by invitation")
    edit = _scoped(_action(actions, "edit", "change roles, department or display name", _edit_member))
    edit.add_argument("--department", default=None, help="a department's name, or none")
    edit.add_argument("--display-name", default=None)
    edit.add_argument("--role", action="append", help="all roles the member shall have; may be repeated")
    for word in ("enable", "disable", "unlock"):
        _any_member(_action(actions, word, f"{word} a member", _member(word)))
    _any_member(_action(actions, "link", "print a new one-time sign-in link", _link_member))
    delete = _any_member(_action(actions, "delete", "delete a member", _delete_member))
    delete.add_argument("--take-over", default=None, metavar="MEMBER", help="who gets the objects")
    delete.add_argument("--erase", action="store_true", help="erase the objects")
    bring = _action(actions, "import", "bring in members from a CSV file, with a report per line", _import_members)
    bring.add_argument("file", type=Path)
    bring.add_argument("--organisation", required=True)
    bring.add_argument("--dry-run", action="store_true", help="report, change nothing")
    export = _action(actions, "export", "write members as CSV", _export_members)
    export.add_argument("file", type=Path)
    export.add_argument("--organisation", default="*")
    _action(actions, "template", "write a CSV file to fill in", _template).add_argument("file", type=Path)


def _any_member(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Sign-in names are unique over all organisations, so one needs not be named."""
    parser.add_argument("name")
    parser.add_argument("--organisation", default="*", help="the organisation's code (default: look in all)")
    return parser


def _list_members(admin: Admin, arguments: argparse.Namespace) -> Any:
    rows = admin.members.list(
        q=arguments.q, sort=arguments.sort, limit=arguments.limit, organisation=arguments.organisation
    )
    columns: dict[str, Callable[[Any], Any]] = {
        "organisation": lambda one: one.organisation.code,
        "id": lambda one: one.id,
        "name": lambda one: one.name,
        "department": lambda one: one.department.name if one.department else "–",
        "roles": lambda one: ", ".join(one.roles),
        "state": lambda one: "locked" if one.locked_until else _state(one.enabled),
    }
    return _table(rows, columns, arguments.json)


def _create_member(admin: Admin, arguments: argparse.Namespace) -> str:
    code = arguments.organisation
    made = admin.members.create(
        arguments.name,
        organisation=code,
        display_name=arguments.display_name,
        department=admin.departments.get(arguments.department, organisation=code) if arguments.department else None,
        roles=arguments.role,
        guest=arguments.guest,
    )
    return _signs_in(made.link)


def _edit_member(admin: Admin, arguments: argparse.Namespace) -> str:
    code = arguments.organisation
    row = admin.members.get(str(arguments.name), organisation=code)
    changes: dict[str, Any] = {"display_name": arguments.display_name, "roles": arguments.role}
    if arguments.department is not None:
        none = arguments.department == "none"
        changes["department"] = None if none else admin.departments.get(arguments.department, organisation=code)
    row.update(**changes)
    return f"{row.name}: {', '.join(row.roles)}"


def _member(word: str) -> Command:
    def run(admin: Admin, arguments: argparse.Namespace) -> str:
        row = admin.members.get(str(arguments.name), organisation=arguments.organisation)
        getattr(row, word)()
        return f"{row.name} is {'unlocked' if word == 'unlock' else word + 'd'}."

    return run


def _link_member(admin: Admin, arguments: argparse.Namespace) -> str:
    row = admin.members.get(str(arguments.name), organisation=arguments.organisation)
    return row.sign_in_link().url


def _delete_member(admin: Admin, arguments: argparse.Namespace) -> str:
    row = admin.members.get(str(arguments.name), organisation=arguments.organisation)
    heir = None
    if arguments.take_over is not None:
        heir = admin.members.get(str(arguments.take_over), organisation=row.organisation.code)
    done = row.remove(take_over=heir, erase=arguments.erase)
    parts = [f"{count} {kind} handed over" for kind, count in done["handed_over"].items()]
    parts += [f"{count} {kind} erased" for kind, count in done["erased"].items()]
    return f"{row.name} is deleted. {'; '.join(parts)}".strip()


def _import_members(admin: Admin, arguments: argparse.Namespace) -> int:
    try:
        data = arguments.file.read_bytes()
    except OSError as error:
        sys.stderr.write(f"himalia: {error.strerror}: {error.filename}\n")
        return 1
    done = admin.members.import_csv(data, dry_run=arguments.dry_run, organisation=arguments.organisation).wait()
    for line in done.lines():
        why = "; ".join(problem["message"] for problem in line.problems)
        print(f"{line.line:>6}  {line.outcome:<10} {line.name:<32} {why}".rstrip())
    print(", ".join(f"{count} {outcome}" for outcome, count in sorted(done.counts.items())))
    return 1 if done.counts.get("refused") else 0


def _export_members(admin: Admin, arguments: argparse.Namespace) -> str:
    return f"Written to {admin.members.export(arguments.file, organisation=arguments.organisation)}."


def _template(admin: Admin, arguments: argparse.Namespace) -> str:
    arguments.file.write_bytes(admin.members.template())
    return f"Written to {arguments.file}."


# -- groups ------------------------------------------------------------------------------------


def _groups(commands: Any) -> None:
    group = commands.add_parser("groups", help="list, create, edit, delete groups and who is in them")
    actions = group.add_subparsers(metavar="ACTION")
    _lister(actions, group, _list_groups, scoped=True)
    create = _scoped(_action(actions, "create", "create a group", _create_group))
    create.add_argument("--description", default="")
    create.add_argument("--role", action="append", default=[], help="may be repeated")
    create.add_argument("--external-name", default="", help="what a directory calls it")
    edit = _scoped(_action(actions, "edit", "change roles or description", _edit_group))
    edit.add_argument("--description", default=None)
    edit.add_argument("--role", action="append", help="all roles the group shall have; may be repeated")
    _scoped(_action(actions, "delete", "delete a group; its members stay", _simple("groups", "delete")))
    for word in ("add", "remove"):
        change = _scoped(_action(actions, word, f"{word} members", _membership("groups", word)))
        change.add_argument("members", nargs="+", metavar="MEMBER", help="names")


def _list_groups(admin: Admin, arguments: argparse.Namespace) -> Any:
    rows = admin.groups.list(
        q=arguments.q, sort=arguments.sort, limit=arguments.limit, organisation=arguments.organisation
    )
    columns: dict[str, Callable[[Any], Any]] = {
        "organisation": lambda one: one.organisation.code,
        "id": lambda one: one.id,
        "name": lambda one: one.name,
        "roles": lambda one: ", ".join(one.roles),
        "members": lambda one: one.members,
    }
    return _table(rows, columns, arguments.json)


def _create_group(admin: Admin, arguments: argparse.Namespace) -> str:
    made = admin.groups.create(
        arguments.name,
        description=arguments.description,
        external_name=arguments.external_name,
        roles=arguments.role,
        organisation=arguments.organisation,
    )
    return f"{made.name} is made."


def _edit_group(admin: Admin, arguments: argparse.Namespace) -> str:
    row = admin.groups.get(str(arguments.name), organisation=arguments.organisation)
    row.update(description=arguments.description, roles=arguments.role)
    return f"{row.name}: {', '.join(row.roles) or 'no roles'}"
