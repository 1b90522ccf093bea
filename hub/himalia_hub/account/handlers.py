"""Who you are, what this installation is, long operations, and your API tokens."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field

import himalia
from himalia_hub.account import schemas
from himalia_hub.api.context import Context
from himalia_hub.api.routes import Reply, RouteTable
from himalia_hub.auth import permissions, tokens
from himalia_hub.auth.actor import Reach, TokenKind
from himalia_hub.core import clock, objects, paging, tasks
from himalia_hub.core.errors import InvalidInput, NotFound
from himalia_hub.core.tables import TaskRow
from himalia_hub.tenancy.tables import StepUp, Token

routes = RouteTable("account")


@routes.get("/health", permission=None, summary="Is the platform able to work", response=schemas.Health)
def health(ctx: Context) -> dict[str, Any]:
    """200 after a read of the database; an error otherwise."""
    ctx.db.execute(sa.text("SELECT 1")).scalar_one()
    return {"status": "ok", "version": himalia.__version__, "database": "ok"}


@routes.get("/me", permission="account.self.read", summary="Who you are and what you may do", response=schemas.Me)
def me(ctx: Context) -> dict[str, Any]:
    actor = ctx.actor
    until = None
    grant = ctx.headers.get("Himalia-Step-Up")
    if actor.stepped_up and grant:
        until = ctx.db.execute(sa.select(StepUp.expires_at).where(StepUp.digest == tokens.digest_of(grant))).scalar()
    department = (
        {"id": actor.department_number, "name": actor.department_name} if actor.department_id is not None else None
    )
    return {
        "user": {"id": actor.user_number, "name": actor.user_name, "display_name": actor.display_name},
        "tenant": {"code": actor.tenant_code, "name": actor.tenant_name},
        "department": department,
        "roles": list(actor.roles),
        "permissions": {name: reach.word for name, reach in actor.grants.items()},
        "with_step_up": {name: reach.word for name, reach in actor.held.items() if actor.grants.get(name) != reach},
        "step_up": {"until": clock.to_wire(until)} if until else None,
        "token": {"kind": actor.token_kind.value},
    }


@routes.get(
    "/installation",
    permission="account.self.read",
    summary="What this installation is",
    response=schemas.InstallationInfo,
)
def installation(ctx: Context) -> dict[str, Any]:
    config = ctx.platform.config
    return {
        "name": config.installation.name,
        "version": himalia.__version__,
        "currency": config.currency.model_dump(),
        "isolation": config.isolation,
        "backend": config.backend.kind,
        "hub_url": config.public.hub_url,
        "api_url": config.public.api_url,
    }


class TaskQuery(paging.ListQuery):
    state: str | None = None
    kind: str | None = None
    active: bool | None = None


@routes.get(
    "/tasks",
    permission="compute.task.read",
    summary="Long operations",
    query=TaskQuery,
    response=paging.Page[schemas.Task],
)
def list_tasks(ctx: Context, query: TaskQuery) -> dict[str, Any]:
    statement = sa.select(TaskRow.__table__).where(objects.visible(TaskRow, ctx.actor, ctx.permission))
    if query.state:
        statement = statement.where(TaskRow.state == query.state)
    if query.kind:
        statement = statement.where(TaskRow.kind == query.kind)
    if query.active is not None:
        active = TaskRow.state.in_(tasks.ACTIVE)
        statement = statement.where(active if query.active else sa.not_(active))
    return paging.page(
        ctx.db,
        statement,
        query,
        sorts={
            "updated_at": TaskRow.updated_at,
            "created_at": TaskRow.created_at,
            "name": TaskRow.name,
            "status": TaskRow.state,
        },
        key=TaskRow.id,
        render=tasks.to_wire,
        search=(TaskRow.name, TaskRow.kind),
    )


@routes.get("/tasks/{task}", permission="compute.task.read", summary="One long operation", response=schemas.Task)
def get_task(ctx: Context, task: int) -> dict[str, Any]:
    row = ctx.db.execute(
        sa.select(TaskRow.__table__).where(objects.visible(TaskRow, ctx.actor, ctx.permission), TaskRow.number == task)
    ).first()
    if row is None:
        raise NotFound()
    return tasks.to_wire(row)


@routes.post(
    "/tasks/{task}/cancel",
    permission="compute.task.cancel",
    summary="Cancel a long operation",
    response=schemas.Task,
    status=202,
)
def cancel_task(ctx: Context, task: int) -> dict[str, Any]:
    row = objects.find(ctx.session, TaskRow, ctx.actor, ctx.permission, task, lock=True)
    if row.state in tasks.ACTIVE and not row.cancel_requested:
        row.cancel_requested = True
        objects.touch(ctx.session, "task", row)
    return tasks.to_wire(row)


# -- API tokens (TEN-18) ----------------------------------------------------------------------


class TokenCreate(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: Annotated[str, Field(min_length=1, max_length=64)]
    permissions: list[str] | None = None
    reach: Annotated[str, Field(pattern="^(own|department|organisation|platform)$")] = "own"
    expires_at: datetime | None = None


def _token_to_wire(row: Any) -> dict[str, Any]:
    return {
        "id": row.number,
        "name": row.name,
        "prefix": row.prefix,
        "permissions": row.scopes,
        "reach": Reach(row.reach).word,
        "created_at": clock.to_wire(row.created_at),
        "expires_at": clock.to_wire(row.expires_at),
    }


@routes.get(
    "/api-tokens", permission="account.token.manage", summary="Your API tokens", response=list[schemas.ApiToken]
)
def list_tokens(ctx: Context) -> list[dict[str, Any]]:
    rows = ctx.db.execute(
        sa.select(Token.__table__)
        .where(Token.user_id == ctx.actor.user_id, Token.kind == TokenKind.API.value, Token.revoked_at.is_(None))
        .order_by(Token.number)
    )
    return [_token_to_wire(row) for row in rows]


@routes.post(
    "/api-tokens",
    permission="account.token.manage",
    summary="Create an API token; the secret is shown once",
    body=TokenCreate,
    response=schemas.NewApiToken,
    status=201,
    idempotent=False,
)
def create_token(ctx: Context, body: TokenCreate) -> Reply:
    actor = ctx.actor
    unknown = [name for name in body.permissions or [] if name not in permissions.BY_NAME]
    if unknown:
        raise InvalidInput(
            f"permissions: {unknown[0]!r} is not a permission.",
            zh=f"permissions：没有名为 {unknown[0]!r} 的权限。",
            field="permissions",
            rule="names from the table of permissions",
            value=unknown[0],
        )
    if body.expires_at is not None and (body.expires_at.tzinfo is None or body.expires_at <= clock.now()):
        raise InvalidInput(
            "expires_at: a moment in the future, with its time zone.",
            zh="expires_at：应为带时区的未来时刻。",
            field="expires_at",
            rule="in the future, with a time zone",
            value=body.expires_at.isoformat(),
        )
    reach = Reach[body.reach.upper()]
    if reach is not Reach.OWN and not actor.stepped_up:
        raise InvalidInput(
            "reach: a token that reaches beyond your own things needs the step-up first.",
            zh="reach：范围超出本人的令牌需要先确认身份。",
            field="reach",
            rule="own, or after the step-up",
            value=body.reach,
            code="step_up_required",
        )
    number = objects.next_number(ctx.session, actor.tenant_id, "api_token")
    row_id, secret = tokens.issue(
        ctx.session,
        user_id=actor.user_id,
        kind=TokenKind.API,
        name=body.name,
        number=number,
        scopes=body.permissions,
        reach=reach,
        expires_at=body.expires_at,
    )
    row = ctx.session.execute(sa.select(Token.__table__).where(Token.id == row_id)).one()
    ctx.audit_object = ("api_token", str(number))
    return Reply({**_token_to_wire(row), "token": secret})


@routes.delete("/api-tokens/{token}", permission="account.token.manage", summary="Revoke an API token")
def revoke_token(ctx: Context, token: int) -> None:
    changed = ctx.session.execute(
        sa.update(Token)
        .where(
            Token.user_id == ctx.actor.user_id,
            Token.kind == TokenKind.API.value,
            Token.number == token,
            Token.revoked_at.is_(None),
        )
        .values(revoked_at=clock.now())
        .returning(Token.id)
    ).all()
    if not changed:
        raise NotFound()
