"""Who you are, what this installation is, long operations, and your API tokens."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field

import himalia
from himalia_hub.account import api_tokens, schemas
from himalia_hub.api.context import Context
from himalia_hub.api.routes import Reply, RouteTable
from himalia_hub.auth import tokens
from himalia_hub.core import clock, names, objects, paging, tasks
from himalia_hub.core.errors import InvalidInput, NotFound
from himalia_hub.core.tables import TaskRow
from himalia_hub.tenancy.tables import StepUp

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
    name: Annotated[str, Field(max_length=200), names.visible(64)]
    permissions: list[str] | None = None
    reach: Literal["own", "department", "organisation", "platform"] = "own"
    expires_at: datetime | None = None


@routes.get(
    "/api-tokens", permission="account.token.manage", summary="Your API tokens", response=list[schemas.ApiToken]
)
def list_tokens(ctx: Context) -> list[dict[str, Any]]:
    return api_tokens.listed(ctx.db, ctx.actor.user_id)


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
    refuse_key(ctx)
    made = api_tokens.create(
        ctx.session,
        ctx.actor,
        name=body.name,
        scopes=body.permissions,
        reach=body.reach,
        expires_at=body.expires_at,
        proven=ctx.actor.stepped_up,
    )
    ctx.audit_object = ("api_token", str(made["id"]))
    return Reply(made)


def refuse_key(ctx: Context) -> None:
    """A secret is shown once: its answer is not kept for an ``Idempotency-Key`` to replay (TEN-18, GEN-6)."""
    if ctx.headers.get("Idempotency-Key") is not None:
        raise InvalidInput(
            "Idempotency-Key: not taken here, because a token's secret is shown once and never kept.",
            zh="Idempotency-Key：此处不接受，因为令牌密钥只显示一次且不保存。",
            field="Idempotency-Key",
            rule="absent",
            hint="Send it without the key; if the answer was lost, list your tokens and revoke the one you cannot use.",
            hint_zh="请去掉该请求头；若未收到应答，请列出令牌并撤销无法使用的那个。",
            code="idempotency_not_offered",
        )


@routes.delete("/api-tokens/{token}", permission="account.token.manage", summary="Revoke an API token")
def revoke_token(ctx: Context, token: int) -> None:
    api_tokens.revoke(ctx.session, ctx.actor, token)
