"""The audit log, for those who may read it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from himalia.sdk.decode import decode

if TYPE_CHECKING:
    from himalia.sdk.client import Client


@dataclass
class Organisation:
    code: str = ""
    name: str = ""


@dataclass
class AuditEntry:
    """Who did what, where and when; ``outcome`` is done, refused, failed or read.

    ``action`` and ``object_kind`` are names that never change; ``action_words`` and ``object_words`` say them.
    """

    id: int = 0
    at: datetime | None = None
    category: str = ""
    organisation: Organisation | None = None
    actor: str = ""
    by_platform: bool = False
    roles: list[str] = field(default_factory=list)
    address: str = ""
    session: str = ""
    action: str = ""
    action_words: str = ""
    object_kind: str = ""
    object_words: str = ""
    object: str = ""
    outcome: str = ""
    detail: dict[str, Any] = field(default_factory=dict)
    request_id: str = ""
    position: int = 0
    digest: str = ""


class AuditLog:
    """``client.audit``: entries newest first, and exports of any range.

    Filters: ``organisation``, ``start`` and ``end`` (moments with a zone, half-open), ``category``,
    ``actor``, ``action``, ``object_kind``, ``object``, ``outcome``, ``address``, ``q``.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def list(self, *, limit: int | None = None, **filters: Any) -> Iterator[AuditEntry]:
        """Entries, page by page as they are used."""
        for raw in self._client.raw_pages("/audit-entries", limit, **_query(filters)):
            yield decode(AuditEntry, raw)

    def export(self, path: Any, *, format: str = "csv", **filters: Any) -> int:
        """Write all matching entries into a file, ``csv`` or ``jsonl``; answers the number of bytes."""
        size = 0
        query = {**_query(filters), "format": format}
        with Path(path).open("wb") as file, self._client.http.stream("/audit-entries/export", query=query) as answer:
            for chunk in answer.iter_bytes():
                size += file.write(chunk)
        return size


def _query(filters: dict[str, Any]) -> dict[str, Any]:
    names = {"start": "from", "end": "to"}
    told = {names.get(name, name): value for name, value in filters.items() if value is not None}
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in told.items()}
