"""What can be done with a notebook: make, change, start, stop, delete.

Handlers of the panels and of the hub both come here, with the person as actor.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.auth.actor import Actor
from himalia_hub.compute import specs, wishes
from himalia_hub.compute.engine import Engine
from himalia_hub.compute.environments import EnvironmentView
from himalia_hub.compute.phases import ENDED, Phase
from himalia_hub.compute.schemas import AcceleratorWish
from himalia_hub.compute.tables import Workload
from himalia_hub.core import clock, objects
from himalia_hub.core.db import Db
from himalia_hub.core.errors import HimaliaError, InvalidTransition, NotFound, NotPermitted
from himalia_hub.core.names import check_name
from himalia_hub.data.datasets.versions import version_for_workload
from himalia_hub.develop.notebooks import profiles
from himalia_hub.develop.notebooks.kind import CONTROLLER, INPUT_PATH, KIND
from himalia_hub.develop.notebooks.schemas import BindingIn, NotebookUpdate
from himalia_hub.develop.notebooks.tables import Notebook
from himalia_hub.platform.parts import Platform

CREATE, STOP, DELETE = "develop.notebook.create", "develop.notebook.stop", "develop.notebook.delete"


def require(actor: Actor, permission: str) -> None:
    """For callers whose route was authorised as the hub: the person must hold the permission too."""
    if actor.reach(permission) is None:
        raise NotPermitted(
            f"Your roles do not include {permission}.",
            zh=f"您的角色不包含权限 {permission}。",
            hint="Ask an administrator of your organisation for a role that includes it.",
            hint_zh="请联系组织管理员授予包含该权限的角色。",
            permission=permission,
        )


def _environment(platform: Platform, name: str) -> str:
    """The exact environment behind a name; also checks that it exists and serves notebooks."""
    return platform.get(EnvironmentView).exact(name, use="notebook")  # type: ignore[type-abstract]


def _bindings(db: Db, actor: Actor, wanted: list[BindingIn]) -> list[dict[str, Any]]:
    """Bindings as the row keeps them; raises when a version is out of reach."""
    kept = []
    for index, binding in enumerate(wanted):
        found = version_for_workload(db, actor, binding.dataset, binding.version)
        kept.append(
            {
                "kind": "dataset_version",
                "id": found.dataset_number,
                "version": found.version,
                "name": found.name,
                "path": INPUT_PATH.format(index=index),
            }
        )
    return kept


def create(
    platform: Platform,
    session: Session,
    actor: Actor,
    *,
    name: str,
    spec_id: int,
    environment: str,
    accelerator_spec_id: int | None = None,
    accelerator_wish: AcceleratorWish | None = None,
    description: str = "",
    bindings: list[BindingIn] | None = None,
    profile: profiles.Kept | None = None,
    stop_when_idle_seconds: int | None = None,
    start_now: bool = True,
) -> Notebook:
    """Make a notebook and, unless told otherwise, submit its start (NB-1).

    Raises:
        InvalidInput, QuotaExceeded, BalanceTooLow: Nothing is made.
    """
    name = check_name(name, 30)
    engine = platform.get(Engine)
    spec = wishes.choose(engine, session, actor, spec_id, accelerator_spec_id, accelerator_wish, scenario="notebook")
    reference = _environment(platform, environment)
    values = objects.new_owned(session, actor, "notebook")
    row = Notebook(
        **values,
        name=name,
        server_name=f"n{values['number']}",
        description=description,
        spec_id=spec_id,
        accelerator_spec_id=spec.accelerator_id,
        environment=environment or reference.rpartition("-")[0],
        bindings=_bindings(session, actor, bindings or []),
        profile=profile,
        stop_when_idle_seconds=stop_when_idle_seconds,
    )
    session.add(row)
    session.flush()
    objects.touch(session, "notebook", row, op="created")
    if start_now:
        start(platform, session, actor, row, spec)
    return row


def start(
    platform: Platform, session: Session, actor: Actor, row: Notebook, spec: specs.Choice | None = None
) -> Workload:
    """Submit a start of a stopped notebook; the hub is asked once the reservation is held.

    Args:
        spec: What was chosen a moment ago; left out it is chosen anew, and so is what a wish comes to.
    """
    if row.phase not in ENDED:
        raise InvalidTransition(
            f"The notebook is {row.phase}; only a stopped one can be started.",
            zh=f"笔记本当前状态为 {row.phase}；只有已停止的才能启动。",
            rule="stopped or failed",
            value=row.phase,
        )
    if spec is None:
        wish = wishes.wish_of(session, row.workload_id, row.accelerator_spec_id)
        named = row.accelerator_spec_id if wish is None else None
        spec = wishes.choose(platform.get(Engine), session, actor, row.spec_id, named, wish, scenario="notebook")
        row.accelerator_spec_id = spec.accelerator_id
    facts = []
    for binding in row.bindings:
        found = version_for_workload(session, actor, binding["id"], binding["version"])
        facts.append({**binding, "manifest": found.manifest})
    workload = platform.get(Engine).submit(
        session,
        actor,
        kind=KIND,
        object_kind="notebook",
        object_number=row.number,
        object_name=row.name,
        resources=spec.resources,
        spec={
            "environment": _environment(platform, row.environment),
            "bindings": facts,
            "first": row.starts == 0,
            "profile": row.profile,
            **spec.kept,
        },
    )
    row.starts += 1
    row.workload_id = workload.id
    row.phase = workload.phase
    objects.touch(session, "notebook", row)
    platform.get(Engine).wake_after(session, CONTROLLER)
    return workload


def stop(platform: Platform, session: Session, row: Notebook) -> None:
    """Ask a notebook to stop, or take it out of the queue."""
    workload = session.get(Workload, row.workload_id) if row.workload_id is not None else None
    if workload is None or workload.ended_at is not None:
        raise InvalidTransition(
            f"The notebook does not run: it is {row.phase}.",
            zh=f"笔记本未在运行，当前状态为 {row.phase}。",
            rule="queued, starting or running",
            value=row.phase,
        )
    platform.get(Engine).request_stop(session, workload)


def update(
    platform: Platform,
    session: Session,
    actor: Actor,
    row: Notebook,
    body: NotebookUpdate,
    told: profiles.Offered | HimaliaError = (),
) -> None:
    """Change a stopped notebook; what is not given stays. ``told``: the profiles, where one is given."""
    _only_ended(row, "edited", "编辑")
    if body.spec_id is not None or "accelerator_spec_id" in body.model_fields_set:
        given = body.spec_id if body.spec_id is not None else row.spec_id
        accelerator = row.accelerator_spec_id
        if "accelerator_spec_id" in body.model_fields_set:
            accelerator = body.accelerator_spec_id
        specs.choose(session, given, accelerator, scenario="notebook")
        row.spec_id, row.accelerator_spec_id = given, accelerator
    if body.environment is not None:
        reference = _environment(platform, body.environment)
        row.environment = body.environment or reference.rpartition("-")[0]
    if body.bindings is not None:
        row.bindings = _bindings(session, actor, body.bindings)
    if body.model_fields_set & {"profile", "profile_options"}:
        slug = body.profile if "profile" in body.model_fields_set else (row.profile or {}).get("slug")
        row.profile = profiles.chosen(told, slug, body.profile_options or {})
    if body.name is not None:
        row.name = check_name(body.name, 30)
    if body.description is not None:
        row.description = body.description
    if "stop_when_idle_seconds" in body.model_fields_set:
        row.stop_when_idle_seconds = body.stop_when_idle_seconds
    objects.touch(session, "notebook", row)


def delete(platform: Platform, session: Session, row: Notebook) -> None:
    """Delete a stopped notebook; its home goes with it, a controller removes the files."""
    _only_ended(row, "deleted", "删除")
    row.deleted_at = clock.now()
    objects.touch(session, "notebook", row, op="deleted")
    platform.get(Engine).wake_after(session, CONTROLLER)


def _only_ended(row: Notebook, what: str, what_zh: str) -> None:
    if row.phase not in ENDED:
        raise InvalidTransition(
            f"The notebook is {row.phase}; it can be {what} once it is stopped.",
            zh=f"笔记本当前状态为 {row.phase}；停止后才能{what_zh}。",
            rule="stopped or failed",
            value=row.phase,
            hint="Stop it first.",
            hint_zh="请先停止。",
        )


def of_hub(session: Session, user_id: int, server: str, *, deleted: bool = False) -> Notebook:
    """A person's notebook by the hub's server name, locked."""
    statement = sa.select(Notebook).where(Notebook.owner_id == user_id, Notebook.server_name == server)
    if not deleted:
        statement = statement.where(Notebook.deleted_at.is_(None))
    row = session.execute(statement.with_for_update()).scalar_one_or_none()
    if row is None:
        raise NotFound()
    return row


def last_started(db: Db, user_id: int) -> dict[str, Any] | None:
    """What this person started last; the notebook may be gone."""
    row = db.execute(
        sa.select(Notebook.spec_id, Notebook.environment, Notebook.profile)
        .where(Notebook.owner_id == user_id, Notebook.workload_id.is_not(None))
        .order_by(Notebook.workload_id.desc())
        .limit(1)
    ).first()
    return None if row is None else dict(row._mapping)


def suggested_name(db: Db, user_id: int, language: str) -> str:
    """``notebook-2``: the first number that is not taken."""
    word = "笔记本" if language == "zh" else "notebook"
    taken = set(
        db.execute(sa.select(Notebook.name).where(Notebook.owner_id == user_id, Notebook.deleted_at.is_(None)))
        .scalars()
        .all()
    )
    number = 1
    while f"{word}-{number}" in taken:
        number += 1
    return f"{word}-{number}"


def is_ended(phase: str) -> bool:
    return Phase(phase) in ENDED
