"""Keeps hub and engine in step: asks the hub to start what has a reservation, and to let go of what ended.

The hub may be down or restart at any moment; each step looks at the rows and asks again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.backends.protocol import BackendError
from himalia_hub.compute.engine import Engine
from himalia_hub.compute.explain import Explanation
from himalia_hub.compute.phases import Phase, Reason
from himalia_hub.compute.tables import Workload
from himalia_hub.core import clock
from himalia_hub.develop.notebooks import profiles
from himalia_hub.develop.notebooks.hub import HubClient, HubRefused, HubUnavailable
from himalia_hub.develop.notebooks.kind import CONTROLLER, home_key
from himalia_hub.develop.notebooks.tables import Notebook
from himalia_hub.platform.parts import Platform
from himalia_hub.tenancy.tables import Tenant, User

log = logging.getLogger("himalia.notebooks")
AGAIN_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class _Wish:
    """One thing to ask of the hub or the backend."""

    what: str
    notebook_id: int
    workload_id: int
    user: str
    server: str
    row: Any


class NotebookController:
    name = CONTROLLER
    wakes_on_commit = False

    def __init__(self, platform: Platform, hub: HubClient) -> None:
        self.interval_seconds = 5.0
        self._platform = platform
        self._hub = hub
        self._asking: set[int] = set()
        self._asked_at: dict[tuple[str, int, int], float] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def step(self) -> None:
        wishes = self._wishes()
        self.interval_seconds = 0.5 if wishes else 5.0
        for wish in wishes:
            key = (wish.what, wish.notebook_id, wish.workload_id)
            if wish.notebook_id in self._asking or time.monotonic() - self._asked_at.get(key, -1e9) < AGAIN_SECONDS:
                continue
            self._asked_at[key] = time.monotonic()
            self._asking.add(wish.notebook_id)
            task = asyncio.create_task(self._ask(wish))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        present = {(wish.what, wish.notebook_id, wish.workload_id) for wish in wishes}
        self._asked_at = {key: at for key, at in self._asked_at.items() if key in present}

    def _wishes(self) -> list[_Wish]:
        """What hub and engine disagree about, from one read."""
        statement = (
            sa.select(
                Notebook.id,
                Notebook.number,
                Notebook.server_name,
                Notebook.hub_state,
                Notebook.deleted_at,
                Workload.id.label("workload_id"),
                Workload.wanted,
                Workload.admitted_at,
                Workload.attempt_at,
                Workload.ended_at,
                Workload.spec,
                User.hub_name,
                User.number.label("user_number"),
                Tenant.code,
            )
            .join(User, User.id == Notebook.owner_id)
            .join(Tenant, Tenant.id == Notebook.tenant_id)
            .outerjoin(Workload, Workload.id == Notebook.workload_id)
            .where(
                Notebook.cleaned_at.is_(None),
                sa.or_(
                    Notebook.deleted_at.is_not(None),
                    Notebook.hub_state != "free",
                    sa.and_(Workload.id.is_not(None), Workload.ended_at.is_(None)),
                ),
            )
        )
        with self._platform.db.read() as db:
            rows = db.execute(statement).all()
        found = []
        for row in rows:
            what = wish_of(row)
            if what is not None and (self._hub.configured or what == "clean"):
                found.append(_Wish(what, row.id, row.workload_id or 0, row.hub_name, row.server_name, row))
        return found

    async def _ask(self, wish: _Wish) -> None:
        try:
            if wish.what == "start":
                await self._start(wish)
            elif wish.what == "release":
                if await self._hub.stop(wish.user, wish.server):
                    await self._set(wish, hub_state="free")
            else:
                await self._clean(wish)
        except (HubUnavailable, BackendError) as error:
            log.warning("notebook %s of %s: %s", wish.server, wish.user, error)
        finally:
            self._asking.discard(wish.notebook_id)
            self._platform.controllers.wake(self.name)

    async def _start(self, wish: _Wish) -> None:
        options: dict[str, str] = {}
        profile = wish.row.spec.get("profile")
        if profile is not None:
            try:
                options = profiles.user_options(await self._hub.profiles(wish.user), profile)
            except profiles.ProfileGone as gone:
                await self._give_up(wish, f"{gone.message} {gone.hint}", f"{gone.zh}{gone.hint_zh}")
                return
            except HubRefused as refused:
                await self._give_up(wish, refused.text, refused.zh)
                return
        # Noted before the hub is asked: the spawner's launch may arrive before the hub's answer.
        await self._set(wish, hub_state="held")
        if not await self._hub.start(wish.user, wish.server, options):
            await self._hub.stop(wish.user, wish.server)

    async def _give_up(self, wish: _Wish, text: str, zh: str) -> None:
        """End a start that the hub can never make; what it had reserved is free at once."""
        engine = self._platform.get(Engine)

        def work(session: Session) -> None:
            workload = session.get(Workload, wish.workload_id, with_for_update=True)
            if workload is None or workload.attempt_at is not None or workload.ended_at is not None:
                return
            if workload.wanted == "running":
                engine.enter(session, workload, Phase.FAILED, Explanation(Reason.START_FAILED, text, zh))
                engine.wake_after(session)

        await self._platform.db.write(work)

    async def _clean(self, wish: _Wish) -> None:
        """After deletion: the hub's server, then the home."""
        if self._hub.configured and not await self._hub.stop(wish.user, wish.server, remove=True):
            return
        backend = self._platform.backend
        if backend is not None:
            await backend.remove_home(wish.row.code, home_key(wish.row.user_number, wish.row.number))
        await self._set(wish, hub_state="free", cleaned_at=clock.now())

    async def _set(self, wish: _Wish, **values: Any) -> None:
        def work(session: Session) -> None:
            session.execute(sa.update(Notebook).where(Notebook.id == wish.notebook_id).values(**values))

        await self._platform.db.write(work)


def wish_of(row: Any) -> str | None:
    """``start``, ``release``, ``clean`` or nothing, for one notebook's row. Pure."""
    live = row.workload_id is not None and row.ended_at is None
    if row.deleted_at is not None:
        return None if live else "clean"
    if live and row.wanted == "running":
        return "start" if row.admitted_at is not None and row.attempt_at is None else None
    if row.hub_state != "free":
        return "release"
    return None
