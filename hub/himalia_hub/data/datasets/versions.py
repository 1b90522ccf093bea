"""Versions: publishing in constant time, reading, comparing, and what training is given."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.auth.actor import Actor
from himalia_hub.core import clock, names, objects, paging, tasks
from himalia_hub.core.db import Db
from himalia_hub.core.dependants import Dependants
from himalia_hub.core.errors import Conflict, InvalidInput, NotFound
from himalia_hub.core.sharing import Access
from himalia_hub.data.datasets import rules, service
from himalia_hub.data.datasets.items import Renderer
from himalia_hub.data.datasets.tables import OPEN, Dataset, DatasetItem, DatasetVersion
from himalia_hub.data.label_groups.tables import LabelGroup
from himalia_hub.tenancy.tables import User

FILL_TASK = "fill_version"


def publish(
    session: Session,
    actor: Actor,
    number: int,
    *,
    description: str = "",
    shares: Mapping[str, float] | None = None,
    seed: int = 0,
) -> DatasetVersion:
    """Freeze the draft as the next version and open another draft, whatever the number of items."""
    description = names.check_text(description, service.LONGEST_DESCRIPTION)
    recipe = {"shares": rules.check_shares(shares or rules.DEFAULT_SHARES), "seed": seed}
    dataset = objects.find(session, Dataset, actor, "data.dataset.publish", number, lock=True)
    state, numbers = service.state(session, dataset)
    rules.check_publishable(state, numbers)
    group = session.execute(
        sa.select(LabelGroup.number, LabelGroup.name, LabelGroup.labels).where(LabelGroup.id == dataset.label_group_id)
    ).one()
    dataset.last_version += 1
    version = DatasetVersion(
        tenant_id=dataset.tenant_id,
        dataset_id=dataset.id,
        number=dataset.last_version,
        revision=dataset.draft_revision,
        description=description,
        author_id=actor.user_id,
        created_at=clock.now(),
        counts=dict(numbers),
        label_group={"id": group.number, "name": group.name, "labels": group.labels},
        recipe=recipe,
    )
    session.add(version)
    dataset.draft_revision += 1
    dataset.current_version = version.number
    session.flush()
    objects.touch(session, "dataset", dataset)
    tasks.create(
        session,
        actor,
        FILL_TASK,
        object_kind="dataset",
        object_number=dataset.number,
        object_name=f"{dataset.name} {rules.version_name(version.number)}",
        payload={"version_id": version.id},
        total=numbers.get("items", 0),
    )
    return version


def _listing() -> sa.Select[Any]:
    return (
        sa.select(
            DatasetVersion.__table__,
            Dataset.number.label("dataset_number"),
            Dataset.name.label("dataset_name"),
            Dataset.current_version,
            User.number.label("author_number"),
            User.display_name.label("author_name"),
        )
        .join(Dataset, Dataset.id == DatasetVersion.dataset_id)
        .join(User, User.id == DatasetVersion.author_id)
        .where(DatasetVersion.deleted_at.is_(None))
    )


def find(db: Db, dataset: Any, name: str) -> Any:
    """The version's row by ``V0001`` (or ``1``), or not found."""
    number = rules.parse_version(name)
    row = None
    if number is not None:
        row = db.execute(
            _listing().where(DatasetVersion.dataset_id == dataset.id, DatasetVersion.number == number)
        ).first()
    if row is None:
        raise NotFound()
    return row


def page(db: Db, dataset: Any, query: Any) -> dict[str, Any]:
    """The versions, newest first."""
    statement = _listing().where(DatasetVersion.dataset_id == dataset.id)
    total = db.execute(
        sa.select(sa.func.count())
        .select_from(DatasetVersion)
        .where(DatasetVersion.dataset_id == dataset.id, DatasetVersion.deleted_at.is_(None))
    ).scalar_one()
    if query.cursor:
        _, last = paging.decode_cursor(query.cursor)
        statement = statement.where(DatasetVersion.number < last)
    rows = db.execute(statement.order_by(DatasetVersion.number.desc()).limit(query.limit + 1)).all()
    more = len(rows) > query.limit
    rows = rows[: query.limit]
    return {
        "items": [render(row) for row in rows],
        "next_cursor": paging.encode_cursor(None, rows[-1].number) if more else None,
        "total": total,
        "total_capped": False,
    }


def render(row: Any) -> dict[str, Any]:
    """A version as the API shows it."""
    splits = row.split_counts or {}
    return {
        "id": row.number,
        "version": rules.version_name(row.number),
        "number": row.number,
        "dataset": {"id": row.dataset_number, "name": row.dataset_name},
        "current": row.current_version == row.number,
        "items": row.counts.get("items", 0),
        "by_label": service.label_counts(row.label_group["labels"], row.counts),
        "by_state": service.state_counts(row.counts),
        "unconfirmed": row.counts.get("state:automatic", 0),
        "label_group": row.label_group,
        "splits": {
            **{name: splits.get(name) for name in rules.SPLITS},
            "state": "ready" if row.filled else "pending",
            "shares": row.recipe["shares"],
            "seed": row.recipe["seed"],
        },
        "digest": row.digest,
        "bytes": row.counts.get("bytes", 0),
        "description": row.description,
        "author": {"id": row.author_number, "name": row.author_name},
        "created_at": clock.to_wire(row.created_at),
    }


def describe(session: Session, dataset: Dataset, name: str, description: str) -> None:
    found = find(session, dataset, name)
    text = names.check_text(description, service.LONGEST_DESCRIPTION)
    session.execute(sa.update(DatasetVersion).where(DatasetVersion.id == found.id).values(description=text))
    objects.touch(session, "dataset", dataset)


def set_current(session: Session, dataset: Dataset, name: str) -> None:
    dataset.current_version = find(session, dataset, name).number
    objects.touch(session, "dataset", dataset)


def delete(session: Session, dataset: Dataset, name: str, dependants: Dependants) -> None:
    """Remove a version that nothing uses; its number is never given again."""
    found = find(session, dataset, name)
    label = f"{dataset.name} {rules.version_name(found.number)}"
    dependants.refuse_if_any(session, "dataset_version", found.id, name=label)
    session.execute(sa.update(DatasetVersion).where(DatasetVersion.id == found.id).values(deleted_at=clock.now()))
    if dataset.current_version == found.number:
        dataset.current_version = session.execute(
            sa.select(sa.func.max(DatasetVersion.number)).where(
                DatasetVersion.dataset_id == dataset.id, DatasetVersion.deleted_at.is_(None)
            )
        ).scalar()
    objects.touch(session, "dataset", dataset)


# -- for workloads ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WorkloadVersion:
    """What a workload is given of a published version."""

    manifest: str
    """Digest for ``FolderMount.manifest``."""
    name: str
    version: str
    dataset_number: int
    dataset_id: int
    version_id: int
    digest: str
    label_authors: tuple[str, ...]


def version_for_workload(db: Db, actor: Actor, dataset_number: int, version: str) -> WorkloadVersion:
    """The folder of a version that the actor may read.

    Raises:
        NotFound: Out of reach, or no such version.
        Conflict: ``version_not_ready``: its folder is still being written, ask again in a moment.
    """
    dataset = service.find(db, actor, service.READ, dataset_number, access=Access.USE)
    row = find(db, dataset, version)
    if not row.filled:
        raise Conflict(
            f"{dataset.name} {rules.version_name(row.number)} is still being prepared.",
            zh=f"{dataset.name} {rules.version_name(row.number)} 仍在准备中。",
            field="dataset.version",
            rule="its splits and folder are ready",
            value=rules.version_name(row.number),
            hint="It takes moments after publishing; try again.",
            hint_zh="发布后片刻即可就绪，请重试。",
            code="version_not_ready",
        )
    return WorkloadVersion(
        manifest=row.manifest,
        name=dataset.name,
        version=rules.version_name(row.number),
        dataset_number=dataset.number,
        dataset_id=dataset.id,
        version_id=row.id,
        digest=row.digest,
        label_authors=tuple(row.recipe.get("label_authors", ())),
    )


# -- comparing -------------------------------------------------------------------------------------


def revision_of(db: Db, dataset: Any, name: str, field: str) -> tuple[int, list[Any]]:
    """The revision of a version or of ``draft``, with the labels in force there."""
    if name == "draft":
        labels = db.execute(sa.select(LabelGroup.labels).where(LabelGroup.id == dataset.label_group_id)).scalar_one()
        return dataset.draft_revision, labels
    if rules.parse_version(name) is None:
        raise InvalidInput(
            f"{field}: {name!r} is neither a version such as V0001 nor draft.",
            zh=f"{field}：{name!r} 既不是 V0001 形式的版本，也不是 draft。",
            field=field,
            rule="V0001 or draft",
            value=name,
        )
    row = find(db, dataset, name)
    return row.revision, row.label_group["labels"]


def _differences(dataset_id: int, older: int, newer: int) -> Any:
    """One select: an item a row, with its documents (JSON texts) before and after.

    Both sides come from short indexes of what was closed and opened between the revisions, so that
    the cost follows what changed and not what there is.
    """
    gone = sa.and_(
        DatasetItem.dataset_id == dataset_id,
        DatasetItem.valid_to < sa.literal_column(str(OPEN)),
        DatasetItem.valid_to > older,
        DatasetItem.valid_to <= newer,
        # Computed, so that the planner takes the index of closed rows, not the one of opened ones.
        DatasetItem.valid_from + 0 <= older,
    )
    come = sa.and_(
        DatasetItem.dataset_id == dataset_id,
        DatasetItem.valid_from > older,
        DatasetItem.valid_from <= newer,
        DatasetItem.valid_to + 0 > newer,
    )
    sides = sa.union_all(
        *[
            sa.select(
                DatasetItem.item,
                DatasetItem.name,
                DatasetItem.digest,
                sa.cast(DatasetItem.labels, sa.Text).label("labels"),
                DatasetItem.labels_key,
                sa.literal_column(str(side)).label("side"),
            ).where(condition)
            for side, condition in enumerate((gone, come))
        ]
    ).subquery("sides")
    first, last = sa.func.min(sides.c.side), sa.func.max(sides.c.side)

    def of(side: int, column: Any) -> Any:
        return sa.func.max(sa.case((sides.c.side == side, column)))

    return (
        sa.select(
            sides.c.item,
            sa.func.coalesce(of(1, sides.c.name), of(0, sides.c.name)).label("name"),
            sa.func.max(sides.c.digest).label("digest"),
            of(0, sides.c.labels).label("before"),
            of(1, sides.c.labels).label("after"),
            sa.case((first == 1, "added"), (last == 0, "removed"), else_="relabelled").label("change"),
        )
        .group_by(sides.c.item)
        .having(sa.or_(first == last, of(0, sides.c.labels_key) != of(1, sides.c.labels_key)))
        .subquery("differences")
    )


def compare(db: Db, dataset: Any, query: Any) -> dict[str, Any]:
    """What was added, removed and relabelled between two versions, or a version and the draft."""
    first, first_labels = revision_of(db, dataset, query.from_, "from")
    second, second_labels = revision_of(db, dataset, query.to, "to")
    turned = first > second
    found = _differences(dataset.id, min(first, second), max(first, second))
    swap = {"added": "removed", "removed": "added"} if turned else {}
    totals = {"added": 0, "removed": 0, "relabelled": 0}
    for change, n in db.execute(sa.select(found.c.change, sa.func.count()).group_by(found.c.change)):
        totals[swap.get(change, change)] = n
    statement = sa.select(found)
    if query.change:
        statement = statement.where(found.c.change == swap.get(query.change, query.change))
    if query.cursor:
        statement = statement.where(found.c.item > paging.decode_cursor(query.cursor)[1])
    rows = db.execute(statement.order_by(found.c.item).limit(query.limit + 1)).all()
    more = len(rows) > query.limit
    rows = rows[: query.limit]
    documents = [(json.loads(row.before or "[]"), json.loads(row.after or "[]")) for row in rows]
    old, new = Renderer(db, dataset, first_labels), Renderer(db, dataset, second_labels)
    for renderer in (old, new):
        renderer.prepare(document for pair in documents for document in pair)
    shown = []
    for row, pair in zip(rows, documents, strict=True):
        before, after = reversed(pair) if turned else pair
        shown.append(
            {
                "item": row.item,
                "name": row.name,
                "change": swap.get(row.change, row.change),
                "before": old.labels(before),
                "after": new.labels(after),
                "thumbnail": service.thumbnail_path(dataset.number, row.item, row.digest),
            }
        )
    cursor = paging.encode_cursor(None, rows[-1].item) if more else None
    return {**totals, "items": shown, "next_cursor": cursor}
