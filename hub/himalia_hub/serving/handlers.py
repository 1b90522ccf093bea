"""Routes of online services."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from himalia_hub.api.context import Context
from himalia_hub.api.routes import Raw, RouteTable
from himalia_hub.compute import specs
from himalia_hub.core import clock, objects, paging
from himalia_hub.core.db import Db
from himalia_hub.core.errors import NotFound
from himalia_hub.serving import predict as predicting
from himalia_hub.serving import render, schemas, service, traffic
from himalia_hub.serving.guide import guide
from himalia_hub.serving.tables import InferenceService, ServiceKey, ServiceRevision
from himalia_hub.tenancy.tables import User

routes = RouteTable("serving")
READ, EDIT = "serve.service.read", "serve.service.edit"
BASE = "/inference-services"


def _visible(ctx: Context, db: Db, number: int) -> Any:
    row = db.execute(
        render.select_services().where(
            objects.visible(InferenceService, ctx.actor, ctx.permission), InferenceService.number == number
        )
    ).first()
    if row is None:
        raise NotFound()
    return row


def _found(ctx: Context, number: int) -> InferenceService:
    return objects.find(ctx.session, InferenceService, ctx.actor, ctx.permission, number, lock=True)


def _answer(ctx: Context, row: InferenceService) -> dict[str, Any]:
    ctx.session.flush()
    ctx.audit_object = (service.OBJECT, str(row.number))
    return render.one(ctx.platform, ctx.session, ctx.language, row.id)


@routes.get(
    BASE,
    permission=READ,
    summary="Online services",
    query=schemas.ServiceQuery,
    response=paging.Page[schemas.ServiceOut],
)
def list_services(ctx: Context, query: schemas.ServiceQuery) -> dict[str, Any]:
    statement = render.select_services().where(objects.visible(InferenceService, ctx.actor, ctx.permission))
    if query.phase:
        statement = statement.where(InferenceService.phase == query.phase)
    page = paging.page(
        ctx.db,
        statement,
        query,
        sorts={
            "updated_at": InferenceService.updated_at,
            "created_at": InferenceService.created_at,
            "name": InferenceService.name,
            "status": InferenceService.phase,
        },
        key=InferenceService.id,
        render=lambda row: row,
        search=(InferenceService.name, InferenceService.description),
    )
    page["items"] = render.many(ctx.platform, ctx.db, ctx.language, page["items"])
    return page


@routes.post(
    BASE,
    permission=EDIT,
    summary="Create an online service and start it",
    body=schemas.ServiceCreate,
    response=schemas.ServiceOut,
    status=201,
)
def create_service(ctx: Context, body: schemas.ServiceCreate) -> dict[str, Any]:
    return _answer(ctx, service.create(ctx.platform, ctx.session, ctx.actor, body))


@routes.get(f"{BASE}/{{service_id}}", permission=READ, summary="One online service", response=schemas.ServiceOut)
def get_service(ctx: Context, service_id: int) -> dict[str, Any]:
    return render.many(ctx.platform, ctx.db, ctx.language, [_visible(ctx, ctx.db, service_id)])[0]


@routes.patch(
    f"{BASE}/{{service_id}}",
    permission=EDIT,
    summary="Edit a service; new variants are a new revision, rolled out without failed calls",
    body=schemas.ServiceUpdate,
    response=schemas.ServiceOut,
)
def update_service(ctx: Context, service_id: int, body: schemas.ServiceUpdate) -> dict[str, Any]:
    row = _found(ctx, service_id)
    objects.check_version(row, ctx.if_match)
    service.edit(ctx.platform, ctx.session, ctx.actor, row, body)
    return _answer(ctx, row)


@routes.delete(f"{BASE}/{{service_id}}", permission="serve.service.delete", summary="Delete a stopped service")
def delete_service(ctx: Context, service_id: int) -> None:
    service.delete(ctx.platform, ctx.session, _found(ctx, service_id))


@routes.post(
    f"{BASE}/{{service_id}}/start",
    permission=EDIT,
    summary="Start a stopped or failed service",
    response=schemas.ServiceOut,
    status=202,
)
def start_service(ctx: Context, service_id: int) -> dict[str, Any]:
    row = _found(ctx, service_id)
    service.start(ctx.platform, ctx.session, ctx.actor, row)
    return _answer(ctx, row)


@routes.post(
    f"{BASE}/{{service_id}}/stop",
    permission="serve.service.stop",
    summary="Stop a service",
    response=schemas.ServiceOut,
    status=202,
)
def stop_service(ctx: Context, service_id: int) -> dict[str, Any]:
    row = _found(ctx, service_id)
    service.stop(ctx.platform, ctx.session, row)
    return _answer(ctx, row)


@routes.put(
    f"{BASE}/{{service_id}}/weights",
    permission=EDIT,
    summary="Change how calls are split, live",
    body=schemas.WeightsIn,
    response=schemas.ServiceOut,
    if_match=True,
)
def set_weights(ctx: Context, service_id: int, body: schemas.WeightsIn) -> dict[str, Any]:
    row = _found(ctx, service_id)
    objects.check_version(row, ctx.if_match)
    service.set_weights(ctx.session, row, body.weights)
    return _answer(ctx, row)


@routes.get(
    f"{BASE}/{{service_id}}/revisions",
    permission=READ,
    summary="Revisions, the newest first",
    response=schemas.RevisionList,
)
def list_revisions(ctx: Context, service_id: int) -> dict[str, Any]:
    row = _visible(ctx, ctx.db, service_id)
    found = ctx.db.execute(
        sa.select(ServiceRevision.__table__, User.number.label("user_number"), User.display_name)
        .join(User, User.id == ServiceRevision.author_id)
        .where(ServiceRevision.service_id == row.id)
        .order_by(ServiceRevision.number.desc())
    )
    keys = ("name", "weight_percent", "replicas", "spec_id", "accelerator_spec_id", "environment")
    return {
        "items": [
            {
                "revision": revision.number,
                "created_at": clock.to_wire(revision.created_at),
                "author": {"id": revision.user_number, "name": revision.display_name},
                "active": revision.number == row.live_revision,
                "variants": [
                    {
                        **{key: variant[key] for key in keys},
                        "accelerator_wish": specs.wish_to_wire(variant.get("wish")),
                        "model": {key: variant["model"][key] for key in ("id", "name", "version")},
                    }
                    for variant in revision.variants
                ],
            }
            for revision in found
        ]
    }


# -- keys and calls --------------------------------------------------------------------------------


@routes.get(
    f"{BASE}/{{service_id}}/keys", permission="serve.key.manage", summary="Keys of a service", response=schemas.KeyList
)
def list_keys(ctx: Context, service_id: int) -> dict[str, Any]:
    row = _visible(ctx, ctx.db, service_id)
    found = ctx.db.execute(
        sa.select(ServiceKey.__table__)
        .where(ServiceKey.service_id == row.id, ServiceKey.revoked_at.is_(None))
        .order_by(ServiceKey.number)
    )
    return {"items": [render.key(key) for key in found]}


@routes.post(
    f"{BASE}/{{service_id}}/keys",
    permission="serve.key.manage",
    summary="Create a key; it is shown once",
    body=schemas.KeyCreate,
    response=schemas.NewKey,
    status=201,
    idempotent=False,
)
def create_key(ctx: Context, service_id: int, body: schemas.KeyCreate) -> dict[str, Any]:
    row = _found(ctx, service_id)
    key, secret = service.create_key(ctx.session, row, body)
    ctx.audit_object = ("service_key", f"{row.number}/{key.number}")
    address = render.address(ctx.platform, ctx.actor.tenant_code, row.slug)
    return {**render.key(key), "key": secret, "guide": guide(address, secret)}


@routes.delete(f"{BASE}/{{service_id}}/keys/{{key}}", permission="serve.key.manage", summary="Revoke a key")
def revoke_key(ctx: Context, service_id: int, key: int) -> None:
    row = _found(ctx, service_id)
    ctx.audit_object = ("service_key", f"{row.number}/{key}")
    service.revoke_key(ctx.session, row, key)


@routes.get(
    f"{BASE}/{{service_id}}/guide",
    permission=READ,
    summary="How to call a service from outside",
    response=schemas.Guide,
)
def get_guide(ctx: Context, service_id: int) -> dict[str, Any]:
    row = _visible(ctx, ctx.db, service_id)
    return dict(guide(render.address(ctx.platform, row.tenant_code, row.slug)))


@routes.post(
    f"{BASE}/{{service_id}}/predict",
    permission="serve.service.predict",
    summary="Call a service with a picture or JSON",
    streams_body=True,
    max_body=predicting.MAX_BODY,
    body_type="image/*",
    audit=False,
    idempotent=False,
)
async def predict(ctx: Context, service_id: int) -> Raw:
    """The body goes to a replica as it is; so does its answer, errors included."""

    def look(db: Db) -> tuple[int, list[predicting.Target]]:
        row = _visible(ctx, db, service_id)
        return row.id, predicting.targets(db, row)

    row_id, found = ctx.read(look)
    assert ctx.body_stream is not None
    body = await predicting.gather(ctx.body_stream)
    variant, address = predicting.choose(found)
    answer = await predicting.ask(address, body, ctx.content_type, ctx.language)
    failed = 1 if answer.code >= 500 else 0
    await ctx.write(lambda session: service.note_calls(session, row_id, 1, failed))
    return Raw(
        answer.body,
        answer.headers.get("Content-Type", "application/json"),
        status=answer.code,
        headers={"Himalia-Variant": variant, "Content-Security-Policy": "sandbox"},
    )


@routes.get(
    f"{BASE}/{{service_id}}/monitoring",
    permission=READ,
    summary="Calls, errors and latency of the last minutes",
    query=schemas.MonitoringQuery,
    response=schemas.Monitoring,
)
def get_monitoring(ctx: Context, service_id: int, query: schemas.MonitoringQuery) -> dict[str, Any]:
    row = _visible(ctx, ctx.db, service_id)
    return traffic.monitoring(ctx.db, row.id, query.minutes)
