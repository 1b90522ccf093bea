"""``himalia quotas|prices|verdict|accelerators|checklist``: what administrators set, and what a start would meet."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from himalia.sdk.errors import InvalidInput

if TYPE_CHECKING:
    from himalia.sdk.accelerators import Accelerator
    from himalia.sdk.client import Client
    from himalia.sdk.console import QuotaSheet

GIB = 2**30
_SHORT = {"cpu": "cpu_millis", "memory": "memory_bytes", "storage": "storage_bytes", "images": "image_bytes"}
LEVELS = ("tenant", "department", "user")


def register(group: argparse.ArgumentParser, name: str) -> None:
    """Build the parser of one of the commands."""
    {
        "quotas": _quotas,
        "prices": _prices,
        "verdict": _verdict,
        "accelerators": _accelerators,
        "checklist": _checklist,
    }[name](group)


def _command(parser: argparse.ArgumentParser, run: Any) -> argparse.ArgumentParser:
    from himalia.cli import objects

    return objects._command(parser, run)


def amount_of(text: str) -> tuple[str, int | None]:
    """``memory=16`` to resource and amount: CPUs, GiB or pieces; ``none`` takes the limit away."""
    short, separator, value = text.partition("=")
    name = _SHORT.get(short, short)
    if separator and value.lower() == "none":
        return name, None
    unit = 1000 if name == "cpu_millis" else GIB if name.endswith("_bytes") else 1
    try:
        number = float(value)
        if not separator or not 0 <= number * unit <= 2**60:
            raise ValueError
    except ValueError:
        raise InvalidInput(
            f"{text!r} is not RESOURCE=AMOUNT with an amount of 0 or more.",
            field=short,
            hint="For example cpu=8, memory=16 (GiB), nvidia.com/gpu=2, storage=none.",
        ) from None
    return name, round(number * unit)


def _shown(resource: str, value: int | None) -> str:
    if value is None:
        return "no limit"
    if resource == "cpu_millis":
        return f"{value / 1000:g} CPU"
    return f"{value / GIB:.4g} GiB" if resource.endswith("_bytes") else str(value)


def _sheet(sheet: QuotaSheet) -> Any:
    from himalia.sdk.display import Table

    rows = []
    for line in sheet.resources:
        percent = "" if line.used_percent is None else f"{line.used_percent:g} %"
        above = ", ".join(f"{one.level} {_shown(line.resource, one.limit)}" for one in line.above)
        cells = (line.limit, line.used, line.available)
        rows.append((line.resource, *(_shown(line.resource, cell) for cell in cells), percent, above))
    caption = f"{sheet.level} {sheet.name}"
    return Table(["Resource", "Limit", "Used", "Available", "Used %", "Above"], rows, caption=caption)


def _quotas(group: argparse.ArgumentParser) -> None:
    commands = group.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, help_text, run in (
        ("show", "limits, use and the limits above", _show_quota),
        ("set", "set limits", _set_quota),
    ):
        one = _command(commands.add_parser(name, help=help_text), run)
        one.add_argument("level", choices=LEVELS)
        one.add_argument("subject", help="code, department's number, member's number or name")
        if name == "set":
            one.add_argument("limit", nargs="+", help="cpu=8 memory=16 nvidia.com/gpu=2 storage=none")
            one.add_argument("--lower-below", action="store_true", help="bring higher limits below down along")
        one.add_argument("--tenant", help="the organisation's code (platform administrators)")
    many = _command(commands.add_parser("list", help="everybody of a level"), _list_quotas)
    many.add_argument("level", choices=LEVELS)
    many.add_argument("--tenant", help="the organisation's code (platform administrators)")


def _show_quota(client: Client, arguments: argparse.Namespace) -> Any:
    sheet = client.quotas.get(arguments.level, arguments.subject, tenant=arguments.tenant)
    return sheet if arguments.json else _sheet(sheet)


def _set_quota(client: Client, arguments: argparse.Namespace) -> Any:
    limits = dict(amount_of(text) for text in arguments.limit)
    sheet = client.quotas.set(
        arguments.level, arguments.subject, limits, tenant=arguments.tenant, lower_below=arguments.lower_below
    )
    return sheet if arguments.json else _sheet(sheet)


def _list_quotas(client: Client, arguments: argparse.Namespace) -> Any:
    from himalia.sdk.display import Table

    sheets = client.quotas.all(arguments.level, tenant=arguments.tenant)
    if arguments.json:
        return sheets
    rows = [
        (sheet.subject, sheet.name, line.resource, _shown(line.resource, line.used), _shown(line.resource, line.limit))
        for sheet in sheets
        for line in sheet.resources
        if line.used or line.limit is not None
    ]
    return Table(["Subject", "Name", "Resource", "Used", "Limit"], rows, empty="No limits are set.")


def _prices(group: argparse.ArgumentParser) -> None:
    commands = group.add_subparsers(title="commands", metavar="COMMAND", required=True)
    every = _command(commands.add_parser("list", help="prices in force and to come"), _list_prices)
    every.add_argument("--history", action="store_true", help="those of the past too")
    setter = _command(commands.add_parser("set", help="set prices from now on"), _set_prices)
    setter.add_argument("price", nargs="+", metavar="RESOURCE=PRICE", help="cpu=0.10 nvidia.com/gpu=7.5")
    setter.add_argument("--section", help="only for this section, e.g. training")


def _price_table(prices: Any) -> Any:
    from himalia.sdk.display import Table

    rows = [(p.resource, p.section or "all", p.price_per_hour, p.unit, p.state, p.set_by or "–") for p in prices]
    return Table(["Resource", "Section", "Per hour", "Unit", "State", "Set by"], rows)


def _list_prices(client: Client, arguments: argparse.Namespace) -> Any:
    prices = client.prices.list(history=arguments.history)
    return prices if arguments.json else _price_table(prices)


def _set_prices(client: Client, arguments: argparse.Namespace) -> Any:
    prices = client.prices.set(dict(text.partition("=")[::2] for text in arguments.price), section=arguments.section)
    return prices if arguments.json else _price_table(prices)


def _verdict(group: argparse.ArgumentParser) -> None:
    _command(group, _ask_verdict)
    group.add_argument("spec", help="basic resource spec")
    accelerator_options(group)
    group.add_argument("--replicas", type=int, default=1)
    group.add_argument("--scenario", default="any")


def _ask_verdict(client: Client, arguments: argparse.Namespace) -> Any:
    found = client.verdict(
        arguments.spec,
        accelerator=accelerator_of(arguments),
        replicas=arguments.replicas,
        scenario=arguments.scenario,
    )
    return found if arguments.json else f"{found.sentence} {client.currency.show(found.price_per_hour_micros)} an hour."


def accelerator_options(parser: argparse.ArgumentParser) -> None:
    """A named accelerator spec, or any that suffices."""
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--accelerator", help="accelerator spec, added to the basic one")
    either.add_argument(
        "--any-accelerator",
        metavar="[COUNTx]GIB[:FRAMEWORK,...]",
        help="any accelerator with at least so much memory: 24, 24:cuda, 4x32:cuda,cann",
    )


def accelerator_of(arguments: argparse.Namespace) -> str | Accelerator | None:
    from himalia.sdk.accelerators import Accelerator

    if arguments.any_accelerator is not None:
        return Accelerator.parse(arguments.any_accelerator)
    named: str | None = arguments.accelerator
    return named


def _accelerators(group: argparse.ArgumentParser) -> None:
    _command(group, _list_accelerators)
    group.add_argument("wish", metavar="[COUNTx]GIB[:FRAMEWORK,...]", help="24, 24:cuda, 4x32:cuda,cann")
    group.add_argument("--spec", help="basic resource spec to start it with")
    group.add_argument("--scenario", default="any")


def _list_accelerators(client: Client, arguments: argparse.Namespace) -> Any:
    from himalia.sdk.accelerators import Accelerator
    from himalia.sdk.display import Table

    wish = Accelerator.parse(arguments.wish)
    found = client.accelerators(wish, spec=arguments.spec, scenario=arguments.scenario)
    if arguments.json:
        return found
    if found.problem is not None:
        raise InvalidInput(found.problem.sentence, field=found.problem.field, hint=found.problem.hint)
    rows = [
        (
            one.spec.name,
            one.form,
            one.framework,
            f"{wish.count} × {one.memory_bytes / GIB:g} GiB" if one.memory_bytes else "",
            client.currency.show(one.spec.price_per_hour_micros),
            one.verdict.sentence,
        )
        for one in found
    ]
    return Table(["Accelerator", "Form", "Runs", "Memory", "Per hour", "A start now"], rows, caption=found.why)


def _checklist(group: argparse.ArgumentParser) -> None:
    _command(group, _show_checklist)
    group.add_argument("--tenant", help="the organisation's code (platform administrators)")


def _show_checklist(client: Client, arguments: argparse.Namespace) -> Any:
    from himalia.sdk.display import Table

    lists = client.checklists(arguments.tenant)
    if arguments.json:
        return lists
    rows = [
        (one.name, "done" if item.done else "missing", item.title, item.detail, ", ".join(item.roles))
        for one in lists
        for item in one.items
    ]
    return Table(["Of", "State", "What", "Detail", "Who can"], rows)
