"""Taking operations: each once, in order, into the log and into the draft."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.auth.actor import Actor
from himalia_hub.core import clock, paging
from himalia_hub.core.db import Db
from himalia_hub.core.errors import InvalidInput
from himalia_hub.data.datasets import counts, items, service
from himalia_hub.data.datasets.tables import Dataset, DatasetItem
from himalia_hub.data.label_groups.tables import LabelGroup
from himalia_hub.data.labelling import rules
from himalia_hub.data.labelling.schemas import Operation
from himalia_hub.data.labelling.tables import LabelOperation
from himalia_hub.tenancy.tables import User

PERMISSION = "data.dataset.annotate"


def apply(session: Session, actor: Actor, number: int, client: str, operations: Sequence[Operation]) -> dict[str, Any]:
    """Append and fold operations of one client; what was taken before answers as it did then."""
    dataset = service.find_shared(session, actor, PERMISSION, number)
    _check(operations)
    group = session.execute(
        sa.select(LabelGroup.labels, LabelGroup.retired).where(LabelGroup.id == dataset.label_group_id)
    ).one()
    earlier = _earlier(session, dataset, actor, client, [operation.seq for operation in operations])
    fresh = [operation for operation in operations if operation.seq not in earlier]
    taking = _Taking(session, actor, dataset, client, {label["id"] for label in group.labels})
    taking.run(fresh)
    renderer = items.Renderer(session, dataset, [*group.retired, *group.labels])
    answers = {**earlier, **taking.answers}
    renderer.prepare(answer["labels"] for answer in answers.values())
    results = [
        {**answers[operation.seq], "labels": renderer.labels(answers[operation.seq]["labels"])}
        for operation in operations
    ]
    return {"accepted_seq": max(operation.seq for operation in operations), "results": results}


def _check(operations: Sequence[Operation]) -> None:
    last = 0
    for index, operation in enumerate(operations):
        field = f"operations[{index}]"
        if operation.seq <= last:
            raise InvalidInput(
                f"{field}.seq: ascending, and {operation.seq} follows {last}.",
                zh=f"{field}.seq：应递增，而 {operation.seq} 在 {last} 之后。",
                field=f"{field}.seq",
                rule="ascending",
                value=operation.seq,
            )
        last = operation.seq
        if operation.op == "set_labels" and operation.labels is None:
            raise InvalidInput(
                f"{field}.labels: set_labels says which.",
                zh=f"{field}.labels：set_labels 需要给出标签。",
                field=f"{field}.labels",
                rule="required with set_labels",
            )


def _earlier(session: Session, dataset: Any, actor: Actor, client: str, seqs: list[int]) -> dict[int, dict[str, Any]]:
    rows = session.execute(
        sa.select(LabelOperation.__table__).where(
            LabelOperation.dataset_id == dataset.id,
            LabelOperation.user_id == actor.user_id,
            LabelOperation.client == client,
            LabelOperation.seq.in_(seqs),
        )
    )  # fmt: skip
    return {
        row.seq: {"seq": row.seq, "item": row.item, "outcome": row.outcome, "reason": row.reason, **row.result}
        for row in rows
    }


class _Taking:
    """One call's new operations; items are read once and written once, however often they change."""

    def __init__(self, session: Session, actor: Actor, dataset: Any, client: str, known: set[int]) -> None:
        self._session, self._actor, self._dataset, self._client = session, actor, dataset, client
        self._known = known
        self.answers: dict[int, dict[str, Any]] = {}

    def run(self, operations: Sequence[Operation]) -> None:
        if not operations:
            return
        numbers = sorted({operation.item for operation in operations})
        rows = items.lock(self._session, self._dataset.id, numbers)
        documents = {number: (row.state, list(row.labels)) for number, row in rows.items()}
        touched: dict[int, bool] = {}
        log = []
        for operation in operations:
            folded = self._fold(operation, documents)
            if folded.outcome == "applied" and documents[operation.item] != (folded.state, folded.labels):
                documents[operation.item] = (folded.state, folded.labels)
                touched[operation.item] = True
            row = rows.get(operation.item)
            version = row.item_version + (1 if touched.get(operation.item) else 0) if row is not None else 0
            result = {"state": folded.state, "labels": folded.labels, "item_version": version}
            self.answers[operation.seq] = {
                "seq": operation.seq,
                "item": operation.item,
                "outcome": folded.outcome,
                "reason": folded.reason,
                **result,
            }
            log.append(self._entry(operation, folded, result))
        self._session.execute(sa.insert(LabelOperation), log)
        self._write(rows, documents, touched)

    def _fold(self, operation: Operation, documents: dict[int, tuple[str, Any]]) -> rules.Folded:
        if operation.item not in documents:
            return self._gone(operation.item)
        state, labels = documents[operation.item]
        return rules.fold(
            operation.op,
            state,
            labels,
            wanted=operation.labels,
            base=operation.base,
            known=self._known,
            multi_label=self._dataset.multi_label,
            by=self._actor.user_number,
        )

    def _gone(self, item: int) -> rules.Folded:
        """A colleague deleted the item: the work is kept in the log; an unknown number is refused."""
        existed = self._session.execute(
            sa.select(DatasetItem.item)
            .where(DatasetItem.dataset_id == self._dataset.id, DatasetItem.item == item)
            .limit(1)
        ).first()
        return rules.Folded("parked" if existed else "refused", "none", [], "item_deleted")

    def _entry(self, operation: Operation, folded: rules.Folded, result: dict[str, Any]) -> dict[str, Any]:
        now = clock.now()
        at = operation.at if operation.at.tzinfo is not None else operation.at.replace(tzinfo=UTC)
        return {
            "dataset_id": self._dataset.id,
            "item": operation.item,
            "user_id": self._actor.user_id,
            "client": self._client,
            "seq": operation.seq,
            "op": operation.op,
            "labels": operation.labels,
            "base": operation.base,
            # A browser's clock may be wrong; nobody labelled in the future.
            "at": min(max(at, now - timedelta(days=3650)), now),
            "received_at": now,
            "outcome": folded.outcome,
            "reason": folded.reason,
            "result": result,
        }

    def _write(self, rows: dict[int, Any], documents: dict[int, tuple[str, Any]], touched: dict[int, bool]) -> None:
        changes: Counter[str] = Counter()
        for number in sorted(touched):
            state, labels = documents[number]
            by = self._actor.user_number
            row = rows[number]
            for key, n in items.write(self._session, self._dataset, row, state=state, labels=labels, by=by).items():
                changes[key] += n
        if touched:
            counts.add(self._session, self._dataset.id, changes)
            service.announce(self._session, self._dataset)


def history(db: Db, dataset: Any, item: int, query: Any) -> dict[str, Any]:
    """What was done to an item, newest first."""
    group = db.execute(
        sa.select(LabelGroup.labels, LabelGroup.retired)
        .join(Dataset, Dataset.label_group_id == LabelGroup.id)
        .where(Dataset.id == dataset.id)
    ).one()
    statement = (
        sa.select(LabelOperation.__table__, User.display_name)
        .join(User, User.id == LabelOperation.user_id)
        .where(LabelOperation.dataset_id == dataset.id, LabelOperation.item == item)
    )
    if query.cursor:
        statement = statement.where(LabelOperation.id < paging.decode_cursor(query.cursor)[1])
    rows = db.execute(statement.order_by(LabelOperation.id.desc()).limit(query.limit + 1)).all()
    more = len(rows) > query.limit
    rows = rows[: query.limit]
    renderer = items.Renderer(db, dataset, [*group.retired, *group.labels])
    renderer.prepare(row.result["labels"] for row in rows)
    return {
        "items": [
            {
                "op": row.op,
                "outcome": row.outcome,
                "reason": row.reason,
                "state": row.result["state"],
                "labels": renderer.labels(row.result["labels"]),
                "asked": row.labels,
                "by": row.display_name,
                "at": clock.to_wire(row.at),
                "received_at": clock.to_wire(row.received_at),
            }
            for row in rows
        ],
        "next_cursor": paging.encode_cursor(None, rows[-1].id) if more else None,
    }
