"""Plans: what every kind of work has in common, filled in once.

A translator calls :func:`base` with what is its own; the engine then adds the workload's token
and the API's address (:func:`finish`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.auth import tokens
from himalia_hub.auth.actor import TokenKind
from himalia_hub.backends.protocol import HttpProbe, Mount, NodeTerm, Port, WorkloadPlan
from himalia_hub.compute.assess import resources_of
from himalia_hub.compute.tables import Workload
from himalia_hub.core.db import Db
from himalia_hub.tenancy.tables import Tenant, User


def base(
    db: Db,
    workload: Workload,
    attempt: int,
    *,
    image: str,
    command: Sequence[str],
    environment: Mapping[str, str] | None = None,
    secrets: Mapping[str, str] | None = None,
    mounts: Sequence[Mount] = (),
    ports: Sequence[Port] = (),
    probe: HttpProbe | None = None,
    working_directory: str = "/home/jovyan",
    grace_seconds: int | None = None,
) -> WorkloadPlan:
    """The plan of one attempt: identity, resources and limits from the workload's row."""
    code = db.execute(sa.select(Tenant.code).where(Tenant.id == workload.tenant_id)).scalar_one()
    owner = db.execute(sa.select(User.hub_name).where(User.id == workload.owner_id)).scalar_one()
    return WorkloadPlan(
        workload=workload.key,
        attempt=attempt,
        kind=workload.kind,
        tenant=code,
        owner=owner,
        image=image,
        command=tuple(command),
        resources=resources_of(workload),
        environment=dict(environment or {}),
        secrets=dict(secrets or {}),
        mounts=tuple(mounts),
        ports=tuple(ports),
        replicas=workload.replicas,
        working_directory=working_directory,
        probe=probe,
        deadline_seconds=workload.deadline_seconds,
        grace_seconds=workload.grace_seconds if grace_seconds is None else grace_seconds,
        labels={
            "himalia/workload": workload.key,
            "himalia/attempt": str(attempt),
            "himalia/kind": workload.kind,
        },
    )


def finish(session: Session, workload: Workload, plan: WorkloadPlan, api_url: str | None) -> WorkloadPlan:
    """Add the credential of the workload and where the API is; what the noun set stays.

    The token acts for the owner with reach own and dies with the workload. A second attempt, or a
    plan that a crash made us build again, gets another token beside the first: the running one
    must not lose its own. ``api_url`` None: the backend brings its own address of the API.
    """
    secrets: dict[str, Any] = dict(plan.secrets)
    if "HIMALIA_TOKEN" not in secrets:
        kind = TokenKind.NOTEBOOK if workload.kind == "notebook" else TokenKind.WORKLOAD
        _, secrets["HIMALIA_TOKEN"] = tokens.issue(
            session, user_id=workload.owner_id, kind=kind, name=workload.key, workload_id=workload.id
        )
    return addressed(placed(replace(plan, secrets=secrets), workload.spec), workload.number, api_url)


def placed(plan: WorkloadPlan, spec: Mapping[str, Any]) -> WorkloadPlan:
    """The plan kept to nodes with the card that a wish was resolved to, where others have the same name. Pure."""
    terms = tuple(
        NodeTerm(term["key"], term["operator"], tuple(term["values"]))
        for term in (spec.get("wish") or {}).get("node_terms", ())
    )
    return replace(plan, placement=replace(plan.placement, terms=(*plan.placement.terms, *terms))) if terms else plan


def addressed(plan: WorkloadPlan, number: int, api_url: str | None) -> WorkloadPlan:
    """The plan with what its workload is called and where the API is. Pure."""
    environment = {"HIMALIA_WORKLOAD_ID": str(number), **plan.environment}
    if api_url:
        environment.setdefault("HIMALIA_API_URL", api_url)
    return replace(plan, environment=environment)
