"""Items: reading pages of them, changing them in the draft, deleting and restoring.

Changing goes by copy on first write: a row that a published revision sees is closed and copied, a
row that only the draft sees is changed in place. Callers hold the dataset's row shared.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.core import clock, paging
from himalia_hub.core.db import Db
from himalia_hub.core.errors import InvalidInput, NotFound
from himalia_hub.data.content import bulk
from himalia_hub.data.datasets import counts, rules, service
from himalia_hub.data.datasets.tables import OPEN, DatasetItem, ItemLabel
from himalia_hub.tenancy.tables import User

TRASH = timedelta(days=7)
TABLE: sa.Table = DatasetItem.__table__  # type: ignore[assignment]
_COLUMNS = [column.name for column in TABLE.columns]


# -- reading ---------------------------------------------------------------------------------------


def page(db: Db, dataset: Any, query: Any, *, revision: int | None = None) -> tuple[list[Any], str | None, int]:
    """Rows of one page, the next cursor, and how many there are in all (at most 10,001).

    The keys of the page are found first, from an index alone, and only its rows are read then: what a
    page costs does not depend on how many items there are.

    Args:
        revision: A published revision; None is the draft.
    """
    name, descending = query.sort.lstrip("-"), query.sort.startswith("-")
    by_name = name == "name"
    after = None
    if query.cursor:
        after, _ = paging.decode_cursor(query.cursor)
        if not isinstance(after, str if by_name else int):
            raise InvalidInput(
                "cursor: it belongs to another order of this list.",
                zh="cursor：该游标属于此列表的另一种排序。",
                field="cursor",
                rule="a next_cursor of this list",
                value=query.cursor,
            )
    states = _states(query)
    statements = [_keys(dataset, query, state, revision) for state in states]
    total = _known_total(db, dataset, query, states, revision)
    if total is None:
        total = sum(_count(db, statement.order_by(_position(query))) for statement in statements)
    found: list[Any] = []
    for statement in statements:
        column: Any = DatasetItem.name if by_name else _position(query)
        if after is not None:
            statement = statement.where(column < after if descending else column > after)
        ordered = statement.order_by(column.desc() if descending else column.asc())
        found += db.execute(ordered.limit(query.limit + 1))
    found.sort(key=lambda key: key.name.encode() if by_name else key.item, reverse=descending)
    rows = _rows(db, dataset.id, found[: query.limit])
    cursor = None
    if len(found) > query.limit:
        cursor = paging.encode_cursor(rows[-1].name if by_name else rows[-1].item, rows[-1].item)
    return rows, cursor, min(total, paging.COUNT_CAP + 1)


def _position(query: Any) -> Any:
    """The column to order by position: with a label that of the label's index, which leads to its items."""
    return DatasetItem.item if query.label is None else ItemLabel.item


def _states(query: Any) -> tuple[str | None, ...]:
    """The states to look for, one select each; None is any."""
    is_open = getattr(query, "open", None)
    if is_open is None:
        return (query.state,)
    wanted = [state for state in rules.ITEM_STATES if (state in rules.OPEN_STATES) is is_open]
    return tuple(state for state in wanted if query.state in (None, state))


def _keys(dataset: Any, query: Any, state: str | None, revision: int | None) -> sa.Select[Any]:
    """The keys of the items that match; every column is in the index that serves it."""
    columns: list[Any] = [DatasetItem.item, DatasetItem.valid_from]
    if query.sort.lstrip("-") == "name":
        columns.append(DatasetItem.name)
    statement = sa.select(*columns)
    statement = statement.where(service.live() if revision is None else service.at_revision(revision))
    if query.label is None:
        statement = statement.where(DatasetItem.dataset_id == dataset.id)
    if state is not None:
        # Beside a label the state is only tested: the label's own index is the shorter way.
        column = DatasetItem.state if query.label is None else DatasetItem.state + ""
        statement = statement.where(column == state)
    if query.label is not None:
        statement = statement.join(
            ItemLabel,
            sa.and_(
                ItemLabel.dataset_id == dataset.id,
                ItemLabel.label_id == query.label,
                DatasetItem.dataset_id == ItemLabel.dataset_id,
                DatasetItem.item == ItemLabel.item,
                DatasetItem.valid_from == ItemLabel.valid_from,
            ),
        )
    if getattr(query, "annotator", None) is not None:
        statement = statement.where(DatasetItem.annotated_by == query.annotator)
    if query.q:
        pattern = query.q.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        match = DatasetItem.name.ilike(f"%{pattern}%", escape="\\")
        number = int(query.q) if query.q.isascii() and query.q.isdigit() and len(query.q) < 16 else None
        statement = statement.where(match if number is None else sa.or_(match, DatasetItem.item == number))
    return statement


def _known_total(db: Db, dataset: Any, query: Any, states: tuple[str | None, ...], revision: int | None) -> int | None:
    """The total where the draft's counts know it."""
    if revision is not None or query.q or getattr(query, "annotator", None) is not None:
        return None
    if query.label is not None and states != (None,):
        return None
    numbers = counts.of(db, [dataset.id])[dataset.id]
    if query.label is not None:
        return numbers.get(f"label:{query.label}", 0)
    return sum(numbers.get("items" if state is None else f"state:{state}", 0) for state in states)


def _count(db: Db, keys: sa.Select[Any]) -> int:
    limited = keys.limit(paging.COUNT_CAP + 1).subquery()
    return int(db.execute(sa.select(sa.func.count()).select_from(limited)).scalar_one())


def _rows(db: Db, dataset_id: int, keys: Sequence[Any]) -> list[Any]:
    """The rows of some keys, in the keys' order."""
    if not keys:
        return []
    wanted = [(key.item, key.valid_from) for key in keys]
    rows = db.execute(
        sa.select(TABLE).where(
            DatasetItem.dataset_id == dataset_id,
            DatasetItem.item.in_([item for item, _ in wanted]),
            sa.or_(*[DatasetItem.valid_from == revision for revision in {revision for _, revision in wanted}]),
        )
    )
    by_key = {(row.item, row.valid_from): row for row in rows}
    return [by_key[key] for key in wanted]


def get(db: Db, dataset_id: int, item: int) -> Any:
    """The draft's row of an item, or not found."""
    row = db.execute(
        sa.select(TABLE).where(DatasetItem.dataset_id == dataset_id, DatasetItem.item == item, service.live())
    ).first()
    if row is None:
        raise NotFound()
    return row


def any_row(db: Db, dataset_id: int, item: int) -> Any:
    """The newest row of an item, published, live or in the trash: an item's picture never changes."""
    row = db.execute(
        sa.select(TABLE)
        .where(DatasetItem.dataset_id == dataset_id, DatasetItem.item == item)
        .order_by(DatasetItem.valid_from.desc())
        .limit(1)
    ).first()
    if row is None:
        raise NotFound()
    return row


class Renderer:
    """Turns rows into wire shapes with the names of labels and people, each looked up once."""

    def __init__(self, db: Db, dataset: Any, labels: Sequence[Mapping[str, Any]]) -> None:
        self._db = db
        self._dataset = dataset
        self._labels = {label["id"]: label for label in labels}
        self._people: dict[int, str] = {}

    def prepare(self, documents: Iterable[Sequence[Mapping[str, Any]]]) -> None:
        """Look up everybody who labelled something in these documents."""
        numbers = {entry["by"] for document in documents for entry in document if entry.get("by")}
        missing = numbers - self._people.keys()
        if missing:
            rows = self._db.execute(
                sa.select(User.number, User.display_name).where(
                    User.tenant_id == self._dataset.tenant_id, User.number.in_(missing)
                )
            )
            self._people.update({row.number: row.display_name for row in rows})

    def labels(self, document: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        shown = []
        for entry in document:
            label = self._labels.get(entry["label_id"], {"name": f"#{entry['label_id']}", "colour": "#808080"})
            shown.append(
                {
                    "label_id": entry["label_id"],
                    "name": label["name"],
                    "colour": label["colour"],
                    "origin": entry["origin"],
                    "by": self._people.get(entry["by"]) if entry.get("by") else None,
                    "score": entry.get("score"),
                }
            )
        return shown

    def item(self, row: Any, split: str | None = None) -> dict[str, Any]:
        return {
            "id": row.item,
            "name": row.name,
            "position": row.item,
            "width": row.width,
            "height": row.height,
            "bytes": row.bytes,
            "sha256": row.digest,
            "media_type": row.media_type,
            "state": row.state,
            "labels": self.labels(row.labels),
            "thumbnail": service.thumbnail_path(self._dataset.number, row.item, row.digest),
            "split": split,
            "version": row.item_version,
        }

    def items(self, rows: Sequence[Any], splits: bytes | None = None) -> list[dict[str, Any]]:
        self.prepare(row.labels for row in rows)
        return [self.item(row, split_of(splits, row.item)) for row in rows]


def split_of(splits: bytes | None, item: int) -> str | None:
    """The split of an item in a version's split blob."""
    code = splits[item] if splits is not None and item < len(splits) else 0
    return rules.SPLITS[code - 1] if code else None


# -- changing --------------------------------------------------------------------------------------


def lock(session: Session, dataset_id: int, numbers: Collection[int]) -> dict[int, Any]:
    """The draft's rows of these items, locked, by number."""
    rows = session.execute(
        sa.select(TABLE)
        .where(DatasetItem.dataset_id == dataset_id, DatasetItem.item.in_(numbers), service.live())
        .order_by(DatasetItem.item)
        .with_for_update()
    )
    return {row.item: row for row in rows}


def write(
    session: Session, dataset: Any, row: Any, *, state: str, labels: list[dict[str, Any]], by: int | None
) -> Counter[str]:
    """Give an item another document in the draft; answers how the counts change."""
    changes = _count_changes(row, state, labels)
    values = {
        "state": state,
        "labels": labels,
        "labels_key": rules.labels_key(entry["label_id"] for entry in labels),
        "annotated_by": by,
        "item_version": row.item_version + 1,
    }
    draft = dataset.draft_revision
    here = sa.and_(
        DatasetItem.dataset_id == dataset.id,
        DatasetItem.item == row.item,
        DatasetItem.valid_from == row.valid_from,
    )
    if row.valid_from == draft:
        session.execute(sa.update(TABLE).where(here).values(**values))
        session.execute(
            sa.delete(ItemLabel).where(
                ItemLabel.dataset_id == dataset.id,
                ItemLabel.item == row.item,
                ItemLabel.valid_from == draft,
                ItemLabel.label_id.in_([entry["label_id"] for entry in row.labels]),
            )
        )
    else:
        session.execute(sa.update(TABLE).where(here).values(valid_to=draft))
        copied = {name: getattr(row, name) for name in _COLUMNS}
        session.execute(sa.insert(TABLE).values({**copied, **values, "valid_from": draft}))
    insert_labels(session, dataset.id, [(row.item, draft, labels)])
    return changes


def insert_labels(
    session: Session, dataset_id: int, documents: Iterable[tuple[int, int, list[dict[str, Any]]]]
) -> None:
    """Index the labels of new rows: (item, valid_from, document)."""
    rows = [
        (dataset_id, label_id, item, valid_from)
        for item, valid_from, document in documents
        for label_id in {entry["label_id"] for entry in document}
    ]
    bulk.insert(session, ItemLabel.__table__, ("dataset_id", "label_id", "item", "valid_from"), rows)


def insert_new(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert new rows, every column given, with their labels."""
    before, after = _COLUMNS[: _COLUMNS.index("labels")], _COLUMNS[_COLUMNS.index("labels") + 1 :]
    values = [
        (
            *[row[name] for name in before],
            json.dumps(row["labels"]) if row["labels"] else "[]",
            *[row[name] for name in after],
        )
        for row in rows
    ]
    bulk.insert(session, TABLE, tuple(_COLUMNS), values)
    for dataset_id in {row["dataset_id"] for row in rows}:
        mine = [(row["item"], row["valid_from"], row["labels"]) for row in rows if row["dataset_id"] == dataset_id]
        insert_labels(session, dataset_id, mine)


def _count_changes(row: Any, state: str, labels: list[dict[str, Any]]) -> Counter[str]:
    changes: Counter[str] = Counter()
    changes[f"state:{row.state}"] -= 1
    changes[f"state:{state}"] += 1
    for entry in row.labels:
        changes[f"label:{entry['label_id']}"] -= 1
    for entry in labels:
        changes[f"label:{entry['label_id']}"] += 1
    return changes


def counts_of(rows: Iterable[Any], sign: int = 1) -> Counter[str]:
    """What rows add to the counts of a draft (or take, with ``sign`` -1)."""
    changes: Counter[str] = Counter()
    for row in rows:
        changes["items"] += sign
        changes["bytes"] += sign * row.bytes
        changes[f"state:{row.state}"] += sign
        changes[f"size:{rules.size_bucket(row.width, row.height)}"] += sign
        for entry in row.labels:
            changes[f"label:{entry['label_id']}"] += sign
    return changes


def delete(session: Session, dataset: Any, numbers: Sequence[int]) -> list[int]:
    """Take items out of the draft; published versions keep them, and they can come back for 7 days."""
    rows = lock(session, dataset.id, numbers)
    draft = dataset.draft_revision
    if rows:
        session.execute(
            sa.update(TABLE)
            .where(DatasetItem.dataset_id == dataset.id, DatasetItem.item.in_(list(rows)), service.live())
            .values(valid_to=draft, trashed_at=clock.now())
        )
        counts.add(session, dataset.id, counts_of(rows.values(), -1))
    return sorted(rows)


def restore(session: Session, dataset: Any, numbers: Sequence[int]) -> list[int]:
    """Bring deleted items back with the labels they had; those gone for over 7 days stay gone."""
    newest = (
        sa.select(DatasetItem.item, sa.func.max(DatasetItem.valid_from).label("valid_from"))
        .where(DatasetItem.dataset_id == dataset.id, DatasetItem.item.in_(numbers))
        .group_by(DatasetItem.item)
        .subquery()
    )
    rows = session.execute(
        sa.select(TABLE)
        .join(newest, sa.and_(newest.c.item == DatasetItem.item, newest.c.valid_from == DatasetItem.valid_from))
        .where(
            DatasetItem.dataset_id == dataset.id,
            DatasetItem.valid_to != OPEN,
            DatasetItem.trashed_at >= clock.now() - TRASH,
        )
    ).all()
    taken = live_names(session, dataset.id, [row.name for row in rows])
    draft, back = dataset.draft_revision, []
    for row in rows:
        name = row.name
        while name in taken:
            name = numbered(name, taken)
        taken.add(name)
        if row.valid_to == draft and row.name == name:
            session.execute(
                sa.update(TABLE)
                .where(
                    DatasetItem.dataset_id == dataset.id,
                    DatasetItem.item == row.item,
                    DatasetItem.valid_from == row.valid_from,
                )
                .values(valid_to=OPEN, trashed_at=None)
            )
        else:
            values = {column: getattr(row, column) for column in _COLUMNS}
            if row.valid_from == draft:  # an own row of this draft: the copy replaces it
                session.execute(
                    sa.delete(TABLE).where(
                        DatasetItem.dataset_id == dataset.id,
                        DatasetItem.item == row.item,
                        DatasetItem.valid_from == draft,
                    )
                )
            values.update(valid_from=draft, valid_to=OPEN, trashed_at=None, name=name)
            session.execute(sa.insert(TABLE).values(values))
            if row.valid_from != draft:
                insert_labels(session, dataset.id, [(row.item, draft, row.labels)])
        back.append(row)
    counts.add(session, dataset.id, counts_of(back))
    return sorted(row.item for row in back)


def live_names(session: Session, dataset_id: int, wanted: Sequence[str]) -> set[str]:
    """Which of the names the draft already has."""
    taken: set[str] = set()
    for start in range(0, len(wanted), 1000):
        taken.update(
            session.execute(
                sa.select(DatasetItem.name).where(
                    DatasetItem.dataset_id == dataset_id,
                    DatasetItem.name.in_(wanted[start : start + 1000]),
                    service.live(),
                )
            ).scalars()
        )
    return taken


def numbered(name: str, taken: Collection[str]) -> str:
    """``a/b.png`` to ``a/b (2).png``, or the next number that is free."""
    folder, slash, last = name.rpartition("/")
    stem, dot, ending = last.rpartition(".")
    if not dot or not stem:
        stem, ending = last, ""
    number = 2
    while (candidate := f"{folder}{slash}{stem} ({number}){'.' + ending if ending else ''}") in taken:
        number += 1
    return candidate
