"""The kind ``notebook``: launched by the hub's spawner, run by the engine."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.backends.protocol import FileMount, FolderMount, HomeMount, HttpProbe, Mount, Port, WorkloadPlan
from himalia_hub.compute import plans
from himalia_hub.compute.engine import Engine
from himalia_hub.compute.environments import EnvironmentView
from himalia_hub.compute.kinds import Policy
from himalia_hub.compute.phases import Phase
from himalia_hub.compute.tables import Workload
from himalia_hub.core import clock, objects
from himalia_hub.core.db import Db
from himalia_hub.core.errors import Conflict
from himalia_hub.develop.notebooks import welcome
from himalia_hub.develop.notebooks.schemas import Launch
from himalia_hub.develop.notebooks.tables import Notebook
from himalia_hub.tenancy.tables import User

if TYPE_CHECKING:
    from himalia_hub.platform.parts import Platform

KIND = "notebook"
CONTROLLER = "notebooks"
"""Keeps hub and engine in step; woken by whatever concerns both."""
PORT_NAME = "http"
INPUT_PATH = "/himalia/input/input{index}"
START_SECONDS = 180.0
CONFIRM_SECONDS = 120.0


def home_key(user_number: int, notebook_number: int) -> str:
    """Where a notebook's home lies within its tenant's space."""
    return f"u{user_number}/n{notebook_number}"


@dataclass
class NotebookKind:
    """Translates a notebook's workload into a plan."""

    platform: Platform
    policy: Policy = field(
        default_factory=lambda: Policy(
            section="notebook",
            completes=False,
            launched_outside=True,
            confirm_seconds=CONFIRM_SECONDS,
            probed=True,
        )
    )

    def plan(self, session: Session, workload: Workload, attempt: int) -> WorkloadPlan:
        launch = self.platform.get(Engine).launch_facts(workload.id, attempt)
        if not isinstance(launch, Launch):
            raise Conflict(
                "The hub has not handed over what this notebook needs. Start it again.",
                zh="尚未收到启动所需信息。请重新启动。",
            )
        notebook = session.execute(sa.select(Notebook).where(Notebook.workload_id == workload.id)).scalar_one()
        owner = session.execute(sa.select(User.number).where(User.id == notebook.owner_id)).scalar_one()
        return self.draw(session, workload, attempt, launch, home_key(owner, notebook.number))

    def draw(self, db: Db, workload: Workload, attempt: int, launch: Launch, home: str) -> WorkloadPlan:
        """The plan of a notebook from what the spawner handed over; a preview draws the same one (NB-3).

        Args:
            home: Where its home lies, as :func:`home_key` names it.
        """
        environments = self.platform.get(EnvironmentView)  # type: ignore[type-abstract]
        mounts: list[Mount] = [HomeMount(home, welcome.HOME)]
        for index, binding in enumerate(workload.spec["bindings"]):
            mounts.append(FolderMount(binding["manifest"], INPUT_PATH.format(index=index)))
        command: tuple[str, ...] = tuple(launch.command)
        if workload.spec["first"]:
            mounts.append(FileMount(welcome.WELCOME_PATH, welcome.TEXT))
            command = (*welcome.COPY_AND_RUN, *command)
        return plans.base(
            db,
            workload,
            attempt,
            image=environments.image(workload.spec["environment"]),
            command=command,
            environment={"HIMALIA_HUB_URL": self.platform.config.public.hub_url},
            # The hub's variables hold the server's own token; the platform replaces none of them.
            secrets=launch.environment,
            mounts=mounts,
            ports=(Port(PORT_NAME, launch.port),),
            probe=HttpProbe(PORT_NAME, f"{launch.path}api", timeout_seconds=START_SECONDS),
            working_directory=welcome.HOME,
        )

    def folders(self, db: Db, workload: Any) -> Collection[str]:
        return [binding["manifest"] for binding in workload.spec["bindings"]]

    def on_change(self, session: Session, workload: Workload) -> None:
        notebook = session.execute(sa.select(Notebook).where(Notebook.workload_id == workload.id)).scalar_one_or_none()
        if notebook is None:
            return
        if workload.phase == Phase.RUNNING and notebook.phase != Phase.RUNNING and workload.admitted_at:
            notebook.start_seconds = (clock.now() - workload.admitted_at).total_seconds()
        notebook.phase = workload.phase
        objects.touch(session, "notebook", notebook)
        self.platform.get(Engine).wake_after(session, CONTROLLER)
