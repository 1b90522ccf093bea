"""Guessing is limited, in the database, whoever is guessed at (TEN-15)."""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from himalia_hub.audit.tables import AuditEntry
from himalia_hub.identity import captcha, lockout, passwords
from himalia_hub.identity.tables import SignInLock
from tests.api.identity.people import PASSWORD, give_password, moving_clock, read_captcha, solved, try_password
from tests.support.service import LiveService, World

WRONG = "quite wrong 1"


def codes(answers: list[httpx.Response]) -> list[Any]:
    return [(answer.status_code, answer.json().get("code")) for answer in answers]


@pytest.mark.parametrize("known", [True, False], ids=["a member", "nobody"])
def test_three_failures_lock_the_account_for_this_address_for_five_minutes(world: World, known: bool) -> None:
    member = world.alpha.member
    give_password(world.live, member)
    name = member.name if known else "nobodyhere"
    with moving_clock() as clock:
        answers = [try_password(world.live, name, WRONG) for _ in range(4)]
        assert codes(answers) == [(401, "wrong_password")] * 3 + [(429, "locked")]
        assert answers[0].json()["detail"] == "Name or password is wrong."
        if not known:
            return
        assert try_password(world.live, name).json()["code"] == "locked"  # even the right one
        assert try_password(world.live, name, address="192.0.2.2").status_code == 200  # not from elsewhere
        clock.forward(seconds=295)
        assert try_password(world.live, name).json()["code"] == "locked"
        clock.forward(seconds=10)
        assert try_password(world.live, name).status_code == 200


def test_failures_far_apart_do_not_lock(world: World) -> None:
    with moving_clock() as clock:
        for _ in range(4):
            assert try_password(world.live, "somebody1", WRONG).json()["code"] == "wrong_password"
            clock.forward(seconds=16)


def test_three_locked_accounts_lock_the_address_for_fifteen_minutes(world: World) -> None:
    member = world.alpha.member
    give_password(world.live, member)
    with moving_clock() as clock:
        for name in ("guessed1", "guessed2", "guessed3"):
            for _ in range(3):
                try_password(world.live, name, WRONG)
        assert try_password(world.live, member.name).json()["code"] == "locked"
        assert try_password(world.live, member.name, address="192.0.2.9").status_code == 200
        clock.forward(seconds=895)
        assert try_password(world.live, member.name).json()["code"] == "locked"
        clock.forward(seconds=10)
        assert try_password(world.live, member.name).status_code == 200
    with world.live.platform.db.engine.connect() as db:
        rows = db.execute(sa.select(AuditEntry.detail).where(AuditEntry.action == "sign_in.locked")).scalars().all()
    assert [row["scope"] for row in rows] == ["account", "account", "account", "address"]


def test_a_hundred_guesses_at_once_get_no_more_looks_than_three(world: World) -> None:
    """Guesses that arrive together are counted before any of them is looked at."""
    member = world.alpha.member
    give_password(world.live, member)
    body = {"name": member.name, "password": WRONG, "address": "192.0.2.7"}
    url = f"{world.live.base_url}/services/himalia/internal/v1/sign-in/password"
    headers = dict(world.live.internal().headers)

    async def all_at_once() -> list[int]:
        async with httpx.AsyncClient(headers=headers, timeout=60) as client:
            return [a.status_code for a in await asyncio.gather(*(client.post(url, json=body) for _ in range(100)))]

    statuses = asyncio.run(all_at_once())
    assert 1 <= statuses.count(401) <= 3
    assert set(statuses) <= {401, 403, 429}


def test_limits_hold_after_a_restart(world: World) -> None:
    for _ in range(3):
        try_password(world.live, "somebody1", WRONG)
    second = LiveService(world.live.config, controllers=False)  # another process on the same database
    try:
        assert try_password(second, "somebody1", WRONG).json()["code"] == "locked"
    finally:
        second.close()


def test_an_ipv6_customer_is_one_address(world: World) -> None:
    for part in ("1", "2", "3"):
        try_password(world.live, "somebody1", WRONG, f"2001:db8:1:2::{part}")
    assert try_password(world.live, "somebody1", WRONG, "2001:db8:1:2::ffff").json()["code"] == "locked"
    assert try_password(world.live, "somebody1", WRONG, "2001:db8:1:3::1").json()["code"] == "wrong_password"


def test_after_a_failure_a_captcha_is_asked_fresh_right_and_once(world: World) -> None:
    member, live = world.alpha.member, world.live
    give_password(live, member)
    hub = live.internal()
    address = "192.0.2.1"
    assert solved(live, member.name, address) is None
    assert try_password(live, member.name, WRONG).status_code == 401
    assert try_password(live, member.name, captcha=False).json()["code"] == "captcha_needed"

    def send(given: dict[str, str]) -> Any:
        body = {"name": member.name, "password": PASSWORD, "address": address, "captcha": given}
        return hub.post("/sign-in/password", json=body).json()

    wrong = solved(live, member.name, address)
    assert wrong is not None
    assert send({**wrong, "letters": "?????"})["code"] == "captcha_needed"
    assert send(wrong)["code"] == "captcha_needed"  # used up by the wrong answer
    with moving_clock() as clock:
        late = solved(live, member.name, address)
        assert late is not None
        clock.forward(seconds=31)
        assert send(late)["code"] == "captcha_needed"
        clock.forward(seconds=-2)
        fresh = solved(live, member.name, address)
        assert fresh is not None
        assert "hub_user" in send({**fresh, "letters": fresh["letters"].lower()})
        assert solved(live, member.name, address) is None  # the success forgot the failure


def test_the_picture_shows_the_letters_to_the_eye_and_not_to_the_page(world: World) -> None:
    try_password(world.live, "somebody1", WRONG)
    asked = {"name": "somebody1", "address": "192.0.2.1"}
    shown = world.live.internal().post("/sign-in/captcha", json=asked).json()["captcha"]
    assert shown["picture"].startswith("data:image/png;base64,")
    assert read_captcha(world.live, shown["id"]) not in str(shown)
    assert captcha.picture("ABCDE") != captcha.picture("ABCDE")


def test_unknown_user_and_wrong_password_take_the_same_time(world: World) -> None:
    """TEN-15: medians of interleaved tries differ by less than the spread of either."""
    member = world.alpha.member
    give_password(world.live, member)
    hub = world.live.internal()
    took: dict[str, list[float]] = {member.name: [], "nobodyhere": []}
    for n in range(24):
        for name, times in took.items():
            body = {"name": name, "password": WRONG, "address": f"10.{n}.{len(name)}.1"}
            begun = time.perf_counter()
            assert hub.post("/sign-in/password", json=body).status_code == 401
            times.append(time.perf_counter() - begun)
    known, unknown = (sorted(times[4:]) for times in took.values())
    spread = max(statistics.quantiles(known, n=4)[2] - statistics.quantiles(known, n=4)[0], 0.010)
    assert abs(statistics.median(known) - statistics.median(unknown)) < spread


def test_the_same_work_is_done_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control of the test above: without an account argon2 still works on something."""
    looked: list[str] = []
    verify = passwords._hasher.__class__.verify

    def watch(self: Any, stored: str, password: str) -> bool:
        looked.append(stored)
        return bool(verify(self, stored, password))

    monkeypatch.setattr(passwords._hasher.__class__, "verify", watch)
    assert passwords.matches(None, WRONG) is False
    assert len(looked) == 1 and looked[0].startswith("$argon2id$")


def test_an_administrator_can_release_an_account(world: World) -> None:
    """TEN-6: unlock."""
    member, live = world.alpha.member, world.live
    give_password(live, member)
    for _ in range(3):
        try_password(live, member.name, WRONG)
    account = f"local:{member.name.casefold()}"
    assert live.write(lambda session: lockout.locked_until(session, account)) is not None
    assert live.write(lambda session: lockout.unlock(session, account)) == 1
    assert live.write(lambda session: lockout.locked_until(session, account)) is None
    assert try_password(live, member.name).status_code == 200
    with live.platform.db.engine.connect() as db:
        assert db.execute(sa.select(sa.func.count()).select_from(SignInLock)).scalar_one() == 1  # kept for the record
