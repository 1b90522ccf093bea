"""Metrics of runs: written in batches by the run itself, read thinned for plots."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.core import clock
from himalia_hub.core.db import Db
from himalia_hub.core.errors import InvalidInput
from himalia_hub.training.tables import RunPoint, RunSeries

MAX_SERIES = 1000
Point = tuple[str, int, float, datetime]
"""Name, step, value, moment."""


def insert_or_replace(session: Session, table: Any, rows: list[dict[str, Any]], key: Sequence[str]) -> None:
    """Insert rows; where the key exists, replace the other columns. Keys within ``rows`` are unique."""
    if not rows:
        return
    if session.get_bind().dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as insert_pg

        statement: Any = insert_pg(table)
    else:
        from sqlalchemy.dialects.sqlite import insert as insert_lite

        statement = insert_lite(table)
    others = {name: statement.excluded[name] for name in rows[0] if name not in key}
    session.execute(statement.on_conflict_do_update(index_elements=list(key), set_=others), rows)


def add(session: Session, run_id: int, points: Sequence[Point]) -> None:
    """Keep points; the same name and step again replaces the value.

    Raises:
        InvalidInput: A value that is no finite number, or too many different names.
    """
    newest: dict[str, dict[int, tuple[float, datetime]]] = {}
    for position, (name, step, value, at) in enumerate(points):
        if not math.isfinite(value):
            raise InvalidInput(
                f"points[{position}].value: a finite number.",
                zh=f"points[{position}].value：应为有限数值。",
                field=f"points[{position}].value",
                rule="a finite number",
                value=str(value),
            )
        newest.setdefault(name, {})[step] = (value, at)
    series = _series(session, run_id, newest)
    rows = [
        {"series_id": series[name].id, "step": step, "value": value, "at": at}
        for name, steps in newest.items()
        for step, (value, at) in steps.items()
    ]
    insert_or_replace(session, RunPoint.__table__, rows, ("series_id", "step"))


def _series(
    session: Session, run_id: int, newest: dict[str, dict[int, tuple[float, datetime]]]
) -> dict[str, RunSeries]:
    known = {row.name: row for row in session.execute(sa.select(RunSeries).where(RunSeries.run_id == run_id)).scalars()}
    if len(known.keys() | newest.keys()) > MAX_SERIES:
        raise InvalidInput(
            f"points: at most {MAX_SERIES} different names in a run.",
            zh=f"points：一次运行最多 {MAX_SERIES} 个指标名称。",
            field="points",
            rule=f"at most {MAX_SERIES} names",
            value=len(known.keys() | newest.keys()),
        )
    for name, steps in newest.items():
        last = max(steps)
        row = known.get(name)
        if row is None:
            row = known[name] = RunSeries(run_id=run_id, name=name, last_step=last, last_value=steps[last][0])
            session.add(row)
        elif last >= row.last_step:
            row.last_step, row.last_value = last, steps[last][0]
    session.flush()
    return known


def last_values(db: Db, run_ids: Sequence[int]) -> dict[int, dict[str, float]]:
    """The newest value of every metric of every run."""
    found: dict[int, dict[str, float]] = {run_id: {} for run_id in run_ids}
    rows = db.execute(
        sa.select(RunSeries.run_id, RunSeries.name, RunSeries.last_value)
        .where(RunSeries.run_id.in_(list(run_ids)))
        .order_by(RunSeries.name)
    )
    for row in rows:
        found[row.run_id][row.name] = row.last_value
    return found


def read(
    db: Db, run_id: int, *, names: Sequence[str] = (), since_step: int | None = None, max_points: int = 2000
) -> list[dict[str, Any]]:
    """``[{"name", "points": [[step, value, at]]}]``; longer series keep each bucket's extremes."""
    statement = sa.select(RunSeries.id, RunSeries.name).where(RunSeries.run_id == run_id).order_by(RunSeries.name)
    if names:
        statement = statement.where(RunSeries.name.in_(list(names)))
    return [
        {"name": row.name, "points": _points(db, row.id, since_step, max_points)} for row in db.execute(statement).all()
    ]


def _points(db: Db, series_id: int, since_step: int | None, max_points: int) -> list[list[Any]]:
    where = [RunPoint.series_id == series_id]
    if since_step is not None:
        where.append(RunPoint.step > since_step)
    count, first, last = db.execute(
        sa.select(sa.func.count(), sa.func.min(RunPoint.step), sa.func.max(RunPoint.step)).where(*where)
    ).one()
    columns = (RunPoint.step, RunPoint.value, RunPoint.at)
    if count <= max_points:
        rows = db.execute(sa.select(*columns).where(*where).order_by(RunPoint.step)).all()
    else:
        # The smallest and the largest of each bucket, where they are: a spike is never thinned away.
        width = max(1, math.ceil((last - first + 1) / max(1, (max_points - 2) // 2)))
        bucket = (RunPoint.step - first) // width
        low = sa.func.row_number().over(partition_by=bucket, order_by=(RunPoint.value.asc(), RunPoint.step))
        high = sa.func.row_number().over(partition_by=bucket, order_by=(RunPoint.value.desc(), RunPoint.step))
        ranked = sa.select(*columns, low.label("low"), high.label("high")).where(*where).subquery()
        ends = sa.or_(ranked.c.low == 1, ranked.c.high == 1, ranked.c.step.in_([first, last]))
        rows = db.execute(
            sa.select(ranked.c.step, ranked.c.value, ranked.c.at).where(ends).order_by(ranked.c.step)
        ).all()
    return [[row.step, row.value, clock.to_wire(row.at)] for row in rows]
