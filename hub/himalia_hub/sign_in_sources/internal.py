"""What the hub asks about external sources: which there are, and who an identified person is here."""

from __future__ import annotations

from typing import Annotated, Any

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from himalia_hub.api.context import Context
from himalia_hub.api.routes import RouteTable
from himalia_hub.core import clock
from himalia_hub.core.errors import HimaliaError
from himalia_hub.sign_in_sources import kinds, schemas, service
from himalia_hub.sign_in_sources.rules import IdentityRefused
from himalia_hub.sign_in_sources.tables import SignInSource

routes = RouteTable("internal.sources", internal=True)
HUB = "internal.hub.call"


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ExternalSignIn(_Body):
    source: Annotated[str, Field(max_length=32)]
    name: Annotated[str, Field(max_length=4096)]
    subject: Annotated[str, Field(max_length=512)] = ""
    claims: dict[str, Any] = {}
    address: Annotated[str, Field(max_length=64)] = ""


class ExternalFailure(_Body):
    source: Annotated[str, Field(max_length=32)]
    name: Annotated[str, Field(max_length=4096)] = ""
    reason: Annotated[str, Field(max_length=512)] = ""
    address: Annotated[str, Field(max_length=64)] = ""


class DeclaredSource(schemas.SourceCreate):
    """A source that ``jupyterhub_config.py`` declares; read-only for the API."""


class Declared(_Body):
    sources: list[DeclaredSource]


@routes.get("/sign-in/sources", permission=HUB, summary="Sources that people may use, with their secrets")
def list_sources(ctx: Context) -> list[dict[str, Any]]:
    rows = ctx.db.execute(
        sa.select(SignInSource.__table__)
        .where(SignInSource.enabled, SignInSource.deleted_at.is_(None))
        .order_by(SignInSource.title, SignInSource.name)
    )
    return [
        {
            "name": row.name,
            "title": row.title,
            "kind": row.kind,
            "form": kinds.is_form(kinds.class_of(row.kind)),
            "settings": row.settings,
            "secrets": service.opened(row, ctx.platform.sealer),
            "mapping": row.mapping,
            "allow_private": row.allow_private,
            "version": row.version,
        }
        for row in rows
    ]


@routes.post(
    "/sign-in/external",
    permission=HUB,
    summary="Who is this, whom a source identified",
    body=ExternalSignIn,
    audit=False,
)
async def sign_in_external(ctx: Context, body: ExternalSignIn) -> dict[str, Any]:
    """TEN-12: the mapping is applied at every sign-in; refusals are audited and change nothing."""

    def work(session: Session) -> dict[str, Any]:
        row = service.find(session, body.source)
        if not row.enabled:
            raise IdentityRefused("This sign-in source is disabled.", zh="此登录来源已停用。")
        user, told = service.sign_in(
            session, row, name=body.name, subject=body.subject, claims=body.claims, address=body.address
        )
        service.note_sign_in(
            session,
            row,
            body.name,
            user,
            outcome="done",
            address=body.address,
            request_id=ctx.request_id,
            detail=told,
        )
        return service.identity_or_refusal(session, user.id)

    try:
        return await ctx.write(work)
    except HimaliaError as error:
        refused = error

    def note(session: Session) -> None:
        row = service.find(session, body.source)
        detail = {"reason": refused.code, "message": refused.message}
        service.note_sign_in(
            session,
            row,
            body.name,
            None,
            outcome="refused",
            address=body.address,
            request_id=ctx.request_id,
            detail=detail,
        )

    await ctx.write(note)
    raise refused


@routes.post(
    "/sign-in/external/failed",
    permission=HUB,
    summary="A source did not recognise somebody",
    body=ExternalFailure,
    audit=False,
    status=204,
)
def failed(ctx: Context, body: ExternalFailure) -> None:
    row = service.find(ctx.session, body.source)
    service.note_sign_in(
        ctx.session,
        row,
        body.name,
        None,
        outcome="failed",
        address=body.address,
        request_id=ctx.request_id,
        detail={"reason": body.reason},
    )


@routes.post(
    "/sign-in/sources/declared",
    permission=HUB,
    summary="Sources that jupyterhub_config.py declares",
    body=Declared,
    status=204,
    idempotent=False,
)
def declared(ctx: Context, body: Declared) -> None:
    """Keep them in step with the file: new ones appear, changed ones change, missing ones are disabled."""
    session, sealer = ctx.session, ctx.platform.sealer
    names = {source.name for source in body.sources}
    held = {
        row.name: row
        for row in session.execute(
            sa.select(SignInSource).where(SignInSource.origin == "file", SignInSource.deleted_at.is_(None))
        ).scalars()
    }
    for source in body.sources:
        row = held.get(source.name)
        if row is None:
            service.create(session, sealer, source, origin="file")
            continue
        fields = schemas.SourceChange.model_fields
        service.change(
            session, sealer, row, schemas.SourceChange(**{f: getattr(source, f) for f in fields if hasattr(source, f)})
        )
    for name, row in held.items():
        if name not in names and row.enabled:
            service.change(session, sealer, row, schemas.SourceChange(enabled=False))
            row.updated_at = clock.now()
