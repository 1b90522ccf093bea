"""Makes the backend follow the database and the database follow the backend.

One step reads the live workloads, observes the backend, decides purely (``decide``), writes what
changed (all of one workload in one transaction: phase, facts, releases, room) and then acts. Of a
backend that tells of changes only those workloads are looked at that ``attention`` chooses. Each
action converges when repeated, so a kill between any two statements costs a repetition only.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from himalia_hub.backends.protocol import Backend, BackendError, ObservedWorkload, WatchingBackend, WorkloadPlan
from himalia_hub.compute import assess, facts, plans, queue, samples, specs
from himalia_hub.compute import resources as res
from himalia_hub.compute.acting import Acting, Attempt, Trouble
from himalia_hub.compute.attention import Attention, fresh, live_rows, rests
from himalia_hub.compute.change import (
    Change,
    alive,
    endpoints_of,
    keeps_why,
    ready_of,
    restarting,
    steps_of,
    visible,
)
from himalia_hub.compute.decide import Decision, Known, decide
from himalia_hub.compute.engine import RECONCILER, Engine
from himalia_hub.compute.explain import Explanation
from himalia_hub.compute.phases import ENDED, Phase, Reason
from himalia_hub.compute.tables import Workload, id_of, key_of
from himalia_hub.core import clock
from himalia_hub.core.db import Db
from himalia_hub.core.errors import HimaliaError
from himalia_hub.core.usage import Fact

log = logging.getLogger("himalia.engine")

IDLE_SECONDS = 5.0
RUNNING_SECONDS = 0.5
NODES_SECONDS = 10.0
ORPHANS_SECONDS = 60.0
REPEAT_SECONDS = 2.0
GONE_SECONDS = 2.0
LAST_LINES = 20
AT_ONCE = 200
"""Most workloads that are written in one transaction."""
Look = tuple[list[Any], dict[int, list[ObservedWorkload]]]
"""Rows of live workloads, and what is observed of each."""


class Reconciler:
    """The controller of workloads."""

    name = RECONCILER
    wakes_on_commit = False

    def __init__(self, engine: Engine) -> None:
        self.interval_seconds = IDLE_SECONDS
        self._engine = engine
        self._platform = engine.platform
        self._book = facts.FactBook()
        self._acting = Acting()
        self._tasks: set[asyncio.Task[None]] = set()
        self._opened = self._loaded = False
        self._written: set[Change] = set()
        self._nodes_at = self._observed_at = float("-inf")
        self.looked_at = 0  # live workloads, at the newest step
        self._attention: Attention | None = None
        self._true_at: datetime | None = None

    # -- one step ----------------------------------------------------------------------------

    async def step(self) -> None:
        engine, backend = self._engine, self._engine.backend
        engine.attach(asyncio.get_running_loop())
        if backend is None:
            return
        if not self._opened:
            await engine.open()
            self._opened = True
        await self._look_at_nodes()
        with self._platform.db.read() as db:
            if not self._loaded:
                self._book.load(db)
            if isinstance(backend, WatchingBackend):
                rows, observed = self._look_where_told(db, backend)
            else:
                rows, observed = self._live(db), {}
        if not isinstance(backend, WatchingBackend):
            observed = await self._look_at_all(rows, backend)
        await self._end_strays(rows, observed)
        self._loaded = True
        self.looked_at = len(rows)
        now = clock.now()
        changes = [self._examine(row, observed.get(row.id, []), now) for row in rows]
        await self._write_down([change for change in changes if change.matters], self._may_admit(rows))
        await self._act(changes)
        self._settle(changes, observed, now)
        if self._attention is not None and self._true_at is not None:
            await self._go_on(self._attention, self._true_at)
        await self._keep_samples()
        self.interval_seconds = self._interval(changes, now)

    def _live(self, db: Db) -> list[Any]:
        return [row for row in live_rows(db) if self._engine.knows(row.kind)]

    async def _look_at_all(self, rows: list[Any], backend: Backend) -> dict[int, list[ObservedWorkload]]:
        started = any(row.attempt_at is not None for row in rows)
        if started or not self._loaded or time.monotonic() - self._observed_at > ORPHANS_SECONDS:
            self._observed_at = time.monotonic()
            return self._sort(await backend.observe())
        return {}

    def _look_where_told(self, db: Db, backend: WatchingBackend) -> Look:
        """Leave out what goes on as it was, as far as database and backend tell."""
        self._attention = attention = self._attention or Attention()
        changes = backend.take_changes()
        chosen = attention.choose(db, self._engine.take_edited(), changes)
        for workload_id in chosen:
            if self._true_at is not None and attention.is_steady(workload_id):
                self._book.went_on(workload_id, self._true_at)
        self._true_at = changes.true_at
        observed = self._sort(backend.observe_some([key_of(workload_id) for workload_id in chosen]))
        found = (attention.rows.get(workload_id) for workload_id in sorted(chosen))
        return [row for row in found if row is not None and self._engine.knows(row.kind)], observed

    def _settle(self, changes: list[Change], observed: dict[int, list[ObservedWorkload]], now: datetime) -> None:
        """Who of those looked at may be left alone from here on."""
        if self._attention is None:
            return
        for workload_id, attempts in observed.items():
            if workload_id not in self._attention.rows:
                self._attention.settle(workload_id, steady=not any(alive(attempt) for attempt in attempts))
        for change in changes:
            row = change.row
            steady = (
                (change.beats or not change.matters)
                and rests(row, change.decision)
                and fresh(row, observed.get(row.id, ()), now)
                and (row.id, row.attempt) not in self._acting.trouble
            )
            self._attention.settle(row.id, steady=steady, written_at=self._book.written_at(row.id))

    async def _look_at_nodes(self) -> None:
        if time.monotonic() - self._nodes_at > NODES_SECONDS and self._engine.backend is not None:
            self._engine.nodes = tuple(await self._engine.backend.nodes())
            self._nodes_at = time.monotonic()
            if not self._loaded:
                nodes = self._engine.nodes
                await self._platform.db.write(lambda session: specs.seed(session, nodes))

    @staticmethod
    def _sort(observed: Sequence[ObservedWorkload]) -> dict[int, list[ObservedWorkload]]:
        found: dict[int, list[ObservedWorkload]] = defaultdict(list)
        for attempt in observed:
            workload_id = id_of(attempt.workload)
            found[workload_id if workload_id is not None else 0].append(attempt)
        return found

    def _examine(self, row: Any, attempts: list[ObservedWorkload], now: datetime) -> Change:
        """Compare one live workload with what is observed of it."""
        present = next((a for a in attempts if a.attempt == row.attempt), None)
        if present is not None:
            self._engine.live.observe(row.id, present)
            self._acting.missing_since.pop((row.id, row.attempt), None)
        elif self._only_just_missing(row):
            return Change(row, Decision(Phase(row.phase)), [], row.steps, row.endpoints, row.replicas_ready)
        due = self._book.due(row.id, attempts)
        trouble = self._acting.trouble.get((row.id, row.attempt))
        policy = self._engine.translator(row.kind).policy
        external = policy.launched_outside
        known = Known(
            wanted=row.wanted,
            phase=Phase(row.phase),
            attempt=row.attempt,
            policy=policy,
            resources=assess.resources_of(row),
            replicas=row.replicas,
            start_at=row.start_at,
            admitted_at=row.admitted_at,
            attempt_at=row.attempt_at,
            not_before=row.not_before,
            failures=row.failures,
            stop=Explanation(Reason(row.stop_reason or Reason.STOPPED_BY_USER), row.stop_message, row.stop_message_zh),
            seen=self._book.seen(row.id, row.attempt),
            can_apply=not external or self._engine.launch_facts(row.id, row.attempt) is not None,
            earlier_alive=any(a.attempt != row.attempt and alive(a) for a in attempts),
            trouble=trouble.text if trouble is not None else "",
            apply_error=trouble.text if trouble is not None and trouble.final else None,
            peak_memory=self._engine.live.peak_memory(row.id),
        )
        decision = decide(known, present, now)
        if decision.apply and not self._may_apply((row.id, row.attempt)):
            decision = Decision(decision.phase, decision.why)
        if (row.id, row.attempt) in self._acting.applying and decision.ended and present is None:
            decision = Decision(Phase(row.phase))  # wait for the apply under way to be seen
        shown = present is not None and not decision.ended
        return Change(
            row=row,
            decision=decision,
            due=due,
            steps=steps_of(present) if present is not None else row.steps,
            endpoints=endpoints_of(present) if shown and present is not None else [],
            ready=ready_of(present, policy.probed) if shown and present is not None else 0,
        )

    def _only_just_missing(self, row: Any) -> bool:
        """Seen before and not in this observation: believed gone only after it stayed away a while."""
        key = (row.id, row.attempt)
        if not self._book.seen(*key):
            return False
        since = self._acting.missing_since.setdefault(key, time.monotonic())
        return time.monotonic() - since < GONE_SECONDS

    def _may_apply(self, attempt: Attempt) -> bool:
        if attempt in self._acting.applying:
            return False
        trouble = self._acting.trouble.get(attempt)
        if trouble is not None and time.monotonic() < trouble.again_at:
            return False
        # Accepted a moment ago and not observed yet; a second apply would change nothing.
        return time.monotonic() - self._acting.applied_at.get(attempt, float("-inf")) > REPEAT_SECONDS

    def _may_admit(self, rows: Sequence[Any]) -> bool:
        """Somebody of the queue could have room, as far as this reading shows."""
        if self._attention is not None:
            if not self._attention.queue_moved():
                return False
            rows = list(self._attention.rows.values())
        occupying, waiting = assess.sort_live(rows)
        if not waiting:
            return False
        free = queue.free(res.total(self._engine.nodes), occupying)
        return bool(queue.admissible(waiting, free))

    # -- writing -----------------------------------------------------------------------------

    async def _write_down(self, changes: list[Change], may_admit: bool) -> None:
        """Write what changed, so much at a time that others can write in between."""
        self._written = set()
        await self._beat([(change.row, change.due) for change in changes if change.beats])
        changes = [change for change in changes if not change.beats]
        for start in range(0, len(changes), AT_ONCE):
            await self._commit(changes[start : start + AT_ONCE], may_admit)
        if not changes and may_admit:
            await self._commit([], may_admit)

    async def _commit(self, changes: list[Change], may_admit: bool) -> None:
        """Write changes in one transaction, then start what was decided to start."""
        frees = any(c.decision.ended for c in changes) or any(c.decision.phase == Phase.QUEUED for c in changes)
        written: list[Change] = []

        def work(session: Session) -> list[WorkloadPlan]:
            written.clear()
            made = [plan for change in changes for plan in self._write_alone(session, change, written)]
            if frees or may_admit:
                for row in self._engine.admit_queue(session):
                    if row.attempt_at is not None:
                        made.extend(self._plan(session, row))
            return made

        made = await self._platform.db.write(work)
        self._written.update(written)
        for change in written:
            self._book.remember(change.due)
        for plan in made:
            self._start(plan)

    async def _beat(self, beats: list[tuple[Any, list[facts.NewFact]]]) -> None:
        """Write proofs of life, all with one statement: nothing else of these workloads changes."""
        if beats:
            await self._platform.db.write(lambda session: facts.write_all(session, beats))
            for _row, due in beats:
                self._book.remember(due)

    async def _go_on(self, attention: Attention, until: datetime) -> None:
        """Prove the life of those that nothing was told of."""
        found = [(attention.rows[key], self._book.went_on(key, until)) for key in sorted(attention.beating)]
        await self._beat([one for one in found if one[1]])
        for row, _due in found:
            attention.settle(row.id, steady=True, written_at=self._book.written_at(row.id))

    def _write_alone(self, session: Session, change: Change, written: list[Change]) -> list[WorkloadPlan]:
        """Write one workload's change; a noun that fails holds up its own work and nobody else's."""
        try:
            with session.begin_nested():
                return self._write(session, change, written)
        except Exception:
            log.exception("workload %s: its change could not be written", change.row.id)
            return []

    def _write(self, session: Session, change: Change, written: list[Change]) -> list[WorkloadPlan]:
        row = session.get(Workload, change.row.id, with_for_update=True, populate_existing=True)
        if row is None or row.version != change.row.version:
            self._engine.wake_after(session)  # somebody changed it meanwhile: look again
            return []
        decision = change.decision
        facts.write(session, row, change.due)
        if row.started_at is None:
            row.started_at = min((f.opened_at for f in change.due), default=None)
        row.steps, row.endpoints, row.replicas_ready = change.steps, change.endpoints, change.ready
        if decision.failures is not None:
            row.failures = decision.failures
        made: list[WorkloadPlan] = []
        if decision.restart_at is not None:
            row.attempt += 1
            row.attempt_at = clock.now()
            row.not_before = decision.restart_at
            self._engine.enter(session, row, Phase.STARTING, restarting(decision, row))
        elif decision.phase != row.phase or not keeps_why(change.row, decision):
            self._engine.enter(session, row, decision.phase, decision.why)
        elif visible(change):
            self._engine.changed(session, row)
        if decision.apply:
            made = self._plan(session, row)
        written.append(change)
        return made

    def _plan(self, session: Session, row: Workload) -> list[WorkloadPlan]:
        """Build the plan of the present attempt; a refusal by the noun fails the attempt."""
        translator = self._engine.translator(row.kind)
        try:
            with session.begin_nested():
                plan = translator.plan(session, row, row.attempt)
                return [plans.finish(session, row, plan, self._api_url())]
        except HimaliaError as error:
            refused = Explanation(Reason.START_FAILED, error.message, error.zh)
            self._engine.enter(session, row, Phase.FAILED, refused)
        except Exception as error:
            log.exception("workload %s: no plan", row.key)
            text = f"{type(error).__name__}: {error}"
            self._engine.enter(session, row, Phase.FAILED, Explanation(Reason.BACKEND, text, text))
        return []

    def _api_url(self) -> str | None:
        if self._engine.single_machine:
            return None
        return self._platform.config.public.workloads_api

    # -- acting ------------------------------------------------------------------------------

    def _start(self, plan: WorkloadPlan) -> None:
        workload_id = id_of(plan.workload)
        assert workload_id is not None
        self._acting.applying.add((workload_id, plan.attempt))
        self._spawn(self._apply((workload_id, plan.attempt), plan))

    async def _apply(self, attempt: Attempt, plan: WorkloadPlan) -> None:
        backend = self._engine.backend
        assert backend is not None
        try:
            await backend.apply(plan)
            self._acting.applied_at[attempt] = time.monotonic()
            self._acting.trouble.pop(attempt, None)
        except BackendError as error:
            self._not_applied(attempt, str(error), final=not error.retryable)
            log.warning("workload %s attempt %s: %s", plan.workload, plan.attempt, error)
        except Exception as error:  # a fault of ours: tried again ever more slowly, and told
            self._not_applied(attempt, f"{type(error).__name__}: {error}", final=False)
            log.exception("workload %s attempt %s could not be applied", plan.workload, plan.attempt)
        finally:
            self._acting.applying.discard(attempt)
            self._engine.wake()

    def _not_applied(self, attempt: Attempt, text: str, *, final: bool) -> None:
        before = self._acting.trouble.get(attempt)
        count = before.count + 1 if before is not None else 1
        again = time.monotonic() + min(30.0, 0.5 * 2**count)
        self._acting.trouble[attempt] = Trouble(count, again, text, final)

    async def _act(self, changes: list[Change]) -> None:
        for change in changes:
            row, decision = change.row, change.decision
            if decision.stop:
                await self._stop(row.id, row.attempt, row.grace_seconds)
            if decision.ended:
                if change not in self._written:
                    continue
                self._spawn(self._after_end(row.id, row.attempt if row.attempt_at is not None else 0))

    async def _stop(self, workload_id: int, attempt: int, grace: int) -> None:
        backend = self._engine.backend
        moment = time.monotonic()
        if backend is None or moment - self._acting.stopped_at.get((workload_id, attempt), 0.0) < REPEAT_SECONDS:
            return
        self._acting.stopped_at[(workload_id, attempt)] = moment
        try:
            await backend.stop(key_of(workload_id), attempt, grace_seconds=grace)
        except BackendError as error:
            log.warning("workload %s attempt %s cannot be stopped yet: %s", workload_id, attempt, error)

    async def _end_strays(self, rows: Sequence[Any], observed: dict[int, list[ObservedWorkload]]) -> None:
        """Stop what nobody wants: attempts of ended or unknown workloads, and earlier attempts."""
        wanted = {row.id: row.attempt for row in rows if row.attempt_at is not None}
        for workload_id, attempts in observed.items():
            for attempt in attempts:
                if alive(attempt) and wanted.get(workload_id) != attempt.attempt and workload_id:
                    await self._stop(workload_id, attempt.attempt, 10)
            if workload_id not in wanted and self._book.doubtful(workload_id):
                await self._correct(workload_id, attempts)

    async def _correct(self, workload_id: int, attempts: list[ObservedWorkload]) -> None:
        """The true end of an interval was found after it had been closed."""
        due = [f for f in self._book.due(workload_id, attempts) if f.fact is Fact.CORRECTED]
        if not due:
            return

        def work(session: Session) -> None:
            row = session.get(Workload, workload_id)
            if row is not None:
                facts.write(session, row, due)

        await self._platform.db.write(work)
        self._book.remember(due)

    async def _after_end(self, workload_id: int, attempt: int) -> None:
        """Keep the last lines of the log with the workload; then forget what this process held."""
        lines: list[str] = []
        if attempt:
            try:
                lines = await samples.last_lines(self._engine, workload_id, attempt, LAST_LINES)
            except BackendError as error:
                log.warning("workload %s: no log: %s", workload_id, error)

        def work(session: Session) -> bool:
            row = session.get(Workload, workload_id)
            if row is None or row.phase not in ENDED:
                return False
            if lines and row.last_lines != lines:
                row.last_lines = lines
                self._engine.changed(session, row)
            return True

        if await self._platform.db.write(work):
            self._engine.forget_launches(workload_id)
            self._engine.live.forget(workload_id)
            self._acting.forget(workload_id)
            if not self._book.doubtful(workload_id):
                self._book.forget(workload_id)

    async def _keep_samples(self) -> None:
        due = self._engine.live.to_keep(samples.EVERY_SECONDS)
        if due:
            await self._platform.db.write(lambda session: samples.keep(session, due))
            self._engine.live.kept(due)

    async def close(self) -> None:
        """Wait for the actions under way; workloads go on without us."""
        await asyncio.gather(*self._tasks, return_exceptions=True)
        close = getattr(self._engine.backend, "close", None)
        if self._opened and close is not None:
            await close()

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- pace --------------------------------------------------------------------------------

    def _interval(self, changes: list[Change], now: datetime) -> float:
        """How soon to look again: at once while something starts or stops, seldom when idle."""
        pace = RUNNING_SECONDS if self._attention is not None and self._attention.rows else IDLE_SECONDS
        for change in changes:
            row, decision = change.row, change.decision
            if decision.phase == Phase.WAITING and row.start_at is not None:
                pace = min(pace, max(0.05, (row.start_at - now).total_seconds()))
            elif decision.restart_at is not None or (row.not_before is not None and row.not_before > now):
                pace = min(pace, 0.25)
            elif decision.phase == Phase.STARTING and row.attempt_at is not None:
                age = (now - row.attempt_at).total_seconds()
                pace = min(pace, 0.02 if age < 1 else 0.1 if age < 30 else RUNNING_SECONDS)
            elif decision.phase == Phase.STOPPING:
                pace = min(pace, 0.05)
            elif decision.phase in (Phase.RUNNING, Phase.STARTING):
                pace = min(pace, RUNNING_SECONDS)
        return pace
