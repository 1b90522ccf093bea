"""How a variant becomes a plan; its controller hears of changes by the commit."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.backends.protocol import FolderMount, HttpProbe, Port, WorkloadPlan
from himalia_hub.compute import plans
from himalia_hub.compute.environments import EnvironmentView
from himalia_hub.compute.kinds import Policy
from himalia_hub.compute.tables import Workload
from himalia_hub.core import objects
from himalia_hub.core.db import Db
from himalia_hub.platform.parts import Platform
from himalia_hub.serving import rules
from himalia_hub.serving.service import OBJECT
from himalia_hub.serving.tables import InferenceService, ServiceVariant

PORT_NAME = "http"
START_SECONDS = 120.0
DRAIN_GRACE_SECONDS = 15


class VariantTranslator:
    """The kind ``service_variant``: restarted whenever it ends, ready once a real sample was answered."""

    policy = Policy(
        section="inference",
        restart="always",
        max_failures=3,
        completes=False,
        grace_seconds=DRAIN_GRACE_SECONDS,
        probed=True,
    )

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def plan(self, session: Session, workload: Workload, attempt: int) -> WorkloadPlan:
        variant = session.get(ServiceVariant, workload.spec["variant_id"])
        assert variant is not None
        image = variant.environment
        if self._platform.has(EnvironmentView):
            image = self._platform.get(EnvironmentView).image(image)  # type: ignore[type-abstract]
        command = ["python", "-m", "himalia.serving", "--model-dir", rules.MODEL_DIR, "--port", str(rules.PORT)]
        return plans.base(
            session,
            workload,
            attempt,
            image=image,
            command=command,
            environment={
                "HIMALIA_MODEL_NAME": variant.model["name"],
                "HIMALIA_MODEL_VERSION": variant.model["version"],
            },
            mounts=[FolderMount(variant.model["manifest"], rules.MODEL_DIR)],
            ports=[Port(PORT_NAME, rules.PORT)],
            probe=HttpProbe(PORT_NAME, "/v2/health/ready", timeout_seconds=START_SECONDS),
            working_directory="/tmp",  # noqa: S108 - the sandbox's own
        )

    def folders(self, db: Db, workload: Any) -> Collection[str]:
        variant = sa.select(ServiceVariant.model).where(ServiceVariant.id == workload.spec["variant_id"])
        return [db.execute(variant).scalar_one()["manifest"]]

    def on_change(self, session: Session, workload: Workload) -> None:
        service = session.execute(
            sa.select(InferenceService)
            .join(ServiceVariant, ServiceVariant.service_id == InferenceService.id)
            .where(ServiceVariant.workload_id == workload.id, InferenceService.deleted_at.is_(None))
        ).scalar_one_or_none()
        if service is not None:
            objects.announce(session, OBJECT, service)
