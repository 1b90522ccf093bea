"""The demo's labelled dataset, made once from a folder of pictures on this machine.

The pictures are written by the science environment (``supervisor/demo_pictures.py``); here they go
through the same import, checks and publishing as anybody's.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.auth.tokens import actor_of_user
from himalia_hub.core import objects
from himalia_hub.data.datasets import service, versions
from himalia_hub.data.datasets.tables import Dataset
from himalia_hub.data.imports import service as imports
from himalia_hub.data.imports.intake import Intake
from himalia_hub.data.imports.tables import Import
from himalia_hub.data.label_groups import service as label_groups
from himalia_hub.data.label_groups.tables import LabelGroup

if TYPE_CHECKING:
    from himalia_hub.platform.parts import Platform

NAME = "digits"


async def make_digits(platform: Platform, user_id: int, pictures: Path) -> dict[str, Any]:
    """The dataset ``digits`` of a user, labelled by folder and published as V0001.

    Args:
        pictures: A folder with ``digits/<label>/<picture>``.

    Safe to repeat: what exists is left as it is, an import that was cut off goes on.
    """
    number, import_id, tenant_id = await platform.db.write(lambda session: _begin(platform, session, user_id))
    if import_id is not None:
        batch = Intake(platform, import_id, tenant_id, imports.scratch(platform))
        for path, data in await asyncio.to_thread(_read, pictures / "digits"):
            batch.add(path, data)
        await batch.finish()
        await platform.db.write(lambda session: _end(session, user_id, number, import_id))
    with platform.db.read() as db:
        found = service.find(db, actor_of_user(db, user_id), service.READ, number)
        return service.one(db, found.id)


def _read(folder: Path) -> list[tuple[str, bytes]]:
    return [
        (path.relative_to(folder).as_posix(), path.read_bytes()) for path in sorted(folder.rglob("*")) if path.is_file()
    ]


def _begin(platform: Platform, session: Session, user_id: int) -> tuple[int, int | None, int]:
    """The dataset's number, its open import unless it was published before, and the tenant."""
    actor = actor_of_user(session, user_id)
    dataset = _mine(session, Dataset, user_id)
    if dataset is None:
        group = _mine(session, LabelGroup, user_id) or label_groups.create(
            session, actor, name=NAME, group_type="vision", labels=[], preset="digits"
        )
        dataset = service.create(
            session,
            actor,
            name=NAME,
            label_group_id=group.number,
            description="Handwritten digits of scikit-learn",
        )
    if dataset.last_version:
        return dataset.number, None, dataset.tenant_id
    row = session.execute(
        sa.select(Import).where(Import.dataset_id == dataset.id, Import.state == "open")
    ).scalar_one_or_none()
    if row is None:
        row = imports.begin(
            platform,
            session,
            actor,
            dataset.number,
            source="browser",
            total_files=None,
            total_bytes=None,
            labels_from_folders=True,
        )
    return dataset.number, row.id, dataset.tenant_id


def _mine(session: Session, table: Any, user_id: int) -> Any:
    return session.execute(
        sa.select(table).where(table.owner_id == user_id, table.name == NAME, table.deleted_at.is_(None))
    ).scalar_one_or_none()


def _end(session: Session, user_id: int, number: int, import_id: int) -> None:
    actor = actor_of_user(session, user_id)
    row = session.get(Import, import_id, with_for_update=True)
    assert row is not None
    imports.finish(session, actor, row)
    dataset = objects.find(session, Dataset, actor, service.READ, number)
    if dataset.last_version == 0:
        versions.publish(session, actor, number, description="Labelled by their folders")
