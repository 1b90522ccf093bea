"""Models and versions: make, find, alias, delete; what serving needs of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.auth.actor import Actor
from himalia_hub.core import clock, names, objects
from himalia_hub.core.db import Db
from himalia_hub.core.dependants import Dependants
from himalia_hub.core.errors import InvalidInput, NotFound
from himalia_hub.core.sharing import Access
from himalia_hub.data.content import manifests, usage
from himalia_hub.data.content.store import ContentStore
from himalia_hub.platform.parts import Platform
from himalia_hub.registry import rules
from himalia_hub.registry.tables import ModelAlias, ModelFile, ModelVersion, RegisteredModel

READ, EDIT = "model.model.read", "model.model.edit"
KIND = "model_version"


@dataclass(frozen=True, slots=True)
class File:
    """A file of a version to be; the bytes are in the store."""

    path: str
    digest: str
    size: int
    pickled: bool = False


@dataclass(frozen=True, slots=True)
class Content:
    """Everything of a version that comes from its files."""

    files: tuple[File, ...]
    manifest: str
    signature: dict[str, Any] | None
    labels: list[str] | None
    metrics: dict[str, float]


@dataclass(frozen=True, slots=True)
class ServedVersion:
    """What a service keeps of the version it serves."""

    model_number: int
    model_name: str
    version: str
    version_id: int
    manifest: str
    bytes: int
    files: tuple[str, ...]


def create(session: Session, actor: Actor, values: dict[str, Any]) -> RegisteredModel:
    row = RegisteredModel(
        **objects.new_owned(session, actor, "model"),
        name=names.check_name(values["name"], rules.LONGEST_NAME),
        framework=rules.one_of(values.get("framework") or "ONNX", rules.FRAMEWORKS, "framework"),
        format=rules.one_of(values.get("format") or "ONNX", rules.FORMATS, "format"),
        category=names.check_text(values.get("category") or "", 64, "category"),
        description=names.check_text(values.get("description") or "", rules.LONGEST_DESCRIPTION),
    )
    session.add(row)
    session.flush()
    objects.touch(session, "model", row, op="created")
    return row


def update(session: Session, row: RegisteredModel, values: dict[str, Any]) -> None:
    if values.get("name") is not None:
        row.name = names.check_name(values["name"], rules.LONGEST_NAME)
    if values.get("framework") is not None:
        row.framework = rules.one_of(values["framework"], rules.FRAMEWORKS, "framework")
    if values.get("format") is not None:
        row.format = rules.one_of(values["format"], rules.FORMATS, "format")
    if values.get("category") is not None:
        row.category = names.check_text(values["category"], 64, "category")
    if values.get("description") is not None:
        row.description = names.check_text(values["description"], rules.LONGEST_DESCRIPTION)
    objects.touch(session, "model", row)


async def describe(store: ContentStore, tenant_id: int, files: Sequence[File]) -> Content:
    """Write the manifest, read the small documents, look for pickles. Stores blobs only."""
    if not files:
        raise InvalidInput(
            "files: a version holds at least one file.",
            zh="files：版本至少包含一个文件。",
            field="files",
            rule="at least one file",
            code="no_files",
        )
    ordered = sorted(files, key=lambda file: file.path.encode())
    documents = {
        file.path: await store.read(tenant_id, file.digest)
        for file in ordered
        if file.path in rules.DOCUMENTS and file.size <= rules.DOCUMENT_BYTES
    }
    marked = []
    for file in ordered:
        head = await store.read(tenant_id, file.digest, 0, 8) if file.size else b""
        marked.append(File(file.path, file.digest, file.size, rules.is_pickle(file.path, head)))
    entries = [manifests.Entry(file.path, file.digest, file.size) for file in ordered]
    manifest = await manifests.write(store, tenant_id, entries)
    signature, labels, metrics = rules.read_documents(documents)
    return Content(tuple(marked), manifest, signature, labels, metrics)


def add_version(
    platform: Platform,
    session: Session,
    actor: Actor,
    model: RegisteredModel,
    content: Content,
    *,
    source: str,
    description: str = "",
    lineage: dict[str, Any] | None = None,
    metrics: dict[str, float] | None = None,
) -> ModelVersion:
    """The next version of a model, in the caller's transaction; ``model`` is locked by the caller."""
    model.last_version += 1
    size = sum(file.size for file in content.files)
    usage.occupy(
        platform,
        session,
        tenant_id=model.tenant_id,
        department_id=model.department_id,
        owner_id=model.owner_id,
        kind="model",
        size=size,
    )
    row = ModelVersion(
        tenant_id=model.tenant_id,
        model_id=model.id,
        number=model.last_version,
        description=names.check_text(description, rules.LONGEST_DESCRIPTION),
        manifest=content.manifest,
        bytes=size,
        signature=content.signature,
        labels=content.labels,
        metrics={**content.metrics, **(metrics or {})},
        lineage=lineage or {},
        source=source,
        pickled=any(file.pickled for file in content.files),
        author_id=actor.user_id,
        created_at=clock.now(),
    )
    session.add(row)
    session.flush()
    session.add_all(
        ModelFile(version_id=row.id, path=file.path, digest=file.digest, size=file.size, pickled=file.pickled)
        for file in content.files
    )
    objects.touch(session, "model", model)
    announce_version(session, model, row.number, "created")
    return row


def announce_version(session: Session, model: RegisteredModel, number: int, op: str) -> None:
    objects.announce(
        session,
        KIND,
        op=op,
        tenant_id=model.tenant_id,
        owner_id=model.owner_id,
        department_id=model.department_id,
        number=model.number,
        version=number,
    )


def find_version(db: Db, model_id: int, version: str) -> Any:
    """A live version of a model as a row, by name or alias; :class:`NotFound` else."""
    number = rules.number_of(version)
    statement = sa.select(ModelVersion.__table__).where(
        ModelVersion.model_id == model_id, ModelVersion.deleted_at.is_(None)
    )
    if number is not None:
        statement = statement.where(ModelVersion.number == number)
    else:
        statement = statement.join(ModelAlias, ModelAlias.version_id == ModelVersion.id).where(
            ModelAlias.model_id == model_id, ModelAlias.name == version
        )
    row = db.execute(statement).first()
    if row is None:
        raise NotFound()
    return row


def version_to_serve(db: Db, actor: Actor, model_number: int, version: str) -> ServedVersion:
    """A version that the actor may read; :class:`NotFound` else."""
    model = db.execute(
        sa.select(RegisteredModel.__table__).where(
            objects.visible(RegisteredModel, actor, READ, access=Access.USE), RegisteredModel.number == model_number
        )
    ).first()
    if model is None:
        raise NotFound()
    row = find_version(db, model.id, version)
    files = db.execute(sa.select(ModelFile.path).where(ModelFile.version_id == row.id)).scalars()
    return ServedVersion(
        model_number=model.number,
        model_name=model.name,
        version=rules.version_name(row.number),
        version_id=row.id,
        manifest=row.manifest,
        bytes=row.bytes,
        files=tuple(files),
    )


def set_alias(session: Session, model: RegisteredModel, name: str, version: str) -> None:
    """Point an alias at a version; it leaves the one it pointed at."""
    name = names.check_name(name, 32, "alias")
    if rules.number_of(name) is not None or name == "latest":
        raise InvalidInput(
            f"alias: {name!r} is a version's own name.",
            zh=f"alias：{name!r} 是版本自身的名称。",
            field="alias",
            rule="not V0001 and the like, not latest",
            value=name,
        )
    row = find_version(session, model.id, version)
    found = session.get(ModelAlias, (model.id, name))
    if found is None:
        session.add(ModelAlias(model_id=model.id, name=name, version_id=row.id))
    else:
        found.version_id = row.id
    objects.touch(session, "model", model)
    announce_version(session, model, row.number, "updated")


def remove_alias(session: Session, model: RegisteredModel, name: str) -> None:
    found = session.get(ModelAlias, (model.id, name))
    if found is None:
        raise NotFound()
    session.delete(found)
    objects.touch(session, "model", model)


def delete_version(platform: Platform, session: Session, model: RegisteredModel, version: str) -> None:
    """Delete a version; refused while something serves it (MOD-2)."""
    found = find_version(session, model.id, version)
    shown = f"{model.name} {rules.version_name(found.number)}"
    platform.get(Dependants).refuse_if_any(session, KIND, found.id, name=shown)
    row = session.get(ModelVersion, found.id)
    assert row is not None
    _forget(platform, session, model, row)
    objects.touch(session, "model", model)


def delete(platform: Platform, session: Session, model: RegisteredModel) -> None:
    """Delete a model with its versions; refused while one of them is served."""
    versions = session.execute(
        sa.select(ModelVersion).where(ModelVersion.model_id == model.id, ModelVersion.deleted_at.is_(None))
    ).scalars()
    for row in versions:
        shown = f"{model.name} {rules.version_name(row.number)}"
        platform.get(Dependants).refuse_if_any(session, KIND, row.id, name=shown)
        _forget(platform, session, model, row)
    model.deleted_at = clock.now()
    objects.touch(session, "model", model, op="deleted")


def _forget(platform: Platform, session: Session, model: RegisteredModel, row: ModelVersion) -> None:
    row.deleted_at = clock.now()
    session.execute(sa.delete(ModelAlias).where(ModelAlias.version_id == row.id))
    usage.occupy(
        platform,
        session,
        tenant_id=model.tenant_id,
        department_id=model.department_id,
        owner_id=model.owner_id,
        kind="model",
        size=-row.bytes,
    )
    announce_version(session, model, row.number, "deleted")
