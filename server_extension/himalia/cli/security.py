"""``himalia policy|senders|sources|tokens|audit|shares|sessions``: security from the command line.

Secrets come from files, never from arguments, which every process of a machine can read.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from himalia.cli.tenancy import Way
from himalia.sdk.errors import InvalidInput

if TYPE_CHECKING:
    from himalia.sdk.client import Client

HELP = {
    "policy": "limits of names, passwords, sign-in and sessions: show, set",
    "senders": "how e-mail, SMS and WeCom leave: list, set, test, remove",
    "sources": "external sign-in sources: list, show, kinds, create, edit, enable, disable, test, delete",
}
FILTERS = ("organisation", "start", "end", "category", "actor", "action", "object_kind", "object", "outcome", "address")


def build(name: str, group: argparse.ArgumentParser, way: Way) -> None:
    """The parser of one of the groups."""
    actions = group.add_subparsers(metavar="ACTION", required=not way.machine)
    {
        "policy": _policy,
        "senders": _senders,
        "sources": _sources,
        "tokens": _tokens,
        "audit": _audit,
        "shares": _shares,
        "sessions": _sessions,
    }[name](actions, way)


def _pairs(texts: list[str]) -> dict[str, Any]:
    """``name=value`` pairs; a value is JSON where it reads as such, else text."""
    found: dict[str, Any] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator:
            raise InvalidInput(f"{text!r} is not NAME=VALUE.", hint="For example password_minimum=12.")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def _secret(path: Path | None) -> str | None:
    return None if path is None else path.read_text(encoding="utf-8").strip()


# -- policy and senders ------------------------------------------------------------------------


def _policy(actions: Any, way: Way) -> None:
    way.command(actions.add_parser("show", help="the limits in force"), lambda client, _: client.admin.policy.get())
    setter = way.command(
        actions.add_parser("set", help="change limits; in force at once"),
        lambda client, a: client.admin.policy.change(**_pairs(a.limit)),
    )
    setter.add_argument("limit", nargs="+", metavar="NAME=VALUE", help="password_minimum=12")


def _senders(actions: Any, way: Way) -> None:
    way.command(actions.add_parser("list", help="what is set up"), _list_senders)
    setter = way.command(actions.add_parser("set", help="set a channel up, or change it"), _set_sender)
    setter.add_argument("channel", help="email, sms or wecom")
    setter.add_argument("kind", help="smtp or webhook")
    setter.add_argument("setting", nargs="*", metavar="NAME=VALUE", help="host=mail.example.org port=587")
    setter.add_argument("--secret-file", type=Path, help="a file with the password or signing key")
    setter.add_argument("--disabled", action="store_true", help="keep it, send nothing")
    test = way.command(actions.add_parser("test", help="send a test message"), _test_sender)
    test.add_argument("channel")
    test.add_argument("to", help="an address of the channel")
    remove = way.command(actions.add_parser("remove", help="stop sending on a channel"), _remove_sender)
    remove.add_argument("channel")


def _list_senders(client: Client, arguments: argparse.Namespace) -> Any:
    from himalia.sdk.display import Table

    found = client.admin.senders.list()
    if arguments.json:
        return found
    rows = [
        (
            one.channel,
            one.kind,
            one.settings.get("host") or one.settings.get("url"),
            "enabled" if one.enabled else "disabled",
        )
        for one in found
    ]
    return Table(["Channel", "Kind", "By", "State"], rows, empty="Nothing is set up.")


def _set_sender(client: Client, arguments: argparse.Namespace) -> Any:
    made = client.admin.senders.set(
        arguments.channel,
        arguments.kind,
        _pairs(arguments.setting),
        secret=_secret(arguments.secret_file),
        enabled=not arguments.disabled,
    )
    return made if arguments.json else f"{made.channel} leaves by {made.kind}."


def _test_sender(client: Client, arguments: argparse.Namespace) -> str:
    client.admin.senders.test(arguments.channel, arguments.to)
    return f"Sent to {arguments.to}."


def _remove_sender(client: Client, arguments: argparse.Namespace) -> str:
    client.admin.senders.remove(arguments.channel)
    return f"Nothing is sent on {arguments.channel} any more."


# -- sources -----------------------------------------------------------------------------------


def _sources(actions: Any, way: Way) -> None:
    way.command(actions.add_parser("list", help="sources and how many people they have"), _list_sources)
    way.command(actions.add_parser("kinds", help="kinds of sources"), lambda client, _: _kinds(client))
    for verb, help_text in (
        ("show", "one source"),
        ("enable", "let its people sign in"),
        ("disable", "end its people's sessions"),
        ("delete", "remove it; its people stay and cannot sign in"),
    ):
        way.command(actions.add_parser(verb, help=help_text), _source).add_argument("name")
        actions.choices[verb].set_defaults(verb=verb)
    for verb, help_text in (("create", "set a source up"), ("edit", "change a source")):
        one = way.command(actions.add_parser(verb, help=help_text), _write_source)
        one.set_defaults(verb=verb)
        one.add_argument("name", help="2-32 characters of a-z, 0-9, -")
        if verb == "create":
            one.add_argument("kind", help="oidc, ldap, pam …; see kinds")
        one.add_argument("--title", help="as the sign-in page shows it")
        one.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting; may be repeated")
        one.add_argument("--secret-file", action="append", default=[], metavar="NAME=FILE", help="a secret setting")
        one.add_argument("--mapping", type=Path, help="a JSON file: what claims mean here")
        for word in ("auto-provision", "allow-private"):
            one.add_argument(f"--{word}", action=argparse.BooleanOptionalAction, default=None)
    test = way.command(actions.add_parser("test", help="reach it as the hub would"), _test_source)
    test.add_argument("name")
    test.add_argument("--claims", type=Path, help="a JSON file of claims to map")


def _kinds(client: Client) -> Any:
    from himalia.sdk.display import Table

    found = client.admin.sources.kinds()
    rows = [(one["kind"], "form" if one["form"] else "redirect", len(one["settings"])) for one in found]
    return Table(["Kind", "Signs in by", "Settings"], rows)


def _list_sources(client: Client, arguments: argparse.Namespace) -> Any:
    from himalia.sdk.display import Table

    found = client.admin.sources.list()
    if arguments.json:
        return found
    rows = [(one.name, one.title, one.kind, "enabled" if one.enabled else "disabled", one.users) for one in found]
    return Table(["Name", "Title", "Kind", "State", "People"], rows, empty="Local accounts only.")


def _source(client: Client, arguments: argparse.Namespace) -> Any:
    found = client.admin.sources.get(arguments.name)
    if arguments.verb == "show":
        return found
    getattr(found, arguments.verb)()
    return f"{arguments.name} is {arguments.verb}d."


def _write_source(client: Client, arguments: argparse.Namespace) -> Any:
    secrets = {
        name: Path(str(path)).read_text(encoding="utf-8").strip() for name, path in _files(arguments.secret_file)
    }
    told: dict[str, Any] = {
        "title": arguments.title,
        "settings": _pairs(arguments.set) or None,
        "secrets": secrets or None,
        "mapping": json.loads(arguments.mapping.read_text(encoding="utf-8")) if arguments.mapping else None,
        "auto_provision": arguments.auto_provision,
        "allow_private": arguments.allow_private,
    }
    told = {name: value for name, value in told.items() if value is not None}
    if arguments.verb == "create":
        made = client.admin.sources.create(arguments.name, arguments.kind, **told)
    else:
        made = client.admin.sources.get(arguments.name)
        if "settings" in told:
            told["settings"] = made.settings | told["settings"]
        made.update(**told)
    if arguments.json:
        return made
    where = f" Its provider sends people back to {made.callback_url}." if made.callback_url else ""
    return f"{made.name} is {'made' if arguments.verb == 'create' else 'changed'}.{where}"


def _files(texts: list[str]) -> list[tuple[str, str]]:
    found = []
    for text in texts:
        name, separator, path = text.partition("=")
        if not separator:
            raise InvalidInput(f"{text!r} is not NAME=FILE.", hint="For example client_secret=secret.txt.")
        found.append((name, path))
    return found


def _test_source(client: Client, arguments: argparse.Namespace) -> Any:
    from himalia.cli.tenancy import Outcome

    claims = json.loads(arguments.claims.read_text(encoding="utf-8")) if arguments.claims else None
    found = client.admin.sources.get(arguments.name).test(claims)
    if arguments.json:
        return Outcome(found, 0 if found.passed else 1)
    told = [f"{'passed' if step.passed else 'failed'}  {step.name}  {step.detail}".rstrip() for step in found.steps]
    if found.mapped:
        told += [f"{name}: {value}" for name, value in found.mapped.items()]
    return Outcome("\n".join(told), 0 if found.passed else 1)


# -- tokens, sessions, shares, audit -----------------------------------------------------------


def _tokens(actions: Any, way: Way) -> None:
    way.command(actions.add_parser("list", help="your API tokens"), _list_tokens)
    create = way.command(actions.add_parser("create", help="make one; it is printed this once"), _create_token)
    create.add_argument("name", help="1-64 characters")
    create.add_argument("--permission", action="append", help="may be repeated (default: all of your own)")
    create.add_argument("--expires-at", help="2027-01-31T00:00:00Z")
    revoke = way.command(actions.add_parser("revoke", help="end one at once"), _revoke_token)
    revoke.add_argument("id", type=int)


def _list_tokens(client: Client, arguments: argparse.Namespace) -> Any:
    from himalia.sdk.display import Table

    found = client.tokens.list()
    if arguments.json:
        return found
    rows = [(one.id, one.name, one.prefix, one.reach, one.expires_at or "never") for one in found]
    return Table(["Id", "Name", "Begins with", "Reach", "Ends"], rows, empty="You have none.")


def _create_token(client: Client, arguments: argparse.Namespace) -> Any:
    made = client.tokens.create(arguments.name, permissions=arguments.permission, expires_at=arguments.expires_at)
    if arguments.json:
        return {"id": made.id, "name": made.name, "token": made.token}
    return made.token


def _revoke_token(client: Client, arguments: argparse.Namespace) -> str:
    client.tokens.revoke(arguments.id)
    return f"Token {arguments.id} is revoked."


def _sessions(actions: Any, way: Way) -> None:
    def end(client: Client, _: argparse.Namespace) -> str:
        client.end_sessions()
        return "Every browser is signed out; tokens and running work stay."

    way.command(actions.add_parser("end", help="sign out everywhere"), end)


def _shares(actions: Any, way: Way) -> None:
    listing = way.command(actions.add_parser("list", help="what you received, or gave"), _list_shares)
    listing.add_argument("--given", action="store_true", help="what you gave")
    give = way.command(actions.add_parser("give", help="share something of yours"), _give)
    give.add_argument("kind", choices=("dataset", "label-group", "model"))
    give.add_argument("which", help="name or number")
    receiver = give.add_mutually_exclusive_group(required=True)
    receiver.add_argument("--user", help="a member, by name")
    receiver.add_argument("--department", help="a department, by name")
    receiver.add_argument("--organisation", action="store_true", help="everybody of it")
    give.add_argument("--access", choices=("view", "use", "edit"), default="view")
    take = way.command(actions.add_parser("take-back", help="end a share at once"), _take_back)
    take.add_argument("id", type=int)


def _list_shares(client: Client, arguments: argparse.Namespace) -> Any:
    from himalia.sdk.display import Table

    found = list(client.shares.list(direction="given" if arguments.given else "received"))
    if arguments.json:
        return found
    rows = [
        (
            one.id,
            one.object.kind,
            one.object.name,
            one.owner.name if one.owner else "",
            one.receiver.name or one.receiver.kind,
            one.access,
        )
        for one in found
    ]
    return Table(["Id", "Kind", "Name", "Owner", "With", "Access"], rows, empty="Nothing is shared.")


def _give(client: Client, arguments: argparse.Namespace) -> Any:
    sources: dict[str, Any] = {
        "dataset": client.datasets,
        "label-group": client.label_groups,
        "model": client.models,
    }
    made = client.shares.give(
        sources[arguments.kind].get(arguments.which),
        user=arguments.user,
        department=arguments.department,
        organisation=arguments.organisation,
        access=arguments.access,
    )
    return made if arguments.json else f"{made.object.name} is shared: {made.access}."


def _take_back(client: Client, arguments: argparse.Namespace) -> str:
    client.http.request("DELETE", f"/shares/{arguments.id}")
    return f"Share {arguments.id} is taken back."


def _audit(actions: Any, way: Way) -> None:
    for verb, help_text, run in (
        ("list", "entries, newest first", _list_audit),
        ("export", "all matching entries into a file", _export_audit),
    ):
        one = way.command(actions.add_parser(verb, help=help_text), run)
        for name in FILTERS:
            one.add_argument(f"--{name.replace('_', '-')}", default=None)
        one.add_argument("--text", default=None, help="anywhere in actor, action, object or address")
    actions.choices["list"].add_argument("--limit", type=int, default=50)
    actions.choices["export"].add_argument("file", type=Path, help="its end says the form: .csv or .jsonl")


def _filters(arguments: argparse.Namespace) -> dict[str, Any]:
    return {**{name: getattr(arguments, name) for name in FILTERS}, "q": arguments.text}


def _list_audit(client: Client, arguments: argparse.Namespace) -> Any:
    from himalia.sdk.display import Table

    found = list(client.audit.list(limit=arguments.limit, **_filters(arguments)))
    if arguments.json:
        return found
    rows = [
        (one.at, one.organisation.code if one.organisation else "", one.actor, one.outcome, one.action, one.object)
        for one in found
    ]
    return Table(["At", "Organisation", "Actor", "Outcome", "Action", "Object"], rows, empty="Nothing matches.")


def _export_audit(client: Client, arguments: argparse.Namespace) -> str:
    form = "jsonl" if arguments.file.suffix == ".jsonl" else "csv"
    size = client.audit.export(arguments.file, format=form, **_filters(arguments))
    return f"{size} bytes written to {arguments.file}."
