"""Fields with values on each side of their limits, and what a refusal has to say (GEN-3, GEN-9).

A :class:`Field` sends one value in an otherwise right request. :func:`check` sends the values
outside of its limits, in English and in Chinese, and then those inside: a refusal names the field,
the rule and the value in the reader's language, and leaves every table as it was.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from himalia_hub.core.db import Base
from tests.support.service import HUB_CREDENTIAL, LiveService, World

Send = Callable[[httpx.Client, Any, int], httpx.Response]
CHINESE = re.compile(r"[\u4e00-\u9fff]")
WRITTEN_BY_ANY_REQUEST = frozenset(
    ("audit_entries", "audit_heads", "idempotency_records", "step_ups", "tokens", "tasks", "leases", "presence")
)
"""Tables that reading, refusing or time itself changes; all others must stay as they were."""
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Wrong:
    """A value outside of the limits, where it needs more words: how it is shown, which field is named."""

    value: Any
    shown: str | None = None
    field: str | None = None


@dataclass(frozen=True)
class Field:
    """One field of one request.

    Attributes:
        name: The field as a refusal names it.
        send: Sends a value; the number makes other fields unique.
        inside, outside: Values on the two sides of its limits.
        who: A role word of the world's people in *alpha*, or ``hub``.
        secret: The value must not be repeated.
    """

    name: str
    send: Send
    inside: Sequence[Any]
    outside: Sequence[Any]
    who: str = "tenant_admin"
    secret: bool = False
    of: str = ""

    def __str__(self) -> str:
        return f"{self.of}.{self.name}"


def post(path: str, body: dict[str, Any], field: str) -> Send:
    """Sends ``body`` with ``field`` replaced; ``{n}`` in its texts becomes the number."""

    def send(client: httpx.Client, value: Any, n: int) -> httpx.Response:
        return client.post(path, json=placed(_numbered(body, n), field, value))

    return send


def get(path: str, name: str) -> Send:
    return lambda client, value, _: client.get(path, params={name: value})


def placed(body: dict[str, Any], field: str, value: Any) -> dict[str, Any]:
    """A copy of the body with the value at ``a.b``."""
    head, _, tail = field.partition(".")
    return {**body, head: placed(body.get(head, {}), tail, value) if tail else value}


def _numbered(value: Any, n: int) -> Any:
    if isinstance(value, dict):
        return {key: _numbered(one, n) for key, one in value.items()}
    return value.replace("{n}", f"{n:05d}") if isinstance(value, str) else value


def state(live: LiveService) -> dict[str, list[Any]]:
    """Every row of every table that a refused request must not touch."""
    with live.platform.db.engine.connect() as db:
        return {
            table.name: sorted(map(repr, db.execute(table.select())))
            for table in Base.metadata.sorted_tables
            if table.name not in WRITTEN_BY_ANY_REQUEST
        }


def client_of(world: World, who: str, language: str) -> httpx.Client:
    if who == "hub":
        client = world.live.internal(HUB_CREDENTIAL)
        client.headers["Accept-Language"] = language
        return client
    return world.alpha.people[who].client(step_up=True, **{"Accept-Language": language})


def _in_both_languages(world: World, field: Field) -> Iterator[tuple[Wrong, dict[str, Any], dict[str, Any]]]:
    with client_of(world, field.who, "en") as english, client_of(world, field.who, "zh-CN") as chinese:
        for one in field.outside:
            wrong = one if isinstance(one, Wrong) else Wrong(one)
            answers = [field.send(client, wrong.value, next(_numbers)) for client in (english, chinese)]
            for answer in answers:
                assert answer.status_code == 422, (str(field), wrong.value, answer.status_code, answer.text)
            yield wrong, answers[0].json(), answers[1].json()


def check(world: World, field: Field) -> None:
    """Both sides of a field's limits."""
    before = state(world.live)
    for wrong, english, chinese in _in_both_languages(world, field):
        named = wrong.field or field.name
        what = (str(field), wrong.value, english, chinese)
        assert english["field"] == chinese["field"] == named, what
        assert english["rule"] == chinese["rule"] and english["rule"], what
        assert named in english["detail"] and named in chinese["detail"], what
        assert CHINESE.search(chinese["detail"].replace(str(wrong.value), "")), what
        assert not CHINESE.search(english["detail"].replace(str(wrong.value), "")), what
        if field.secret:
            assert not isinstance(wrong.value, str) or wrong.value not in f"{english}{chinese}", what
        else:
            shown = wrong.shown if wrong.shown is not None else _shown(wrong.value)
            assert shown in english["detail"] and shown in chinese["detail"], (shown, what)
    after = state(world.live)
    assert after == before, {
        name: set(after[name]) ^ set(before[name]) for name in after if after[name] != before[name]
    }
    with client_of(world, field.who, "en") as client:
        for value in field.inside:
            answer = field.send(client, value, next(_numbers))
            assert answer.is_success, (str(field), value, answer.text)


def _shown(value: Any) -> str:
    """The beginning of a value as a sentence repeats it."""
    if isinstance(value, str):
        return repr(value)[1:-1][:30]
    return "" if value is None or isinstance(value, dict | list) else repr(value)
