"""Routes of members by the file: template, import with its report, export, links for many."""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import AsyncIterator
from typing import Any, Literal

from himalia_hub.api import once
from himalia_hub.api.context import Context
from himalia_hub.api.routes import Raw, Reply, RouteTable, Stream
from himalia_hub.core.db import Db
from himalia_hub.core.errors import HimaliaError
from himalia_hub.tenancy import scope
from himalia_hub.tenancy.members import csvfile, importing, reading, schemas, service
from himalia_hub.tenancy.organisations.schemas import SignInLinkOut
from himalia_hub.tenancy.scope import Where

routes = RouteTable("members")
READ, MANAGE, ACTIVATE = "tenancy.user.read", "tenancy.user.manage", "tenancy.user.activate"
CSV = "text/csv; charset=utf-8"
LARGEST_FILE = 16 * 1024 * 1024
EXPORT_BATCH = 500


class ExportQuery(schemas.MemberQuery):
    language: Literal["en", "zh"] | None = None


def _attachment(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}


@routes.get(
    "/members/template",
    permission=MANAGE,
    summary="A CSV file to fill in for an import",
    query=schemas.TemplateQuery,
    response_type="text/csv",
)
def template(ctx: Context, query: schemas.TemplateQuery) -> Raw:
    return Raw(csvfile.template(query.language or ctx.language), CSV, headers=_attachment("members.csv"))


@routes.get(
    "/members/export",
    permission=READ,
    summary="Members as CSV, with the filters of the list",
    query=ExportQuery,
    response_type="text/csv",
)
async def export(ctx: Context, query: ExportQuery) -> Stream:
    language = query.language or ctx.language
    asked = query.model_copy(update={"limit": EXPORT_BATCH, "sort": "created_at", "cursor": None})
    first = ctx.read(lambda db: reading.page(ctx.platform, db, ctx.actor, ctx.permission, asked))
    return Stream(_pages(ctx, asked, first, language), CSV, headers=_attachment("members.csv"))


async def _pages(ctx: Context, asked: ExportQuery, page: dict[str, Any], language: str) -> AsyncIterator[bytes]:
    yield codecs.BOM_UTF8 + csvfile.write([csvfile.heads(csvfile.EXPORTED, language)])
    while True:
        yield csvfile.write([_cells(row) for row in page["items"]])
        if page["next_cursor"] is None:
            return
        following = asked.model_copy(update={"cursor": page["next_cursor"]})

        def read(db: Db, following: ExportQuery = following) -> dict[str, Any]:
            return reading.page(ctx.platform, db, ctx.actor, ctx.permission, following)

        page = ctx.read(read)


def _cells(row: dict[str, Any]) -> list[str]:
    return [
        str(row["id"]),
        row["name"],
        row["display_name"],
        row["department"]["name"] if row["department"] else "",
        ";".join(row["roles"]),
        "yes" if row["guest"] else "no",
        ";".join(group["name"] for group in row["groups"]),
        row["source"],
        "yes" if row["enabled"] else "no",
        row["last_sign_in_at"] or "",
        row["created_at"],
    ]


@routes.post(
    "/members/links",
    permission=ACTIVATE,
    summary="One-time sign-in links for many members, shown once",
    query=Where,
    body=schemas.LinksAsked,
    response=list[SignInLinkOut],
    idempotent=False,
)
def make_links(ctx: Context, query: Where, body: schemas.LinksAsked) -> Reply:
    made = []
    for number in sorted(set(body.members)):
        user = service.find(ctx.session, ctx.actor, ctx.permission, number, query.organisation)
        try:
            made.append(service.link(ctx.platform, ctx.session, ctx.actor, user))
        except HimaliaError as error:
            error.details["member"] = number
            raise
    ctx.audit_object = ("member", ",".join(str(number) for number in sorted(set(body.members)))[:128])
    return Reply(made)


@routes.post(
    "/member-imports",
    permission=MANAGE,
    summary="Import members from a CSV file, or try it with dry_run",
    query=schemas.ImportQuery,
    response=schemas.ImportOut,
    status=202,
    streams_body=True,
    body_type="text/csv",
    max_body=LARGEST_FILE,
    idempotent=False,
    keeps_key=True,
)
async def begin_import(ctx: Context, query: schemas.ImportQuery) -> Reply:
    assert ctx.body_stream is not None
    data = b"".join([chunk async for chunk in ctx.body_stream])

    def work(session: Any) -> dict[str, Any]:
        tenant = scope.tenant(session, ctx.actor, ctx.permission, query.organisation)
        asked = f"member import {tenant.id} {query.dry_run} {hashlib.sha256(data).hexdigest()}"
        earlier = once.kept(session, ctx, asked)
        if earlier is not None:
            return earlier
        row = importing.begin(session, ctx.actor, tenant, data, dry_run=query.dry_run)
        found = importing.find(session, ctx.actor, ctx.permission, row.number, tenant.code)
        return once.keep(session, ctx, asked, importing.to_wire(session, found))

    made = await ctx.write(work)
    ctx.audit_object = ("member_import", str(made["id"]))
    ctx.audit_detail = {"lines": made["total"], "dry_run": query.dry_run}
    return Reply(made)


@routes.get(
    "/member-imports/{member_import}",
    permission=MANAGE,
    summary="An import of members and how far it is",
    query=Where,
    response=schemas.ImportOut,
)
def get_import(ctx: Context, member_import: int, query: Where) -> dict[str, Any]:
    row = importing.find(ctx.db, ctx.actor, ctx.permission, member_import, query.organisation)
    return importing.to_wire(ctx.db, row)


@routes.get(
    "/member-imports/{member_import}/lines",
    permission=MANAGE,
    summary="What became of each line",
    query=schemas.LinesQuery,
    response=list[schemas.ImportLine],
)
def import_lines(ctx: Context, member_import: int, query: schemas.LinesQuery) -> list[dict[str, Any]]:
    row = importing.find(ctx.db, ctx.actor, ctx.permission, member_import, query.organisation)
    return importing.lines(ctx.db, row.id, outcome=query.outcome, after=query.after, limit=query.limit)
