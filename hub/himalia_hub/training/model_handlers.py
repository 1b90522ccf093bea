"""A run's model folder becomes a model version (TRN-5): by reference, no byte is copied."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.api import once
from himalia_hub.api.context import Context
from himalia_hub.api.routes import RouteTable
from himalia_hub.core import objects
from himalia_hub.core.errors import InvalidInput, InvalidTransition, NotFound
from himalia_hub.data.content.store import ContentStore
from himalia_hub.registry import handlers as registry_wire
from himalia_hub.registry import rules as registry_rules
from himalia_hub.registry import schemas as registry_schemas
from himalia_hub.registry import service as registry
from himalia_hub.registry.tables import RegisteredModel
from himalia_hub.training import metrics, schemas
from himalia_hub.training.tables import Job, Run, RunFile

routes = RouteTable("training.models")


@routes.post(
    "/runs/{run}/model",
    permission="model.model.edit",
    summary="Save what the run left in its model folder as a model version",
    body=schemas.SaveModel,
    response=registry_schemas.ModelVersionOut,
    status=201,
    idempotent=False,  # the key is kept here, in the transaction of the effect
    object_kind="run",
)
async def save_model(ctx: Context, run: int, body: schemas.SaveModel) -> dict[str, Any]:
    if (body.model_id is None) == (body.model_name is None):
        raise InvalidInput(
            "model_name: give either model_id or model_name.",
            zh="model_name：请给出 model_id 或 model_name 之一。",
            field="model_name",
            rule="either model_id or model_name",
        )
    row, files = ctx.read(lambda db: _files(ctx, db, run))
    content = await registry.describe(ctx.platform.get(ContentStore), row.tenant_id, files)

    def work(session: Session) -> dict[str, Any]:
        found = objects.find(session, Run, ctx.actor, ctx.permission, run, lock=True)
        asked = f"run {found.id} {body.model_dump_json()}"
        kept = once.kept(session, ctx, asked)
        if kept is not None:
            return kept
        model = _model(ctx, session, body, found)
        version = registry.add_version(
            ctx.platform,
            session,
            ctx.actor,
            model,
            content,
            source="run",
            description=body.description,
            lineage=lineage(session, found),
            metrics=metrics.last_values(session, [found.id])[found.id],
        )
        shown = registry_rules.version_name(version.number)
        found.model = {"id": version.number, "model": {"id": model.number, "name": model.name}, "version": shown}
        objects.touch(session, "run", found)
        return once.keep(session, ctx, asked, registry_wire.render_versions(session, model, [version])[0])

    return await ctx.write(work)


def _files(ctx: Context, db: Any, number: int) -> tuple[Any, list[registry.File]]:
    row = db.execute(
        sa.select(Run.__table__).where(objects.visible(Run, ctx.actor, "train.job.read"), Run.number == number)
    ).first()
    if row is None:
        raise NotFound()
    if row.phase not in ("succeeded", "stopped", "failed", "timed_out"):
        raise InvalidTransition(
            f"The run is {row.phase}; its model can be saved once it has ended.",
            zh=f"运行当前状态为 {row.phase}；结束后才能保存模型。",
            rule="ended",
            value=row.phase,
        )
    found = db.execute(
        sa.select(RunFile.path, RunFile.digest, RunFile.size).where(RunFile.run_id == row.id, RunFile.folder == "model")
    )
    files = [registry.File(file.path, file.digest, file.size) for file in found]
    if not files:
        raise InvalidTransition(
            "The run left nothing in /himalia/model.",
            zh="该运行未在 /himalia/model 中留下文件。",
            rule="at least one file in /himalia/model",
            hint="Let the program write its model there.",
            hint_zh="请让程序将模型写入该目录。",
            code="no_model",
        )
    return row, files


def _model(ctx: Context, session: Session, body: schemas.SaveModel, run: Run) -> RegisteredModel:
    if body.model_id is not None:
        return objects.find(session, RegisteredModel, ctx.actor, ctx.permission, body.model_id, lock=True)
    found = session.execute(
        sa.select(RegisteredModel)
        .where(
            RegisteredModel.owner_id == ctx.actor.user_id,
            RegisteredModel.name == body.model_name,
            RegisteredModel.deleted_at.is_(None),
        )
        .with_for_update()
    ).scalar_one_or_none()
    if found is not None:  # one's own model of that name gets its next version
        return found
    built_in = run.algorithm is not None
    return registry.create(
        session,
        ctx.actor,
        {
            "name": body.model_name,
            "framework": "ONNX" if built_in else "other",
            "format": "ONNX" if built_in else "directory",
            "category": (run.algorithm or {}).get("name", ""),
        },
    )


def lineage(session: Session, run: Run) -> dict[str, Any]:
    """From the version back to the people who labelled: run, algorithm, dataset version, authors."""
    job = session.get(Job, run.job_id)
    assert job is not None
    first = run.inputs[0] if run.inputs else None
    authors = sorted({author for one in run.inputs for author in one["label_authors"]})
    algorithm = run.algorithm
    return {
        "run": {"id": run.number, "name": f"{run.name} V{run.run_index:04d}"},
        "job": {"id": job.number, "name": job.name},
        "algorithm": {"id": algorithm["id"], "name": algorithm["name"]} if algorithm else None,
        "algorithm_version": algorithm["version"] if algorithm else None,
        "dataset": {"id": first["id"], "name": first["name"]} if first else None,
        "dataset_version": first["version"] if first else None,
        "dataset_digest": first["digest"] if first else None,
        "label_authors": authors,
        "environment": run.environment,
    }
