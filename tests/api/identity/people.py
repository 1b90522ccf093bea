"""People who sign in, as the hub asks for them; and a clock that tests move."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import sqlalchemy as sa

from himalia_hub.core import clock
from himalia_hub.identity.tables import Captcha
from tests.support.service import ADMIN_CREDENTIAL, LiveService, Person

PASSWORD = "Tea time 42"


class Clock:
    """The platform's time, which stands still unless it is moved by hand."""

    def __init__(self) -> None:
        self._now = datetime.now(UTC)

    def forward(self, **by: float) -> None:
        self._now += timedelta(**by)

    def now(self) -> datetime:
        return self._now


@contextmanager
def moving_clock() -> Iterator[Clock]:
    made = Clock()
    clock.set_source(made.now)
    try:
        yield made
    finally:
        clock.set_source(None)


def new_link(live: LiveService, user: str | None = None) -> str:
    answer = live.internal(ADMIN_CREDENTIAL).post("/admin/links", json={"user": user} if user else {})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["token"])


def give_password(live: LiveService, person: Person, password: str = PASSWORD) -> dict[str, Any]:
    """Sign in by a one-time link, set the password and accept the privacy statement."""
    body = {"token": new_link(live, person.name), "password": password, "accept_privacy": True}
    answer = live.internal().post("/sign-in/link", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


def read_captcha(live: LiveService, number: str) -> str:
    """What a person reads in the picture."""
    with live.platform.db.engine.connect() as db:
        return str(db.execute(sa.select(Captcha.answer).where(Captcha.id == number)).scalar_one())


def solved(live: LiveService, name: str, address: str) -> dict[str, str] | None:
    """The captcha that the sign-in page would show, read; None where none is asked."""
    asked = live.internal().post("/sign-in/captcha", json={"name": name, "address": address}).json()["captcha"]
    if asked is None:
        return None
    return {"id": asked["id"], "letters": read_captcha(live, asked["id"])}


def try_password(
    live: LiveService, name: str, password: str = PASSWORD, address: str = "192.0.2.1", *, captcha: bool = True
) -> httpx.Response:
    """One try on the sign-in page, with the captcha where one is asked."""
    body: dict[str, Any] = {"name": name, "password": password, "address": address}
    if captcha:
        body["captcha"] = solved(live, name, address)
    return live.internal().post("/sign-in/password", json=body)
