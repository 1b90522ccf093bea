"""``himalia admin audit`` and ``himalia admin verify-audit``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

FILTERS = ("organisation", "from", "to", "category", "actor", "action", "object_kind", "object", "outcome", "address")


def register_admin(commands: Any) -> None:
    """Add the audit log's commands to the group."""
    from himalia_hub.commands.admin import guarded

    show = commands.add_parser("audit", help="the audit log, newest first")
    for name in FILTERS:
        word = name.replace("_", "-")
        show.add_argument(f"--{word}", dest=f"filter_{name}", default=None, metavar=word.upper())
    show.add_argument("--text", dest="filter_q", default=None, help="anywhere in actor, action, object or address")
    show.add_argument("--limit", type=int, default=50, help="how many at most (default: 50)")
    show.add_argument("--json", action="store_true", help="one JSON object a line")
    show.set_defaults(run=guarded(_show))

    verify = commands.add_parser(
        "verify-audit",
        help="recompute the chains of the audit log and name any changed, removed, inserted or moved entry",
        description="Reads the database and the archives; the platform may run or not. Exit code 1 on a difference.",
    )
    verify.add_argument("--json", action="store_true", help="print the report as JSON")
    verify.set_defaults(run=guarded(_verify))


def _show(arguments: argparse.Namespace) -> int:
    from himalia_hub.commands.admin import administration

    admin = administration(arguments)
    asked = {name: getattr(arguments, f"filter_{name}") for name in (*FILTERS, "q")}
    query = {name: value for name, value in asked.items() if value is not None}
    left, cursor = arguments.limit, None
    while left > 0:
        page = {**query, "limit": min(left, 500), **({"cursor": cursor} if cursor else {})}
        answer = admin.call("GET", f"admin/audit-entries?{urlencode(page)}")
        for entry in answer["items"]:
            print(json.dumps(entry, ensure_ascii=False) if arguments.json else _line(entry))
        left -= len(answer["items"])
        cursor = answer["next_cursor"]
        if cursor is None:
            break
    return 0


def _line(entry: dict[str, Any]) -> str:
    where = (entry["organisation"] or {}).get("code", "-")
    what = f"{entry['object_kind']} {entry['object']}".strip()
    who = entry["actor"] or "-"
    return f"{entry['at'][:19]}Z  {where:<16} {who:<20} {entry['outcome']:<8} {entry['action']:<36} {what}"


def _fetcher(settings: dict[str, Any]) -> Any:
    """Reads objects by key with a client of its own, or None without an object store."""
    s3 = settings.get("s3")
    if not s3:
        return None
    import boto3
    from botocore.config import Config

    client = boto3.client(
        "s3",
        endpoint_url=s3["endpoint"],
        region_name=s3.get("region", "us-east-1"),
        aws_access_key_id=s3["access_key"],
        aws_secret_access_key=Path(s3["secret_key_file"]).read_text(encoding="ascii").strip(),
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 2}),
    )
    return lambda key: client.get_object(Bucket=s3["bucket"], Key=key)["Body"].read()


def _verify(arguments: argparse.Namespace) -> int:
    from himalia_hub.audit.verify import verify
    from himalia_hub.commands.admin import installed_settings, tell_verified

    settings = installed_settings(arguments)
    named = settings.get("encryption_key_file")
    key = bytes.fromhex(Path(named).read_text(encoding="ascii").strip()) if named and Path(named).exists() else None
    report = verify(
        settings["database_url"],
        anchors=Path(settings["state_dir"]) / "audit-anchors.jsonl",
        key=key,
        fetch=_fetcher(settings),
    )
    checked = (
        f"{report.entries} entries ({report.archived} archived) of {report.chains} chains and {report.anchors} anchors "
        "checked: "
    )
    return tell_verified(arguments, report, checked)
