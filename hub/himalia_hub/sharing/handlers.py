"""Routes of sharing: what was received, what was given, give, take back (GEN-10)."""

from __future__ import annotations

from typing import Any

from himalia_hub.api.context import Context
from himalia_hub.api.routes import RouteTable
from himalia_hub.core import paging
from himalia_hub.core.sharing import Access
from himalia_hub.core.tables import Share
from himalia_hub.sharing import schemas, service

routes = RouteTable("sharing")


@routes.get(
    "/shares",
    permission="sharing.share.read",
    summary="What was shared with you, or what you shared",
    query=schemas.ShareQuery,
    response=paging.Page[schemas.ShareOut],
)
def list_shares(ctx: Context, query: schemas.ShareQuery) -> dict[str, Any]:
    return paging.page(
        ctx.db,
        service.listing(ctx.actor, query),
        query.model_copy(update={"q": ""}),
        sorts={"created_at": Share.created_at},
        key=Share.id,
        render=service.render,
    )


@routes.post(
    "/shares",
    permission=service.MANAGE,
    summary="Share an own object, or change what its receiver may do",
    body=schemas.ShareCreate,
    response=schemas.ShareOut,
    status=201,
    object_kind="share",
)
def create_share(ctx: Context, body: schemas.ShareCreate) -> dict[str, Any]:
    share = service.give(
        ctx.session, ctx.actor, body.object_kind, body.object, body.receiver, Access[body.access.upper()]
    )
    return service.one(ctx.session, ctx.actor, share)


@routes.delete("/shares/{share}", permission=service.MANAGE, summary="Take a share back", object_kind="share")
def delete_share(ctx: Context, share: int) -> None:
    """Holds from the next request on; what was already started with it goes on."""
    gone = service.take_back(ctx.session, ctx.actor, share)
    ctx.audit_detail = {"object_kind": gone.object_kind, "receiver_kind": gone.receiver_kind}
