"""Usage facts and holds as the engine writes them, with a clock that tests move."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.backends.protocol import Resources
from himalia_hub.billing import service
from himalia_hub.billing.controller import Charger
from himalia_hub.core import clock, money
from himalia_hub.core.admission import BudgetCheck, Payer
from himalia_hub.core.usage import UsageFact
from tests.support.service import Person, World

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
GIB = 2**30
SMALL = Resources(cpu_millis=2000, memory_bytes=4 * GIB)


class Time:
    """The moment that the platform believes it is."""

    def __init__(self) -> None:
        self.now = NOON

    def move(self, **step: float) -> datetime:
        self.now += timedelta(**step)
        return self.now


@contextmanager
def moved_clock() -> Iterator[Time]:
    time = Time()
    clock.set_source(lambda: time.now)
    try:
        yield time
    finally:
        clock.set_source(None)


class Work:
    """One workload of a person: what admission, the engine's facts and its end look like to money."""

    def __init__(
        self,
        world: World,
        person: Person,
        number: int,
        *,
        resources: Resources = SMALL,
        replicas: int = 1,
        kind: str = "run",
    ) -> None:
        self.world, self.person, self.number, self.resources, self.replicas = world, person, number, resources, replicas
        self.kind = kind
        self.section = {"run": "training", "notebook": "notebook", "service_variant": "inference"}[kind]
        actor = person.actor()
        self.payer = Payer(actor.tenant_id, actor.department_id, actor.user_id)

    @property
    def budget(self) -> BudgetCheck:
        return self.world.live.platform.get(BudgetCheck)  # type: ignore[type-abstract]

    def admit(self) -> None:
        self.world.live.write(self.hold)

    def hold(self, session: Session) -> None:
        self.budget.hold(session, self.payer, self.number, self.resources, self.replicas, self.section)

    def fact(
        self, session: Session, fact: str, at: datetime, opened_at: datetime, *, attempt: int = 1, replica: int = 0
    ) -> None:
        source = {"opened": "start", "alive": "heartbeat"}.get(fact, "exit")
        session.execute(
            sa.insert(UsageFact).values(
                fact=fact,
                at=at,
                source=source,
                recorded_at=clock.now(),
                workload_id=self.number,
                attempt=attempt,
                replica=replica,
                opened_at=opened_at,
                tenant_id=self.payer.tenant_id,
                department_id=self.payer.department_id,
                owner_id=self.payer.user_id,
                workload_number=self.number,
                kind=self.kind,
                object_kind=self.kind,
                object_number=self.number,
                object_name=f"{self.kind} {self.number}",
                section=self.section,
                node="node-1",
                cpu_millis=self.resources.cpu_millis,
                memory_bytes=self.resources.memory_bytes,
                accelerators=dict(self.resources.accelerators),
            )
        )

    def tell(self, fact: str, at: datetime, opened_at: datetime, **where: int) -> None:
        self.world.live.write(lambda session: self.fact(session, fact, at, opened_at, **where))

    def end(self, at: datetime, opened_at: datetime, **where: int) -> None:
        """The last fact and the release, in one transaction, as the engine does it."""

        def work(session: Session) -> None:
            self.fact(session, "closed", at, opened_at, **where)
            self.budget.release(session, self.number)

        self.world.live.write(work)

    def bill(self) -> dict[str, Any]:
        with self.person.client() as client:
            found = (
                client.get("/bills", params={"object_kind": self.kind, "object": self.number}).raise_for_status().json()
            )
            assert found["total"] == 1, found
            return client.get(f"/bills/{found['items'][0]['id']}").raise_for_status().json()  # type: ignore[no-any-return]


def set_prices(world: World, **prices: str) -> None:
    """``cpu="0.10"``: currency units per hour, from now on."""
    changes = [service.PriceChange(name, "", money.parse_rate(text)) for name, text in prices.items()]
    world.live.write(lambda session: service.set_prices(session, changes, user_id=0, user_name="tests"))


def recharge(world: World, text: str) -> None:
    amount = money.parse_amount(text)
    world.live.write(lambda session: service.recharge(session, world.alpha.tenant_id, amount, user_name="tests"))


def charge(world: World) -> None:
    """One step of the controller, as it runs after each commit."""
    platform = world.live.platform
    world.live.run(Charger(platform).step())


def balance(world: World) -> dict[str, Any]:
    with world.alpha.member.client() as client:
        return client.get("/balance").raise_for_status().json()  # type: ignore[no-any-return]
