"""SEC-2, TEN-13..17: what proves who somebody is, is each person's own, and what has ended has ended.

Two people have the same of everything; what one of them does moves nothing of the other's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.auth.tokens import digest_of
from himalia_hub.core import clock
from himalia_hub.core.errors import HimaliaError
from himalia_hub.core.security_policy import SecurityPolicy
from himalia_hub.identity import factors, lockout, passwords
from himalia_hub.identity.setup import Locks
from himalia_hub.identity.tables import Contact, OneTimeCode, PasswordRecord, SecondFactor, SignInLock
from himalia_hub.tenancy import service as tenancy
from himalia_hub.tenancy import sessions
from himalia_hub.tenancy.tables import SignInLink, StepUp, User
from tests.support.service import World, live_world, make_config

TOTP = factors.TOTP_METHOD
PLACE = "192.0.2.7"


@pytest.fixture(scope="module")
def shared_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    place = tmp_path_factory.mktemp("persons")
    yield from live_world(make_config(place / "state", f"sqlite:///{place}/himalia.sqlite3"))


class Taken(Exception):
    """Takes a test's writes back."""


@pytest.fixture
def in_vain(shared_world: World) -> Callable[[Callable[[Session], None]], None]:
    """Runs work in a transaction that is taken back, so that all tests meet the same people."""

    def run(work: Callable[[Session], None]) -> None:
        def and_back(session: Session) -> None:
            work(session)
            raise Taken

        with pytest.raises(Taken):
            shared_world.live.write(and_back)

    return run


Run = Callable[[Callable[[Session], None]], None]


def confirmed(session: Session, world: World, user_id: int) -> list[str]:
    """Give somebody an authenticator app in force and recovery codes."""
    factors.begin_totp(session, world.live.platform.sealer, user_id)
    mine = sa.and_(SecondFactor.user_id == user_id, SecondFactor.method == TOTP)
    session.execute(sa.update(SecondFactor).where(mine).values(confirmed_at=clock.now()))
    return factors.new_recovery_codes(session, user_id)


def test_factors_are_each_persons_own(shared_world: World, in_vain: Run) -> None:
    one, other, third = (getattr(shared_world.alpha, word).user_id for word in ("member", "colleague", "outsider"))
    sealer = shared_world.live.platform.sealer

    def work(session: Session) -> None:
        factors.begin_totp(session, sealer, one)
        factors.begin_totp(session, sealer, other)
        rows = session.execute(sa.select(SecondFactor.user_id)).scalars().all()
        assert sorted(rows) == sorted((one, other)), "the other's unconfirmed app was forgotten"
        kept = confirmed(session, shared_world, one)
        confirmed(session, shared_world, other)
        assert [factors.recovery_codes_left(session, who) for who in (one, other)] == [10, 10]
        assert factors.verify(session, sealer, one, factors.RECOVERY, kept[0])
        assert not factors.verify(session, sealer, one, factors.RECOVERY, kept[0]), "a code works once"
        assert not factors.verify(session, sealer, other, factors.RECOVERY, kept[1]), "another's code"
        assert [factors.recovery_codes_left(session, who) for who in (one, other)] == [9, 10]
        assert factors.methods(session, third) == []
        assert not factors.verify(session, sealer, third, TOTP, "000000")
        assert factors.remove(session, other)
        assert factors.methods(session, one) == [TOTP] and factors.methods(session, other) == []
        assert [factors.recovery_codes_left(session, who) for who in (one, other)] == [9, 0]

    in_vain(work)


def test_sent_codes_are_each_persons_own(shared_world: World, in_vain: Run) -> None:
    one, other = shared_world.alpha.member.user_id, shared_world.alpha.colleague.user_id
    sealer = shared_world.live.platform.sealer

    def send(session: Session, user_id: int) -> str:
        return factors.new_code(session, sealer, user_id, "factor", "email", f"{user_id}@example.org")

    def use(session: Session, user_id: int, code: str) -> bool:
        return factors.use_code(session, sealer, user_id, "factor", code, channel="email") is not None

    def work(session: Session) -> None:
        session.add_all(
            Contact(user_id=who, channel="email", address=f"{who}@example.org", confirmed_at=clock.now())
            for who in (one, other)
        )
        session.flush()
        assert factors.contacts(session, one) == {"email": f"{one}@example.org"}
        assert factors.contacts(session, other) == {"email": f"{other}@example.org"}
        mine = send(session, one)
        others = send(session, other)  # no minute to wait: the other one sent nothing yet
        assert use(session, one, mine) and not use(session, one, mine)
        assert use(session, other, others)
        earlier = clock.now() - timedelta(minutes=2)
        session.execute(sa.update(OneTimeCode).values(created_at=earlier, used_at=earlier))
        late = send(session, one)
        used = sa.select(OneTimeCode.used_at).where(OneTimeCode.created_at == earlier)
        assert set(session.execute(used).scalars()) == {earlier}, "when a code was used stays what it was"
        session.execute(sa.update(OneTimeCode).values(expires_at=clock.now() - timedelta(seconds=1)))
        assert not use(session, one, late)

    in_vain(work)


def test_a_password_is_compared_with_ones_own_and_ends_ones_own(shared_world: World, in_vain: Run) -> None:
    one, other = shared_world.alpha.member.user_id, shared_world.alpha.colleague.user_id
    policy = SecurityPolicy(password_history=5)

    def work(session: Session) -> None:
        user = session.get(User, one)
        assert user is not None
        passwords.store(session, user, "a hash")
        assert passwords.earlier(session, policy, one) == ["a hash"]
        assert passwords.earlier(session, policy, other) == []
        assert session.execute(sa.select(PasswordRecord.user_id)).scalars().all() == [one]
        left = set(session.execute(sa.select(StepUp.user_id)).scalars())
        assert one not in left and other in left

    in_vain(work)


def test_links_and_step_ups_are_each_persons_own(shared_world: World, in_vain: Run) -> None:
    one, other = shared_world.alpha.member.user_id, shared_world.alpha.colleague.user_id

    def used(session: Session, token: str) -> Any:
        return session.execute(sa.select(SignInLink.used_at).where(SignInLink.digest == digest_of(token))).scalar_one()

    def work(session: Session) -> None:
        first, _ = tenancy.new_link(session, one)
        others, _ = tenancy.new_link(session, other)
        assert tenancy.find_link(session, first).user_id == one
        before = clock.now() - timedelta(hours=1)
        session.execute(sa.update(SignInLink).where(SignInLink.digest == digest_of(first)).values(used_at=before))
        second, _ = tenancy.new_link(session, one)
        assert used(session, first) == before and used(session, second) is None and used(session, others) is None
        tenancy.grant_step_up(session, one, "tests")
        assert other in set(session.execute(sa.select(StepUp.user_id)).scalars())
        assert sessions.end(session, User.id == one) == 1
        assert used(session, first) == before and used(session, second) is not None
        assert used(session, others) is None
        left = set(session.execute(sa.select(StepUp.user_id)).scalars())
        assert one not in left and other in left
        late = sa.update(SignInLink).where(SignInLink.digest == digest_of(others))
        session.execute(late.values(expires_at=clock.now() - timedelta(seconds=1)))
        with pytest.raises(HimaliaError):
            tenancy.find_link(session, others)

    in_vain(work)


@pytest.mark.parametrize(
    ("until", "released", "in_force"), [(60, False, True), (60, True, False), (-1, False, False), (-1, True, False)]
)
def test_a_lock_is_in_force_until_its_end_or_release(in_vain: Run, until: int, released: bool, in_force: bool) -> None:
    def work(session: Session) -> None:
        moment = clock.now()
        before = moment - timedelta(hours=1)
        session.add(
            SignInLock(
                account="alpha/somebody",
                address=PLACE,
                at=before,
                until=moment + timedelta(seconds=until),
                released_at=before if released else None,
            )
        )
        session.flush()
        assert (lockout.locked_until(session, "alpha/somebody") is not None) is in_force
        assert bool(Locks().locked(session, ["alpha/somebody"])) is in_force
        if in_force:
            with pytest.raises(HimaliaError):
                lockout.check(session, "alpha/somebody", PLACE)
        else:
            lockout.check(session, "alpha/somebody", PLACE)
        assert lockout.unlock(session, "alpha/somebody") == int(in_force)

    in_vain(work)
