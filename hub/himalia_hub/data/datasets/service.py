"""Datasets: finding, making, changing, deleting, and what they look like on the wire."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.auth.actor import Actor
from himalia_hub.core import clock, names, objects, tasks
from himalia_hub.core.db import Db
from himalia_hub.core.dependants import Dependants
from himalia_hub.core.errors import Conflict, InvalidInput, NotFound
from himalia_hub.core.sharing import Access
from himalia_hub.core.tables import TaskRow
from himalia_hub.data.datasets import counts, rules
from himalia_hub.data.datasets.tables import OPEN, Dataset, DatasetItem, DatasetVersion
from himalia_hub.data.label_groups.tables import LabelGroup
from himalia_hub.tenancy.tables import Department, User

LONGEST_NAME, LONGEST_DESCRIPTION = 50, 100
READ = "data.dataset.read"


def live() -> sa.ColumnElement[bool]:
    """The rows of the draft; a literal, so that partial indexes are used."""
    return DatasetItem.valid_to == sa.literal_column(str(OPEN))


def at_revision(revision: int) -> sa.ColumnElement[bool]:
    """The rows of a revision."""
    return sa.and_(DatasetItem.valid_from <= revision, DatasetItem.valid_to > revision)


def find(db: Db, actor: Actor, permission: str, number: int, *, access: Access | None = None) -> Any:
    """The dataset's row for reading, or not found."""
    seen = objects.visible(Dataset, actor, permission, access=access)
    row = db.execute(sa.select(Dataset.__table__).where(seen, Dataset.number == number)).first()
    if row is None:
        raise NotFound()
    return row


def find_shared(session: Session, actor: Actor, permission: str, number: int) -> Any:
    """The dataset's row, kept from being published until this unit of work ends.

    Writers of items share it; publishing takes it alone.
    """
    row = session.execute(
        sa.select(Dataset.__table__)
        .where(objects.visible(Dataset, actor, permission), Dataset.number == number)
        .with_for_update(read=True)
    ).first()
    if row is None:
        raise NotFound()
    return row


def announce(session: Session, dataset: Any) -> None:
    """Tell the event stream that items of the dataset changed; its own version stays."""
    objects.announce(
        session,
        "dataset",
        tenant_id=dataset.tenant_id,
        owner_id=dataset.owner_id,
        department_id=dataset.department_id,
        number=dataset.number,
        version=dataset.version,
    )


def running(db: Db, tenant_id: int, numbers: Collection[int]) -> dict[int, list[Any]]:
    """The active tasks of datasets, by the dataset's number."""
    found: dict[int, list[Any]] = {}
    rows = db.execute(
        sa.select(TaskRow.__table__).where(
            TaskRow.tenant_id == tenant_id,
            TaskRow.object_kind == "dataset",
            TaskRow.object_number.in_(numbers),
            TaskRow.state.in_(tasks.ACTIVE),
        )
    )
    for row in rows:
        found.setdefault(row.object_number, []).append(row)
    return found


def state(db: Db, dataset: Any) -> tuple[str, Mapping[str, int]]:
    """DAT-9's state of one dataset, and the counts it follows from."""
    numbers = counts.of(db, [dataset.id])[dataset.id]
    kinds = [row.kind for row in running(db, dataset.tenant_id, [dataset.number]).get(dataset.number, [])]
    return rules.state_of(numbers, kinds, import_failed=dataset.import_failed), numbers


def check_allowed(db: Db, dataset: Any, action: str) -> None:
    """Refuse what the present state does not allow, naming both."""
    present, _ = state(db, dataset)
    if present not in rules.ALLOWED[action]:
        raise Conflict(
            f"The dataset is {present.replace('_', ' ')}; it cannot be changed this way now.",
            zh=f"数据集当前状态为 {present}，无法执行此操作。",
            rule=f"state is one of {', '.join(sorted(rules.ALLOWED[action]))}",
            value=present,
            code="invalid_transition",
            action=action,
        )


# -- making and changing ---------------------------------------------------------------------------


def create(
    session: Session,
    actor: Actor,
    *,
    name: str,
    label_group_id: int,
    multi_label: bool = False,
    data_type: str = "image",
    annotation_type: str = "classification",
    scenario: str = "",
    description: str = "",
) -> Dataset:
    """A new empty dataset of the actor's, labelled by one of the groups the actor sees."""
    row = Dataset(
        **objects.new_owned(session, actor, "dataset"),
        name=names.check_name(name, LONGEST_NAME),
        data_type=data_type,
        annotation_type=annotation_type,
        multi_label=multi_label,
        label_group_id=_label_group(session, actor, label_group_id).id,
        scenario=names.check_text(scenario, 64, "scenario"),
        description=names.check_text(description, LONGEST_DESCRIPTION),
    )
    session.add(row)
    session.flush()
    objects.touch(session, "dataset", row, op="created")
    return row


def _label_group(session: Session, actor: Actor, number: int) -> LabelGroup:
    try:
        group = objects.find(session, LabelGroup, actor, "data.label_group.read", number, access=Access.USE)
    except NotFound:
        group = None
    if group is None or group.type != "vision":
        raise InvalidInput(
            f"label_group_id: you have no label group {number} for pictures.",
            zh=f"label_group_id：您没有编号为 {number} 的图像标签组。",
            field="label_group_id",
            rule="a label group of type vision that you see",
            value=number,
            hint="Create a label group first.",
            hint_zh="请先创建标签组。",
        )
    return group


def update(session: Session, actor: Actor, row: Dataset, changes: Mapping[str, Any]) -> None:
    """Change the given fields; the label group only while nothing carries one of its labels."""
    if changes.get("name") is not None:
        row.name = names.check_name(changes["name"], LONGEST_NAME)
    if changes.get("description") is not None:
        row.description = names.check_text(changes["description"], LONGEST_DESCRIPTION)
    if changes.get("scenario") is not None:
        row.scenario = names.check_text(changes["scenario"], 64, "scenario")
    if changes.get("pinned") is not None:
        row.pinned = changes["pinned"]
    if changes.get("label_group_id") is not None:
        group = _label_group(session, actor, changes["label_group_id"])
        labelled = sum(n for key, n in counts.of(session, [row.id])[row.id].items() if key.startswith("label:"))
        if group.id != row.label_group_id and labelled:
            raise Conflict(
                f"label_group_id: {labelled} labels of the present group are in use.",
                zh=f"label_group_id：当前标签组已有 {labelled} 个标注在使用。",
                field="label_group_id",
                rule="no item is labelled",
                value=changes["label_group_id"],
                hint="Clear the labels first.",
                hint_zh="请先清除标注。",
            )
        row.label_group_id = group.id
    objects.touch(session, "dataset", row)


def delete(session: Session, row: Dataset, dependants: Dependants) -> None:
    """Put the dataset in the trash; refused while a run, model or service needs a version of it."""
    dependants.refuse_if_any(session, "dataset", row.id, name=row.name)
    versions = session.execute(
        sa.select(DatasetVersion.id, DatasetVersion.number).where(
            DatasetVersion.dataset_id == row.id, DatasetVersion.deleted_at.is_(None)
        )
    ).all()
    for version in versions:
        label = f"{row.name} {rules.version_name(version.number)}"
        dependants.refuse_if_any(session, "dataset_version", version.id, name=label)
    busy = running(session, row.tenant_id, [row.number]).get(row.number, [])
    for task in busy:
        session.execute(sa.update(TaskRow).where(TaskRow.id == task.id).values(cancel_requested=True))
    row.deleted_at = clock.now()
    objects.touch(session, "dataset", row, op="deleted")


# -- on the wire -----------------------------------------------------------------------------------


def listing() -> sa.Select[Any]:
    """Datasets with what every list shows of them."""
    return (
        sa.select(
            Dataset.__table__,
            User.number.label("owner_number"),
            User.display_name.label("owner_name"),
            Department.number.label("department_number"),
            Department.name.label("department_name"),
            LabelGroup.number.label("group_number"),
            LabelGroup.name.label("group_name"),
            LabelGroup.labels.label("group_labels"),
        )
        .join(User, User.id == Dataset.owner_id)
        .outerjoin(Department, Department.id == Dataset.department_id)
        .join(LabelGroup, LabelGroup.id == Dataset.label_group_id)
    )


def one(db: Db, dataset_id: int) -> dict[str, Any]:
    """A dataset as the API shows it."""
    row = db.execute(listing().where(Dataset.id == dataset_id)).one()
    return render(db, [row])[0]


def render(db: Db, rows: Sequence[Any]) -> list[dict[str, Any]]:
    """Rows of :func:`listing` with their counts, states, covers and tasks: four reads however many."""
    ids = [row.id for row in rows]
    if not ids:
        return []
    numbers = counts.of(db, ids)
    busy = running(db, rows[0].tenant_id, [row.number for row in rows])
    covers = _covers(db, ids)
    return [_render(row, numbers[row.id], busy.get(row.number, []), covers.get(row.id)) for row in rows]


def _covers(db: Db, ids: Sequence[int]) -> dict[int, tuple[int, str]]:
    """The first item of each dataset."""
    covers: dict[int, tuple[int, str]] = {}
    for dataset_id in ids:
        row = db.execute(
            sa.select(DatasetItem.item, DatasetItem.digest)
            .where(DatasetItem.dataset_id == dataset_id, live())
            .order_by(DatasetItem.item)
            .limit(1)
        ).first()
        if row is not None:
            covers[dataset_id] = (row.item, row.digest)
    return covers


def thumbnail_path(dataset_number: int, item: int, digest: str) -> str:
    return f"/datasets/{dataset_number}/items/{item}/thumbnail?v={digest[:12]}"


def _render(row: Any, numbers: Mapping[str, int], busy: list[Any], cover: tuple[int, str] | None) -> dict[str, Any]:
    items = numbers.get("items", 0)
    done = numbers.get("state:confirmed", 0) + numbers.get("state:nothing_to_label", 0)
    shown = next((task for task in busy if task.kind in rules.RUNNING_TASKS), None)
    department = None
    if row.department_number is not None:
        department = {"id": row.department_number, "name": row.department_name}
    return {
        "id": row.number,
        "name": row.name,
        "owner": {"id": row.owner_number, "name": row.owner_name},
        "department": department,
        "data_type": row.data_type,
        "annotation_type": row.annotation_type,
        "multi_label": row.multi_label,
        "label_group": {"id": row.group_number, "name": row.group_name, "labels": row.group_labels},
        "scenario": row.scenario,
        "description": row.description,
        "state": rules.state_of(numbers, [task.kind for task in busy], import_failed=row.import_failed),
        "items": items,
        "confirmed": done,
        "open_items": rules.open_items(numbers),
        "progress": round(done / items, 4) if items else 0.0,
        "bytes": numbers.get("bytes", 0),
        "current_version": rules.version_name(row.current_version) if row.current_version else None,
        "latest_version": rules.version_name(row.last_version) if row.last_version else None,
        "pinned": row.pinned,
        "cover": thumbnail_path(row.number, *cover) if cover else None,
        "task": tasks.to_wire(shown) if shown else None,
        "created_at": clock.to_wire(row.created_at),
        "updated_at": clock.to_wire(row.updated_at),
        "version": row.version,
    }


def matching_state(db: Db, actor: Actor, wanted: str) -> list[int]:
    """Row ids of the visible datasets in a state; states are derived, so all visible ones are looked at."""
    rows = db.execute(
        sa.select(Dataset.id, Dataset.number, Dataset.import_failed).where(objects.visible(Dataset, actor, READ))
    ).all()
    numbers = counts.of(db, [row.id for row in rows])
    busy = running(db, actor.tenant_id, [row.number for row in rows])
    found = []
    for row in rows:
        kinds = [task.kind for task in busy.get(row.number, [])]
        if rules.state_of(numbers[row.id], kinds, import_failed=row.import_failed) == wanted:
            found.append(row.id)
    return found


def label_counts(labels: Sequence[Mapping[str, Any]], numbers: Mapping[str, int]) -> list[dict[str, Any]]:
    """How often each label is used, in the group's order."""
    return [
        {
            "label_id": label["id"],
            "name": label["name"],
            "colour": label["colour"],
            "count": numbers.get(f"label:{label['id']}", 0),
        }
        for label in labels
    ]


def state_counts(numbers: Mapping[str, int]) -> dict[str, int]:
    return {name: numbers.get(f"state:{name}", 0) for name in rules.ITEM_STATES}


# -- who depends on label groups --------------------------------------------------------------------


def datasets_of_group(db: Db, ids: tuple[int, ...]) -> list[dict[str, Any]]:
    """The datasets that use a label group."""
    rows = db.execute(
        sa.select(Dataset.number, Dataset.name)
        .where(Dataset.label_group_id == ids[0], Dataset.deleted_at.is_(None))
        .order_by(Dataset.number)
        .limit(100)
    )
    return [{"kind": "dataset", "id": row.number, "name": row.name} for row in rows]


def datasets_of_label(db: Db, ids: tuple[int, ...]) -> list[dict[str, Any]]:
    """The datasets in whose draft items carry a label, with how many."""
    group_id, label_id = ids
    rows = db.execute(
        sa.select(Dataset.id, Dataset.number, Dataset.name).where(
            Dataset.label_group_id == group_id, Dataset.deleted_at.is_(None)
        )
    ).all()
    numbers = counts.of(db, [row.id for row in rows])
    return [
        {"kind": "dataset", "id": row.number, "name": row.name, "items": n}
        for row in rows
        if (n := numbers[row.id].get(f"label:{label_id}", 0)) > 0
    ]
