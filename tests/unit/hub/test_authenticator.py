"""The authenticator believes the platform and nobody else (TEN-12, TEN-14, TEN-17)."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from jupyterhub import orm
from tornado import web
from tornado.httputil import HTTPHeaders

from himalia_hub.auth.authenticator import HimaliaAuthenticator
from himalia_hub.config.platform_client import Problem, Refused, Unreachable
from himalia_hub.config.settings import user_origin

IDENTITY = {
    "hub_user": "u0123456789ab",
    "user": {"id": 3, "name": "liwei8", "display_name": "Li Wei"},
    "tenant": {"code": "vision", "name": "Vision"},
    "department": {"id": 2, "name": "Optics"},
    "session_epoch": 7,
}


class OneAnswer:
    """A platform that answers every question alike, and keeps the questions."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: list[tuple[str, Any]] = []

    async def post(self, path: str, body: Any = None, **_options: Any) -> Any:
        self.asked.append((path, body))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def handler(**more: Any) -> Any:
    headers = HTTPHeaders({"Accept-Language": more.pop("language", "en")})
    return SimpleNamespace(request=SimpleNamespace(remote_ip="192.0.2.7", headers=headers, cookies={}), **more)


class Person:
    """A user as the hub keeps it, on a real database of the hub."""

    name = "u0123456789ab"

    def __init__(self, epoch: int) -> None:
        self.db = orm.new_session_factory("sqlite:///:memory:")()
        self.orm_user = orm.User(name=self.name, cookie_id="before")
        self.db.add(self.orm_user)
        self.db.commit()
        self.state: dict[str, Any] = {"epoch": epoch}

    async def get_auth_state(self) -> dict[str, Any]:
        return self.state

    async def save_auth_state(self, state: dict[str, Any]) -> None:
        self.state = state

    def add_token(self, session: str | None) -> None:
        self.db.add(orm.APIToken(hashed=f"h-{session}", prefix="p", user=self.orm_user, session_id=session))
        self.db.commit()

    def sessions_of_tokens(self) -> list[str | None]:
        return [token.session_id for token in self.db.query(orm.APIToken)]


def make(answer: Any) -> tuple[HimaliaAuthenticator, OneAnswer]:
    platform = OneAnswer(answer)
    return HimaliaAuthenticator(platform=platform, enable_auth_state=False), platform


def test_a_password_is_asked_of_the_platform_with_the_address_it_came_from() -> None:
    authenticator, platform = make(IDENTITY)
    model = asyncio.run(authenticator.authenticate(handler(), {"username": "liwei8", "password": "Aurora 26"}))
    assert model == {
        "name": "u0123456789ab",
        "admin": False,
        "auth_state": {
            "epoch": 7,
            "name": "liwei8",
            "display_name": "Li Wei",
            "organisation": "vision",
            "department": "Optics",
        },
    }
    body = {"name": "liwei8", "password": "Aurora 26", "address": "192.0.2.7"}
    assert platform.asked == [("sign-in/password", body)]


def test_a_form_cannot_bring_an_identity() -> None:
    authenticator, _ = make(Refused(Problem(401, "wrong_password", "Name or password is wrong.")))
    data = {"username": "x", "password": "y", "himalia_identity": "u000000000000"}
    with pytest.raises(web.HTTPError):
        asyncio.run(authenticator.authenticate(handler(), data))


def test_a_link_brings_its_identity_without_a_second_question() -> None:
    authenticator, platform = make(RuntimeError("not asked"))
    model = asyncio.run(authenticator.authenticate(handler(himalia_identity=IDENTITY), {}))
    assert model["name"] == "u0123456789ab"
    assert platform.asked == []


@pytest.mark.parametrize(
    ("answer", "data", "status", "shown"),
    [
        (Refused(Problem(429, "locked", "Locked for 5 minutes.")), {"username": "a", "password": "b"}, 403, "Locked"),
        (Unreachable("gone"), {"username": "a", "password": "b"}, 503, "restarting"),
        (IDENTITY, {"username": "a"}, 400, "your password"),
    ],
    ids=["locked", "platform away", "nothing typed"],
)
def test_a_refusal_is_shown_in_the_platforms_words(answer: Any, data: dict[str, str], status: int, shown: str) -> None:
    authenticator, _ = make(answer)
    with pytest.raises(web.HTTPError) as raised:
        asyncio.run(authenticator.authenticate(handler(), data))
    assert raised.value.status_code == status
    assert shown in raised.value.jupyterhub_message  # type: ignore[attr-defined]


def test_a_session_goes_on_while_nothing_changed() -> None:
    authenticator, platform = make({"valid": True, "identity": IDENTITY})
    assert asyncio.run(authenticator.refresh_user(Person(7), handler())) is True
    assert platform.asked == [("sign-in/refresh", {"hub_user": "u0123456789ab", "session_epoch": 7})]


def test_a_session_goes_on_while_the_platform_restarts() -> None:
    authenticator, _ = make(Unreachable("restarting"))
    assert asyncio.run(authenticator.refresh_user(Person(7), handler())) is True


def test_a_disabled_persons_cookies_and_browser_tokens_die_at_once() -> None:
    authenticator, _ = make({"valid": False, "identity": None})
    person = Person(7)
    person.add_token("browser")
    person.add_token(None)
    assert asyncio.run(authenticator.refresh_user(person, handler())) is False
    assert person.orm_user.cookie_id != "before"
    assert person.sessions_of_tokens() == [None]


@pytest.mark.parametrize(("by_token", "goes_on"), [(False, False), (True, True)], ids=["browser", "notebook's token"])
def test_a_newer_epoch_ends_the_browsers_sessions_and_no_notebook(by_token: bool, goes_on: bool) -> None:
    authenticator, _ = make({"valid": False, "identity": IDENTITY | {"session_epoch": 8}})
    person = Person(7)
    person.add_token("browser")
    assert asyncio.run(authenticator.refresh_user(person, handler(_token_authenticated=by_token))) is goes_on
    assert person.orm_user.cookie_id != "before"
    assert person.sessions_of_tokens() == []
    assert person.state["epoch"] == 8


def test_each_person_has_an_origin_of_their_own() -> None:
    assert user_origin("http://himalia.localhost:8000", "u1") == "http://u1.himalia.localhost:8000"
    assert user_origin("https://ai.example", "u1") == "https://u1.ai.example"
