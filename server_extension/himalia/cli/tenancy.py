"""``himalia organisations|departments|members|groups``: tenancy from the command line.

The same commands for a person with a token and, as ``himalia admin …``, for the machine's
administrator; :class:`Way` says which. Each is one call of :mod:`himalia.sdk.admin`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from himalia.sdk.client import Client

Command = Callable[["Client", argparse.Namespace], Any]


@dataclass(frozen=True)
class Way:
    """How commands reach the platform.

    Attributes:
        command: Makes a parser run a command over a client.
        machine: As the machine's administrator, who belongs to no organisation and so names one.
    """

    command: Callable[[argparse.ArgumentParser, Command], argparse.ArgumentParser]
    machine: bool = False

    @property
    def everywhere(self) -> str | None:
        """What stands for an organisation in lists where none is named."""
        return "*" if self.machine else None


@dataclass(frozen=True)
class Outcome:
    """Something to show that is not the whole success: the exit code says so."""

    shown: Any
    code: int


HELP = {
    "organisations": "list, create, edit, enable, disable, delete organisations",
    "departments": "list, create, edit, enable, disable, delete departments",
    "members": "list, create, edit, import, export, enable, disable, delete members",
    "groups": "list, create, edit, delete groups and who is in them",
}


def build(name: str, group: argparse.ArgumentParser, way: Way) -> None:
    """The parser of one of the groups."""
    {"organisations": _organisations, "departments": _departments, "members": _members, "groups": _groups}[name](
        group, way
    )


def _action(way: Way, actions: Any, name: str, help_text: str, command: Command) -> argparse.ArgumentParser:
    return way.command(actions.add_parser(name, help=help_text), command)


def _lister(way: Way, actions: Any, command: Command, *, scoped: bool) -> None:
    parser = _action(way, actions, "list", "list them", command)
    parser.add_argument("-q", default=None, help="text in name or number")
    parser.add_argument("--sort", default="name", help="name, -created_at, …")
    parser.add_argument("--limit", type=int, default=None)
    if scoped:
        default = "all" if way.machine else "your own; * for all"
        parser.add_argument(
            "--organisation", default=way.everywhere, help=f"an organisation's code (default: {default})"
        )


def _table(rows: Iterable[Any], columns: dict[str, Callable[[Any], Any]]) -> Any:
    from himalia.sdk.display import Table

    found = [[str(show(row)) for show in columns.values()] for row in rows]
    return Table(list(columns), found)


def _names(things: Iterable[Any]) -> str:
    return ", ".join(thing.name for thing in things)


def _state(enabled: bool) -> str:
    return "enabled" if enabled else "disabled"


# -- organisations -----------------------------------------------------------------------------


def _organisations(group: argparse.ArgumentParser, way: Way) -> None:
    actions = group.add_subparsers(metavar="ACTION", required=not way.machine)
    _lister(way, actions, _list_organisations, scoped=False)
    create = _action(way, actions, "create", "create one with its first administrator", _create_organisation)
    create.add_argument("code", help="4-32 characters of a-z, 0-9, -; never changes")
    create.add_argument("--administrator", required=True, help="the first administrator's name; prints a sign-in link")
    create.add_argument("--name", default=None, help="4-32 characters of a-z, 0-9, - (default: the code)")
    create.add_argument("--description", default="")
    create.add_argument("--valid-until", default=None, help="2027-01-01T00:00:00Z")
    edit = _action(way, actions, "edit", "change name, description or end", _edit_organisation)
    edit.add_argument("code")
    edit.add_argument("--name", default=None)
    edit.add_argument("--description", default=None)
    edit.add_argument("--valid-until", default=None, help="2027-01-01T00:00:00Z, or never")
    for word in ("enable", "disable", "delete"):
        _action(way, actions, word, f"{word} an organisation", _organisation(word)).add_argument("code")


def _list_organisations(client: Client, arguments: argparse.Namespace) -> Any:
    rows = client.admin.organisations.list(q=arguments.q, sort=arguments.sort, limit=arguments.limit)
    columns: dict[str, Callable[[Any], Any]] = {
        "code": lambda one: one.code,
        "name": lambda one: one.name,
        "state": lambda one: one.state,
        "members": lambda one: one.members,
        "departments": lambda one: one.departments,
        "administrators": lambda one: _names(one.administrators),
    }
    return _table(rows, columns)


def _create_organisation(client: Client, arguments: argparse.Namespace) -> Any:
    made = client.admin.organisations.create(
        arguments.code,
        name=arguments.name,
        description=arguments.description,
        valid_until=arguments.valid_until,
        administrator=arguments.administrator,
    )
    return made if arguments.json else f"{made.code} is made. {_signs_in(made.link)}"


def _signs_in(link: Any) -> str:
    return f"{link.name} signs in once with {link.url}" if link else "A role must be granted before anybody signs in."


def _edit_organisation(client: Client, arguments: argparse.Namespace) -> str:
    changes: dict[str, Any] = {"name": arguments.name, "description": arguments.description}
    if arguments.valid_until is not None:
        changes["valid_until"] = None if arguments.valid_until == "never" else arguments.valid_until
    row = client.admin.organisations.get(str(arguments.code)).update(**changes)
    return f"{row.code}: {row.name}, {row.state}."


def _organisation(word: str) -> Command:
    def run(client: Client, arguments: argparse.Namespace) -> str:
        row = client.admin.organisations.get(str(arguments.code))
        getattr(row, word)()
        return f"{row.code} is {word}d."

    return run


# -- departments -------------------------------------------------------------------------------


def _departments(group: argparse.ArgumentParser, way: Way) -> None:
    actions = group.add_subparsers(metavar="ACTION", required=not way.machine)
    _lister(way, actions, _list_departments, scoped=True)
    create = _scoped(way, _action(way, actions, "create", "create a department", _create_department))
    create.add_argument("--description", default="")
    edit = _scoped(way, _action(way, actions, "edit", "change name or description", _edit_department))
    edit.add_argument("--rename", default=None, metavar="NAME")
    edit.add_argument("--description", default=None)
    for word in ("enable", "disable", "delete"):
        _scoped(way, _action(way, actions, word, f"{word} a department", _simple("departments", word)))
    for word in ("add", "remove"):
        change = _scoped(way, _action(way, actions, word, f"{word} members", _membership("departments", word)))
        change.add_argument("members", nargs="+", metavar="MEMBER", help="names")


def _scoped(way: Way, parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("name")
    return _within(way, parser)


def _within(way: Way, parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument(
        "--organisation", required=way.machine, default=None, help="the organisation's code (default: your own)"
    )
    return parser


def _list_departments(client: Client, arguments: argparse.Namespace) -> Any:
    rows = client.admin.departments.list(
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
    return _table(rows, columns)


def _create_department(client: Client, arguments: argparse.Namespace) -> Any:
    made = client.admin.departments.create(
        arguments.name, description=arguments.description, organisation=arguments.organisation
    )
    return made if arguments.json else f"{made.name} is made."


def _edit_department(client: Client, arguments: argparse.Namespace) -> str:
    row = client.admin.departments.get(str(arguments.name), organisation=arguments.organisation)
    return f"{row.update(name=arguments.rename, description=arguments.description).name} is changed."


def _simple(collection: str, word: str) -> Command:
    """A method of one thing, named by its name within its organisation."""

    def run(client: Client, arguments: argparse.Namespace) -> str:
        row = getattr(client.admin, collection).get(str(arguments.name), organisation=arguments.organisation)
        getattr(row, word)()
        return f"{row.name} is {word}{'d' if word.endswith('e') else 'ed'}."

    return run


def _membership(collection: str, word: str) -> Command:
    def run(client: Client, arguments: argparse.Namespace) -> str:
        code = arguments.organisation
        row = getattr(client.admin, collection).get(str(arguments.name), organisation=code)
        people = [client.admin.members.get(str(name), organisation=code) for name in arguments.members]
        getattr(row, word)(*people)
        return f"{row.name} has {row.members} members."

    return run


# -- members -----------------------------------------------------------------------------------


def _members(group: argparse.ArgumentParser, way: Way) -> None:
    actions = group.add_subparsers(metavar="ACTION", required=not way.machine)
    _lister(way, actions, _list_members, scoped=True)
    create = _scoped(way, _action(way, actions, "create", "create one; prints a one-time sign-in link", _create_member))
    create.add_argument("--department", default=None, help="a department's name")
    create.add_argument("--display-name", default="")
    create.add_argument("--role", action="append", help="may be repeated (default: member)")
    create.add_argument("--guest", action="store_true", help="an annotator who signs in by invitation")
    edit = _scoped(way, _action(way, actions, "edit", "change roles, department or display name", _edit_member))
    edit.add_argument("--department", default=None, help="a department's name, or none")
    edit.add_argument("--display-name", default=None)
    edit.add_argument("--role", action="append", help="all roles the member shall have; may be repeated")
    for word in ("enable", "disable", "unlock"):
        _any_member(way, _action(way, actions, word, f"{word} a member", _member(word)))
    _any_member(way, _action(way, actions, "link", "print a new one-time sign-in link", _link_member))
    reset = "take the second factor away from a member who lost it; ends sessions, tells the member"
    _any_member(way, _action(way, actions, "reset-second-factor", reset, _reset_factor))
    delete = _any_member(way, _action(way, actions, "delete", "delete a member", _delete_member))
    delete.add_argument("--take-over", default=None, metavar="MEMBER", help="who gets the objects")
    delete.add_argument("--erase", action="store_true", help="erase the objects")
    bring = _action(way, actions, "import", "bring in members from a CSV file, with a report per line", _import_members)
    bring.add_argument("file", type=Path)
    _within(way, bring)
    bring.add_argument("--dry-run", action="store_true", help="report, change nothing")
    export = _action(way, actions, "export", "write members as CSV", _export_members)
    export.add_argument("file", type=Path)
    export.add_argument("--organisation", default=way.everywhere, help="the organisation's code")
    _action(way, actions, "template", "write a CSV file to fill in", _template).add_argument("file", type=Path)


def _any_member(way: Way, parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Sign-in names are unique over all organisations, so the machine's administrator names none."""
    parser.add_argument("name")
    default = "look in all" if way.machine else "your own"
    parser.add_argument("--organisation", default=way.everywhere, help=f"the organisation's code (default: {default})")
    return parser


def _list_members(client: Client, arguments: argparse.Namespace) -> Any:
    rows = client.admin.members.list(
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
    return _table(rows, columns)


def _create_member(client: Client, arguments: argparse.Namespace) -> Any:
    code = arguments.organisation
    made = client.admin.members.create(
        arguments.name,
        organisation=code,
        display_name=arguments.display_name,
        department=_department(client, arguments.department, code),
        roles=arguments.role,
        guest=arguments.guest,
    )
    return made if arguments.json else _signs_in(made.link)


def _department(client: Client, name: str | None, code: str | None) -> Any:
    return client.admin.departments.get(name, organisation=code) if name else None


def _edit_member(client: Client, arguments: argparse.Namespace) -> str:
    code = arguments.organisation
    row = client.admin.members.get(str(arguments.name), organisation=code)
    changes: dict[str, Any] = {"display_name": arguments.display_name, "roles": arguments.role}
    if arguments.department is not None:
        none = arguments.department == "none"
        changes["department"] = None if none else client.admin.departments.get(arguments.department, organisation=code)
    row.update(**changes)
    return f"{row.name}: {', '.join(row.roles)}"


def _member(word: str) -> Command:
    def run(client: Client, arguments: argparse.Namespace) -> str:
        row = client.admin.members.get(str(arguments.name), organisation=arguments.organisation)
        getattr(row, word)()
        return f"{row.name} is {'unlocked' if word == 'unlock' else word + 'd'}."

    return run


def _link_member(client: Client, arguments: argparse.Namespace) -> str:
    row = client.admin.members.get(str(arguments.name), organisation=arguments.organisation)
    return row.sign_in_link().url


def _reset_factor(client: Client, arguments: argparse.Namespace) -> Any:
    row = client.admin.members.get(str(arguments.name), organisation=arguments.organisation)
    done = row.reset_second_factor()
    if arguments.json:
        return done
    if not done["methods"]:
        return f"{row.name} has no second factor."
    told = f"told by {', '.join(done['told'])}" if done["told"] else "not told: no confirmed address"
    return f"{row.name}: {', '.join(done['methods'])} reset; sessions ended; {told}."


def _delete_member(client: Client, arguments: argparse.Namespace) -> str:
    row = client.admin.members.get(str(arguments.name), organisation=arguments.organisation)
    heir = None
    if arguments.take_over is not None:
        heir = client.admin.members.get(str(arguments.take_over), organisation=row.organisation.code)
    done = row.remove(take_over=heir, erase=arguments.erase)
    parts = [f"{count} {kind} handed over" for kind, count in done["handed_over"].items()]
    parts += [f"{count} {kind} erased" for kind, count in done["erased"].items()]
    return f"{row.name} is deleted. {'; '.join(parts)}".strip()


def _import_members(client: Client, arguments: argparse.Namespace) -> Any:
    data = arguments.file.read_bytes()
    members = client.admin.members
    done = members.import_csv(data, dry_run=arguments.dry_run, organisation=arguments.organisation).wait(progress=False)
    refused = done.counts.get("refused", 0)
    if arguments.json:
        return Outcome({"counts": done.counts, "lines": list(done.lines())}, 1 if refused else 0)
    told = [
        f"{line.line:>6}  {line.outcome:<10} {line.name:<32} "
        + "; ".join(problem["message"] for problem in line.problems)
        for line in done.lines()
    ]
    told.append(", ".join(f"{count} {outcome}" for outcome, count in sorted(done.counts.items())))
    return Outcome("\n".join(line.rstrip() for line in told), 1 if refused else 0)


def _export_members(client: Client, arguments: argparse.Namespace) -> str:
    return f"Written to {client.admin.members.export(arguments.file, organisation=arguments.organisation)}."


def _template(client: Client, arguments: argparse.Namespace) -> str:
    arguments.file.write_bytes(client.admin.members.template())
    return f"Written to {arguments.file}."


# -- groups ------------------------------------------------------------------------------------


def _groups(group: argparse.ArgumentParser, way: Way) -> None:
    actions = group.add_subparsers(metavar="ACTION", required=not way.machine)
    _lister(way, actions, _list_groups, scoped=True)
    create = _scoped(way, _action(way, actions, "create", "create a group", _create_group))
    create.add_argument("--description", default="")
    create.add_argument("--role", action="append", default=[], help="may be repeated")
    create.add_argument("--external-name", default="", help="what a directory calls it")
    edit = _scoped(way, _action(way, actions, "edit", "change roles or description", _edit_group))
    edit.add_argument("--description", default=None)
    edit.add_argument("--role", action="append", help="all roles the group shall have; may be repeated")
    _scoped(way, _action(way, actions, "delete", "delete a group; its members stay", _simple("groups", "delete")))
    for word in ("add", "remove"):
        change = _scoped(way, _action(way, actions, word, f"{word} members", _membership("groups", word)))
        change.add_argument("members", nargs="+", metavar="MEMBER", help="names")


def _list_groups(client: Client, arguments: argparse.Namespace) -> Any:
    rows = client.admin.groups.list(
        q=arguments.q, sort=arguments.sort, limit=arguments.limit, organisation=arguments.organisation
    )
    columns: dict[str, Callable[[Any], Any]] = {
        "organisation": lambda one: one.organisation.code,
        "id": lambda one: one.id,
        "name": lambda one: one.name,
        "roles": lambda one: ", ".join(one.roles),
        "members": lambda one: one.members,
    }
    return _table(rows, columns)


def _create_group(client: Client, arguments: argparse.Namespace) -> Any:
    made = client.admin.groups.create(
        arguments.name,
        description=arguments.description,
        external_name=arguments.external_name,
        roles=arguments.role,
        organisation=arguments.organisation,
    )
    return made if arguments.json else f"{made.name} is made."


def _edit_group(client: Client, arguments: argparse.Namespace) -> str:
    row = client.admin.groups.get(str(arguments.name), organisation=arguments.organisation)
    row.update(description=arguments.description, roles=arguments.role)
    return f"{row.name}: {', '.join(row.roles) or 'no roles'}"
