"""``/security-policy``: read it, replace it; in force at once, each change audited (TEN-20)."""

from __future__ import annotations

from typing import Any

from himalia_hub.api.context import Context
from himalia_hub.api.routes import RouteTable
from himalia_hub.core import security_policy as policies
from himalia_hub.core.errors import StaleVersion, VersionRequired
from himalia_hub.core.security_policy import SecurityPolicy

routes = RouteTable("security")
MANAGE = "tenancy.policy.manage"


class VersionedPolicy(SecurityPolicy):
    """The policy in force with the version that ``If-Match`` names."""

    version: int


def _to_wire(policy: SecurityPolicy, version: int) -> dict[str, Any]:
    return {**policy.model_dump(), "version": version}


@routes.get("/security-policy", permission=MANAGE, summary="The security policy in force", response=VersionedPolicy)
def read_policy(ctx: Context) -> dict[str, Any]:
    return _to_wire(*policies.load_versioned(ctx.db))


@routes.put(
    "/security-policy",
    permission=MANAGE,
    summary="Replace the security policy; it is in force at once",
    body=SecurityPolicy,
    response=VersionedPolicy,
    if_match=True,
    object_kind="security_policy",
)
def replace_policy(ctx: Context, body: SecurityPolicy) -> dict[str, Any]:
    session = ctx.session
    policies.lock(session)
    present, version = policies.load_versioned(session)
    if ctx.if_match is None:
        raise VersionRequired(
            "This change needs an If-Match header with the ETag you last read.",
            zh="此修改需要 If-Match 请求头，其值为您上次读取的 ETag。",
            field="If-Match",
            rule="required",
        )
    if ctx.if_match != version:
        raise StaleVersion(
            f"Somebody changed the policy since you read it: it is at version {version}, you sent {ctx.if_match}.",
            zh=f"您读取之后已有人修改策略：当前版本为 {version}，您发送的是 {ctx.if_match}。",
            field="If-Match",
            rule="must equal the present version",
            value=ctx.if_match,
            current_version=version,
        )
    policies.save(session, body, version + 1)
    before, after = present.model_dump(), body.model_dump()
    changed = [name for name in after if before[name] != after[name]]
    ctx.audit_object = ("security_policy", "1")
    ctx.audit_detail = {
        "sent": {},
        "before": {name: before[name] for name in changed},
        "after": {name: after[name] for name in changed},
    }
    return _to_wire(body, version + 1)
