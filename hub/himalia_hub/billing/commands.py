"""``himalia admin prices|recharge|balances|verify-bills``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from himalia_hub.core import money


def register_admin(commands: Any) -> None:
    """Add money's commands to the group."""
    from himalia_hub.commands.admin import guarded

    prices = commands.add_parser("prices", help="list or set prices per hour")
    prices.set_defaults(run=guarded(_list_prices), history=False)
    prices.add_argument("--history", action="store_true", help="show prices of the past too")
    actions = prices.add_subparsers(metavar="ACTION")
    setter = actions.add_parser(
        "set",
        help="set prices, e.g. cpu=0.10 memory=0.05 nvidia.com/gpu=7.50",
        description="Prices are in currency units per hour for one core, GiB or card; 0 makes a resource free.",
    )
    setter.add_argument("price", nargs="+", metavar="RESOURCE=PRICE", type=_price)
    setter.add_argument("--section", default=None, help="only for this section, e.g. training (default: all)")
    setter.add_argument("--from", dest="valid_from", default=None, metavar="TIME", help="RFC 3339 (default: now)")
    setter.set_defaults(run=guarded(_set_prices))

    recharge = commands.add_parser("recharge", help="put money into an organisation's balance, or deduct it")
    recharge.add_argument("--tenant", required=True, metavar="CODE", help="the organisation's code")
    recharge.add_argument("--amount", required=True, type=_amount, help="in currency units; negative deducts")
    recharge.add_argument("--note", default="")
    recharge.set_defaults(run=guarded(_recharge))

    balances = commands.add_parser("balances", help="balances of all organisations")
    balances.set_defaults(run=guarded(_balances))

    verify = commands.add_parser(
        "verify-bills",
        help="recompute every bill from the journals and name any difference",
        description="Reads the database and the journals; the platform may run or not. Exit code 1 on a difference.",
    )
    verify.add_argument("--json", action="store_true", help="print the report as JSON")
    verify.set_defaults(run=guarded(_verify))


def _price(text: str) -> tuple[str, str]:
    resource, separator, price = text.partition("=")
    if not separator or not resource:
        raise argparse.ArgumentTypeError(f"{text!r} is not RESOURCE=PRICE")
    return resource, price


def _amount(text: str) -> int:
    try:
        return money.parse_amount(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _administration(arguments: argparse.Namespace) -> Any:
    from himalia_hub.commands.admin import administration

    return administration(arguments)


def _print_prices(listed: dict[str, Any]) -> None:
    code = listed["currency"]["code"]
    for entry in listed["entries"]:
        since = f"from {entry['from']} by {entry['set_by']}" if entry["from"] else "not set"
        name = entry["resource"] + (f" ({entry['section']})" if entry["section"] else "")
        price = f"{entry['price_per_hour']} {code} per {entry['unit']} and hour"
        print(f"{name:<32} {price:<36} {entry['state']:<8} {since}")


def _list_prices(arguments: argparse.Namespace) -> int:
    query = "?history=true" if arguments.history else ""
    _print_prices(_administration(arguments).call("GET", f"admin/prices{query}"))
    return 0


def _set_prices(arguments: argparse.Namespace) -> int:
    entries = [
        {
            "resource": resource,
            "price_per_hour": price,
            **({"section": arguments.section} if arguments.section else {}),
            **({"from": arguments.valid_from} if arguments.valid_from else {}),
        }
        for resource, price in arguments.price
    ]
    _print_prices(_administration(arguments).call("PUT", "admin/prices", {"entries": entries}))
    return 0


def _recharge(arguments: argparse.Namespace) -> int:
    body = {"tenant": arguments.tenant, "amount_micros": arguments.amount, "note": arguments.note}
    posting = _administration(arguments).call("POST", "admin/recharges", body)
    print(f"{posting['serial']}: balance {money.amount_text(posting['balance_after_micros'])}")
    return 0


def _balances(arguments: argparse.Namespace) -> int:
    listed = _administration(arguments).call("GET", "admin/balances")
    for item in listed["items"]:
        text = f"{money.amount_text(item['balance_micros'])} {listed['currency']['code']}"
        held = f"{money.amount_text(item['held_micros'])} held"
        arrears = f"  in arrears since {item['arrears_since']}" if item["arrears_since"] else ""
        print(f"{item['tenant']['code']:<34} {text:>24}  {held}{arrears}")
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    from himalia_hub.billing.verify import verify
    from himalia_hub.commands.admin import installed_settings, tell_verified

    settings = installed_settings(arguments)
    backend = settings.get("backend") or {}
    root = Path(backend["root"]) if backend.get("kind", "local") == "local" and backend.get("root") else None
    report = verify(settings["database_url"], root)
    checked = (
        f"{report.bills} bills over {report.intervals} intervals ({report.without_journal} without a journal here) and "
        f"{report.postings} postings recomputed: {money.amount_text(report.total_micros)} in all, "
    )
    return tell_verified(arguments, report, checked)
