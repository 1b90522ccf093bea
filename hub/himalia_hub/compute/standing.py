"""What disabling does to work: it is asked to end, notebooks first, and nothing else is touched (TEN-2)."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.compute.engine import Engine
from himalia_hub.compute.explain import Explanation
from himalia_hub.compute.phases import Reason
from himalia_hub.compute.tables import Workload
from himalia_hub.core.db import Db
from himalia_hub.core.standing import Whose

NOTEBOOK = "notebook"
DISABLED = Explanation(
    Reason.STOPPED_BY_USER,
    "It was stopped because an administrator disabled the account, department or organisation.",
    "账号、部门或组织已被管理员停用，任务随之停止。",
)


def _of(whose: Whose) -> sa.ColumnElement[bool]:
    if whose.user_id is not None:
        return Workload.owner_id == whose.user_id
    if whose.department_id is not None:
        return Workload.department_id == whose.department_id
    return Workload.tenant_id == whose.tenant_id


class WorkOfPeople:
    """Stops and counts the work of people for :class:`~himalia_hub.core.standing.Standing`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def stop(self, session: Session, whose: Whose) -> int:
        """Each gets its kind's own time to end; a notebook's server writes what it holds when asked to."""
        first = sa.case((Workload.kind == NOTEBOOK, 0), else_=1)
        rows = session.execute(
            sa.select(Workload)
            .where(_of(whose), Workload.ended_at.is_(None), Workload.wanted != "stopped")
            .order_by(first, Workload.id)
            .with_for_update()
        ).scalars()
        found = list(rows)
        for row in found:
            self._engine.request_stop(session, row, DISABLED)
        return len(found)

    def running(self, db: Db, user_id: int) -> dict[str, int]:
        found = db.execute(
            sa.select(Workload.kind, sa.func.count())
            .where(Workload.owner_id == user_id, Workload.ended_at.is_(None))
            .group_by(Workload.kind)
        )
        return {row[0]: row[1] for row in found}
