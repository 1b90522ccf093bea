"""The engine as nouns use it: submit work, ask it to stop, follow it.

A noun calls these inside its own unit of work, so that its row, the reservation, the hold and the
workload are committed together or not at all. Making the backend follow is ``reconciler``'s.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import Session

from himalia_hub.auth import tokens
from himalia_hub.auth.actor import Actor
from himalia_hub.backends.local.cache import ContentSource
from himalia_hub.backends.protocol import Backend, NodeCapacity, Resources
from himalia_hub.compute import assess, cards, queue, quotas, storage
from himalia_hub.compute import resources as res
from himalia_hub.compute.assess import Assessment, Part
from himalia_hub.compute.explain import NOTHING, Explanation
from himalia_hub.compute.kinds import Translator
from himalia_hub.compute.live import LiveView
from himalia_hub.compute.outlook import Outlook
from himalia_hub.compute.phases import ENDED, Phase, Reason
from himalia_hub.compute.tables import Workload
from himalia_hub.core import clock, objects
from himalia_hub.core.admission import BudgetCheck, Estimate, NullBudget, Payer
from himalia_hub.core.db import Db
from himalia_hub.core.errors import BackendUnavailable, InvalidInput, InvalidTransition

if TYPE_CHECKING:
    from himalia_hub.platform.parts import Platform

log = logging.getLogger("himalia.engine")
RECONCILER = "workloads"
_CAPACITY_LOCK = 0x68696D61
STOPPED_BY_USER = Explanation(Reason.STOPPED_BY_USER, "It was stopped.", "已停止。")
MAX_REPLICAS = 1000


def payer_of(actor: Actor) -> Payer:
    return Payer(actor.tenant_id, actor.department_id, actor.user_id)


@dataclass
class Engine:
    """One per platform; found by ``platform.get(Engine)``."""

    platform: Platform
    backend: Backend | None
    single_machine: bool = True
    nodes: tuple[NodeCapacity, ...] = ()
    live: LiveView = field(default_factory=LiveView)
    outlook: Outlook = field(default_factory=Outlook)
    draining: bool = False
    _kinds: dict[str, Translator] = field(default_factory=dict)
    _launches: dict[tuple[int, int], Any] = field(default_factory=dict)
    _edits: deque[int] = field(default_factory=deque)
    _loop: asyncio.AbstractEventLoop | None = None

    async def open(self) -> None:
        """Make the backend ready for use; called again after a failure."""
        start = getattr(self.backend, "start", None)
        if start is not None:
            await start()
        if self.platform.has(ContentSource) and hasattr(self.backend, "content"):
            self.backend.content = self.platform.get(ContentSource)  # type: ignore[union-attr, type-abstract]

    # -- kinds -------------------------------------------------------------------------------

    def register_kind(self, kind: str, translator: Translator) -> None:
        self._kinds[kind] = translator

    def knows(self, kind: str) -> bool:
        """A translator of this kind is registered."""
        return kind in self._kinds

    def translator(self, kind: str) -> Translator:
        return self._kinds[kind]

    @property
    def budget(self) -> BudgetCheck:
        if self.platform.has(BudgetCheck):
            return self.platform.get(BudgetCheck)  # type: ignore[type-abstract]
        return NullBudget()

    # -- asking ------------------------------------------------------------------------------

    def look(self, db: Db, payer: Payer) -> assess.Situation:
        """What any start by this payer meets; raises :class:`BackendUnavailable` before nodes are known."""
        if not self.nodes:
            raise BackendUnavailable(
                "The machines of this installation are not known yet.",
                zh="尚未获取到本平台的机器信息。",
                hint="Try again in a few seconds.",
                hint_zh="请几秒后重试。",
            )
        return assess.look(
            db,
            payer,
            nodes=self.nodes,
            defaults=self.default_limits(),
            single_machine=self.single_machine,
            counts=cards.counts_of(self.catalogue),
        )

    def assess(
        self, db: Db, payer: Payer, resources: Resources, replicas: int, section: str, *, priority: int = 0
    ) -> assess.Assessment:
        """What would happen to such a start."""
        situation = self.look(db, payer)
        estimate = self.budget.estimate(db, payer.tenant_id, resources, replicas, section)
        return assess.assess(situation, resources, replicas, estimate, priority=priority)

    def verdict(
        self, db: Db, actor: Actor, resources: Resources, replicas: int, section: str, *, permitted: bool = True
    ) -> dict[str, Any]:
        """The wire's ``Verdict`` of such a start by this actor (BEY-1)."""
        found = self.assess(db, payer_of(actor), resources, replicas, section)
        return self._verdicts(db, [found], permitted=permitted)[0]

    def verdict_of_parts(
        self, db: Db, actor: Actor, parts: Sequence[Part], section: str, *, permitted: bool = True
    ) -> dict[str, Any]:
        """The same for several workloads that start together or not at all."""
        return self.verdicts_of_starts(db, actor, [parts], section, permitted=permitted)[0]

    def verdicts_of_starts(
        self, db: Db, actor: Actor, starts: Sequence[Sequence[Part]], section: str, *, permitted: bool = True
    ) -> list[dict[str, Any]]:
        """The same for each of several such starts, of which one would be made, from one look."""
        situation = self.look(db, payer_of(actor))
        found = []
        for parts in starts:
            costs = [self.budget.estimate(db, actor.tenant_id, p.resources, p.replicas, section) for p in parts]
            estimate = Estimate(
                price_per_hour_micros=sum(cost.price_per_hour_micros for cost in costs),
                hold_micros=sum(cost.hold_micros for cost in costs),
                balance_micros=costs[0].balance_micros,
            )
            found.append(assess.assess_parts(situation, parts, estimate))
        return self._verdicts(db, found, permitted=permitted)

    def verdicts(
        self, db: Db, actor: Actor, sizes: Sequence[Resources], section: str, *, permitted: bool = True
    ) -> list[dict[str, Any]]:
        """The same for one replica of each of several sizes, from one look."""
        situation = self.look(db, payer_of(actor))
        found = []
        for size in sizes:
            estimate = self.budget.estimate(db, actor.tenant_id, size, 1, section)
            found.append(assess.assess(situation, size, 1, estimate))
        return self._verdicts(db, found, permitted=permitted)

    def _verdicts(self, db: Db, found: Sequence[Assessment], *, permitted: bool) -> list[dict[str, Any]]:
        """Verdicts of starts, with when they would probably begin (BEY-3)."""
        waits = [one for one in found if one.waits] if permitted else []
        asking = [(one.asked, one.bound_at) for one in waits]
        expected = dict(zip(map(id, waits), self.outlook.of_asking(db, res.total(self.nodes), asking), strict=True))
        return [assess.verdict(one, permitted=permitted, expected=expected.get(id(one))) for one in found]

    def quota(self, db: Db, actor: Actor) -> list[dict[str, Any]]:
        """The actor's levels, without a request in mind."""
        payer = payer_of(actor)
        defaults = self.default_limits()
        found = quotas.levels(db, payer, defaults)
        whole = [
            storage.with_storage(self.platform, db, payer, level, subject_id, defaults)
            for level, (_, subject_id) in zip(found, quotas.subjects(payer), strict=True)
        ]
        return assess.levels_to_wire(whole)

    @property
    def catalogue(self) -> cards.Catalogue:
        """What is known about cards here: a cluster's options add to the built-in facts."""
        return cards.catalogue_of(self.backend)

    def accelerators(self) -> Sequence[str]:
        """Implements ``core.admission.KnownResources``."""
        return res.accelerators(self.nodes)

    def default_limits(self) -> res.Amounts:
        """A tenant's limits while nobody set any."""
        limits = quotas.default_limits(res.total(self.nodes), single_machine=self.single_machine)
        disk = sum(node.allocatable.disk_bytes for node in self.nodes)
        return {**limits, res.STORAGE: disk, res.IMAGES: disk} if disk and self.single_machine else limits

    # -- submitting --------------------------------------------------------------------------

    def submit(
        self,
        session: Session,
        actor: Actor,
        *,
        kind: str,
        object_kind: str,
        object_number: int,
        object_name: str,
        resources: Resources,
        replicas: int = 1,
        spec: dict[str, Any] | None = None,
        priority: int = 0,
        deadline_seconds: int | None = None,
        start_at: datetime | None = None,
    ) -> Workload:
        """Admit work: size, nested quota, room and balance, in the caller's transaction.

        Args:
            actor: Whose quota and balance it takes; the route has checked the permission.
            resources: Of one replica.
            spec: What the kind's translator needs to rebuild each attempt's plan; nothing secret.
            deadline_seconds: Running longer ends it as ``timed_out``.
            start_at: Not before this moment.

        Returns:
            The workload: ``starting`` when there is room, else ``queued`` or ``waiting``.

        Raises:
            QuotaExceeded: With level, resource, used, limit, asked.
            BalanceTooLow: The hold is not covered.
            InvalidInput: A number that no machine has (code ``never_fits``), or a bad argument.
        """
        translator = self.translator(kind)
        section = translator.policy.section
        if not 1 <= replicas <= MAX_REPLICAS:
            raise InvalidInput(
                f"replicas: between 1 and {MAX_REPLICAS}.",
                zh=f"replicas：应在 1 到 {MAX_REPLICAS} 之间。",
                field="replicas",
                rule=f"1-{MAX_REPLICAS}",
                value=replicas,
            )
        if self.draining or self.platform.shutting_down:
            raise BackendUnavailable(
                "Himalia is shutting down and starts nothing new.", zh="Himalia 正在关闭，不再启动新任务。"
            )
        payer = payer_of(actor)
        quotas.lock(session, payer.tenant_id)
        found = self.assess(session, payer, resources, replicas, section, priority=priority)
        if found.too_big is not None:
            raise assess.never_fits(found.too_big)
        if found.short is not None:
            raise quotas.refusal(found.short)
        row = self._new_row(
            session,
            actor,
            resources,
            kind=kind,
            object_kind=object_kind,
            object_number=object_number,
            name=object_name[:255],
            section=section,
            replicas=replicas,
            spec=spec or {},
            priority=priority,
            deadline_seconds=deadline_seconds,
            start_at=start_at,
            grace_seconds=translator.policy.grace_seconds,
            price_per_hour_micros=found.estimate.price_per_hour_micros,
        )
        quotas.reserve(session, payer, row.id, found.asked)
        self.budget.hold(session, payer, row.id, resources, replicas, section)
        if row.phase == Phase.QUEUED:
            self.admit_queue(session)
        self.wake_after(session)
        return row

    def _new_row(self, session: Session, actor: Actor, resources: Resources, **values: Any) -> Workload:
        moment = clock.now()
        later = values["start_at"] is not None and values["start_at"] > moment
        row = Workload(
            **objects.new_owned(session, actor, "workload"),
            **values,
            phase=Phase.WAITING if later else Phase.QUEUED,
            reason=None if later else Reason.CAPACITY,
            phase_since=moment,
            cpu_millis=resources.cpu_millis,
            memory_bytes=resources.memory_bytes,
            disk_bytes=resources.disk_bytes,
            accelerators=dict(resources.accelerators),
            endpoints=[],
            steps=[],
            last_lines=[],
        )
        session.add(row)
        session.flush()
        objects.touch(session, "workload", row, op="created")
        self._edited(session, row)
        return row

    def admit_queue(self, session: Session) -> list[Workload]:
        """Give room to whoever of the queue may have it now, in the caller's transaction."""
        if self.draining or self.platform.shutting_down:
            return []
        if session.get_bind().dialect.name == "postgresql":
            # Room is shared by all tenants, so one pass at a time over the whole installation.
            session.execute(sa.select(sa.func.pg_advisory_xact_lock(_CAPACITY_LOCK)))
        session.flush()
        occupying, waiting = assess.live(session)
        capacity = res.total(self.nodes)
        chosen = queue.admissible(waiting, queue.free(capacity, occupying))
        admitted: list[Workload] = []
        for workload_id in chosen:
            row = session.get(Workload, workload_id, with_for_update=True)
            if row is None or row.phase != Phase.QUEUED or row.wanted != "running":
                continue
            row.admitted_at = clock.now()
            row.attempt = 1
            if not self.translator(row.kind).policy.launched_outside:
                row.attempt_at = row.admitted_at
            self.enter(session, row, Phase.STARTING)
            admitted.append(row)
        return admitted

    # -- changing ----------------------------------------------------------------------------

    def enter(self, session: Session, row: Workload, phase: Phase, why: Explanation = NOTHING) -> None:
        """Move a workload to a phase, tell the event stream and the owning noun; end it if it ended."""
        moment = clock.now()
        if row.phase != phase:
            row.phase_since = moment
        row.phase = phase
        row.reason, row.message, row.message_zh = why.reason, why.text, why.text_zh
        if phase in ENDED:
            row.ended_at = row.ended_at or moment
            row.exit_code = why.exit_code
            row.replicas_ready = 0
            row.endpoints = []
            quotas.release(session, row.id)
            tokens.revoke_for_workload(session, row.id)
            self.budget.release(session, row.id)
        self.changed(session, row)

    def changed(self, session: Session, row: Workload) -> None:
        """Tell that something about a workload changed."""
        objects.touch(session, "workload", row)
        self._edited(session, row)
        self.translator(row.kind).on_change(session, row)

    def _edited(self, session: Session, row: Workload) -> None:
        """Once committed, the reconciler reads the row anew; see :meth:`take_edited`."""
        edited = session.info.get("himalia_edited")
        if edited is None:
            edited = session.info["himalia_edited"] = set()
            event.listen(session, "after_commit", lambda _session: self._edits.extend(edited))
        edited.add(row.id)

    def take_edited(self) -> set[int]:
        """The workloads that this process changed since this was last asked; for one reader."""
        taken = set()
        while self._edits:
            taken.add(self._edits.popleft())
        return taken

    def request_stop(
        self, session: Session, row: Workload, why: Explanation = STOPPED_BY_USER, *, grace_seconds: int | None = None
    ) -> None:
        """Ask work to end; what has not begun ends at once. Asking again changes nothing."""
        if row.ended_at is not None or row.wanted == "stopped":
            return
        row.wanted = "stopped"
        row.stop_at = clock.now()
        row.stop_reason, row.stop_message, row.stop_message_zh = why.reason, why.text, why.text_zh
        if grace_seconds is not None:
            row.grace_seconds = grace_seconds
        if row.admitted_at is None:
            self.enter(session, row, Phase.STOPPED, why)
        else:
            self.enter(session, row, Phase.STOPPING, why)
        self.wake_after(session)

    def launch(self, session: Session, row: Workload, facts: Any) -> int:
        """Begin an attempt of work that is launched from outside; answers its number.

        ``facts`` are kept in memory only, for the translator's ``plan``
        (:meth:`launch_facts`): they may hold secrets, and a launch that a crash interrupts fails.
        """
        if row.ended_at is not None or row.wanted != "running" or row.admitted_at is None:
            raise InvalidTransition(
                f"This cannot be launched while it is {row.phase}.",
                zh=f"当前状态为 {row.phase}，无法启动。",
                rule="reserved and not asked to stop",
                value=row.phase,
            )
        if row.attempt_at is not None:
            row.attempt += 1
        row.attempt_at = clock.now()
        row.endpoints, row.replicas_ready, row.steps = [], 0, []
        self._launches[(row.id, row.attempt)] = facts
        self.enter(session, row, Phase.STARTING)
        self.wake_after(session)
        return row.attempt

    def launch_facts(self, workload_id: int, attempt: int) -> Any | None:
        """What :meth:`launch` was given in this process, or None."""
        return self._launches.get((workload_id, attempt))

    def forget_launches(self, workload_id: int) -> None:
        for key in [key for key in self._launches if key[0] == workload_id]:
            del self._launches[key]

    def drain(self, session: Session, *, keep: bool) -> int:
        """Start nothing new in this process; unless kept, stop all work. Answers how many are asked to stop."""
        self.draining = True
        if keep:
            return 0
        why = Explanation(
            Reason.STOPPED_BY_USER,
            "It was stopped because Himalia was shut down.",
            "Himalia 已关闭，任务随之停止。",
        )
        rows = session.execute(sa.select(Workload).where(Workload.ended_at.is_(None)).with_for_update()).scalars().all()
        stopping = [row for row in rows if row.admitted_at is not None]
        for row in stopping:
            self.request_stop(session, row, why)
        return len(stopping)

    # -- finding -----------------------------------------------------------------------------

    def counts(self, db: Db) -> dict[str, int]:
        """Live workloads by phase, over all tenants."""
        statement = sa.select(Workload.phase, sa.func.count()).where(Workload.ended_at.is_(None))
        return {phase: int(count) for phase, count in db.execute(statement.group_by(Workload.phase))}

    def latest(self, db: Db, tenant_id: int, object_kind: str, object_number: int) -> Any | None:
        """The newest workload of a noun's object as a row, or None."""
        return db.execute(
            sa.select(Workload.__table__)
            .where(
                Workload.tenant_id == tenant_id,
                Workload.object_kind == object_kind,
                Workload.object_number == object_number,
            )
            .order_by(Workload.id.desc())
            .limit(1)
        ).first()

    async def log_stream(
        self, workload_id: int, attempt: int, *, replica: int = 0, offset: int = 0, follow: bool = False
    ) -> AsyncIterator[tuple[int, bytes]]:
        """The log of a replica as ``(offset, bytes)`` from a byte offset."""
        if self.backend is None:
            return
        chunks = self.backend.logs(f"w{workload_id}", attempt, replica=replica, offset=offset, follow=follow)
        async for chunk in chunks:
            yield chunk

    # -- waking ------------------------------------------------------------------------------

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def wake(self, controller: str = RECONCILER) -> None:
        """Ask a controller for a step; from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.platform.controllers.wake, controller)

    def wake_after(self, session: Session, controller: str = RECONCILER) -> None:
        """The same once this unit of work is committed: no waiting for an interval (PERF-12)."""
        woken = session.info.setdefault("himalia_wakes", set())
        if controller not in woken:
            woken.add(controller)
            # Told for savepoints too, so it may wake more than once, but never only too early.
            event.listen(session, "after_commit", lambda _session: self.wake(controller))
