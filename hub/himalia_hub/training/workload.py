"""How a run becomes a plan, and how it hears of its end."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.backends.protocol import FileMount, FolderMount, Mount, ScratchMount, WorkloadPlan
from himalia_hub.compute import plans
from himalia_hub.compute.environments import EnvironmentView
from himalia_hub.compute.kinds import Policy
from himalia_hub.compute.tables import Workload
from himalia_hub.core.db import Db
from himalia_hub.platform.parts import Platform
from himalia_hub.training import rules, service
from himalia_hub.training.tables import Run


class RunTranslator:
    """The kind ``run``: starts once, ends by itself, is not tried again."""

    policy = Policy(section="training", restart="never", completes=True, grace_seconds=rules.GRACE_SECONDS)

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def plan(self, session: Session, workload: Workload, attempt: int) -> WorkloadPlan:
        run = session.get(Run, workload.spec["run_id"])
        assert run is not None
        mounts: list[Mount] = [FolderMount(one["manifest"], one["path"]) for one in run.inputs]
        mounts += [ScratchMount(path) for path in (rules.WORK_DIR, rules.OUTPUT_DIR, rules.MODEL_DIR)]
        if run.code is not None:
            mounts.append(FileMount(rules.CODE_PATH, run.code))
        image = run.environment
        if self._platform.has(EnvironmentView):
            image = self._platform.get(EnvironmentView).image(run.environment)  # type: ignore[type-abstract]
        return plans.base(
            session,
            workload,
            attempt,
            image=image,
            command=["python", "-m", "himalia.runner", "--", *run.command],
            environment={
                **run.variables,
                "HIMALIA_RUN_ID": str(run.number),
                "HIMALIA_OUTPUT_DIR": rules.OUTPUT_DIR,
                "HIMALIA_MODEL_DIR": rules.MODEL_DIR,
                "HIMALIA_METRICS_FILE": f"{rules.WORK_DIR}/.himalia/metrics.jsonl",
                "HIMALIA_GRACE_SECONDS": str(workload.grace_seconds),
            },
            mounts=mounts,
            working_directory=rules.WORK_DIR,
        )

    def folders(self, db: Db, workload: Any) -> Collection[str]:
        inputs = db.execute(sa.select(Run.inputs).where(Run.id == workload.spec["run_id"])).scalar_one()
        return [one["manifest"] for one in inputs]

    def on_change(self, session: Session, workload: Workload) -> None:
        run = session.execute(sa.select(Run).where(Run.workload_id == workload.id)).scalar_one_or_none()
        if run is not None:
            service.mirror(session, run, workload)
