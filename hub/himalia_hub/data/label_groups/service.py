"""Label groups: make, edit, copy, delete; what datasets need of them."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.auth.actor import Actor
from himalia_hub.core import clock, names, objects
from himalia_hub.core.dependants import Dependants
from himalia_hub.core.errors import InUse, InvalidInput
from himalia_hub.data.label_groups import rules
from himalia_hub.data.label_groups.presets import PRESETS
from himalia_hub.data.label_groups.tables import LabelGroup

LONGEST_NAME, LONGEST_DESCRIPTION = 50, 100


def create(
    session: Session,
    actor: Actor,
    *,
    name: str,
    group_type: str,
    description: str = "",
    labels: list[dict[str, Any]],
    preset: str | None = None,
) -> LabelGroup:
    """A new group of the actor's; with ``preset`` its labels are that preset's."""
    if preset is not None:
        if preset not in PRESETS:
            raise InvalidInput(
                f"preset: there is no preset {preset!r}; use one of {', '.join(PRESETS)}.",
                zh=f"preset：没有预置组 {preset!r}；可用：{'、'.join(PRESETS)}。",
                field="preset",
                rule=f"one of {', '.join(PRESETS)}",
                value=preset,
            )
        labels = [dict(label) for label in PRESETS[preset]["labels"]]
        group_type = PRESETS[preset]["type"]
    merged, _, last = rules.merge([], 0, labels)
    row = LabelGroup(
        **objects.new_owned(session, actor, "label_group"),
        name=names.check_name(name, LONGEST_NAME),
        type=group_type,
        description=names.check_text(description, LONGEST_DESCRIPTION),
        labels=merged,
        retired=[],
        last_label=last,
    )
    session.add(row)
    session.flush()
    objects.touch(session, "label_group", row, op="created")
    return row


def copy(session: Session, actor: Actor, source: LabelGroup, name: str | None) -> LabelGroup:
    """The same labels under another name, the actor's own."""
    return create(
        session,
        actor,
        name=name or free_name(session, actor, source.name),
        group_type=source.type,
        description=source.description,
        labels=[{**label, "id": None} for label in source.labels],
    )


def free_name(session: Session, actor: Actor, name: str) -> str:
    """The name with ``-2``, ``-3`` … until the actor has none of that name."""
    taken = set(
        session.execute(
            sa.select(LabelGroup.name).where(LabelGroup.owner_id == actor.user_id, LabelGroup.deleted_at.is_(None))
        ).scalars()
    )
    number = 2
    while (candidate := f"{name[: LONGEST_NAME - len(str(number)) - 1]}-{number}") in taken:
        number += 1
    return candidate


def update(
    session: Session,
    row: LabelGroup,
    dependants: Dependants,
    *,
    name: str | None,
    description: str | None,
    labels: list[dict[str, Any]] | None,
) -> None:
    """Change what is given. A label that items still carry cannot go (DAT-7)."""
    if name is not None:
        row.name = names.check_name(name, LONGEST_NAME)
    if description is not None:
        row.description = names.check_text(description, LONGEST_DESCRIPTION)
    if labels is not None:
        merged, gone, last = rules.merge(row.labels, row.last_label, labels)
        for label in gone:
            found = dependants.of(session, "label", row.id, label["id"])
            if found:
                shown = ", ".join(f"{one['name']} ({one['items']})" for one in found[:5])
                raise InUse(
                    f"labels: {label['name']!r} cannot go: items of {shown} carry it.",
                    zh=f"labels：无法删除 {label['name']!r}：数据集 {shown} 中仍有条目使用它。",
                    field="labels",
                    rule="no item carries a label that goes",
                    value=label["name"],
                    hint="Give those items another label first.",
                    hint_zh="请先为这些条目更换标签。",
                    dependants=found,
                )
        row.labels, row.last_label = merged, last
        row.retired = [*row.retired, *gone]
    objects.touch(session, "label_group", row)


def delete(session: Session, row: LabelGroup, dependants: Dependants) -> None:
    dependants.refuse_if_any(session, "label_group", row.id, name=row.name)
    row.deleted_at = clock.now()
    objects.touch(session, "label_group", row, op="deleted")
