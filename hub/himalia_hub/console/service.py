"""Counting for the checklist (CON-6); what follows from the counts is in ``rules``."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from himalia_hub.auth.actor import Actor, Reach
from himalia_hub.auth.permissions import BUILT_IN_ROLES, BY_NAME, TENANT_ADMIN
from himalia_hub.billing import ledger, prices
from himalia_hub.compute import quotas, specs
from himalia_hub.compute import resources as res
from himalia_hub.compute.engine import Engine
from himalia_hub.compute.tables import QuotaLimit, ResourceSpec
from himalia_hub.console import rules
from himalia_hub.core.db import Db
from himalia_hub.platform.parts import Platform
from himalia_hub.tenancy.tables import Department, Tenant, User, UserRole


def _count(db: Db, statement: Any) -> int:
    return int(db.execute(sa.select(sa.func.count()).select_from(statement.subquery())).scalar_one())


def facts(platform: Platform, db: Db, tenant_id: int) -> rules.Facts:
    """Everything the two lists are made from."""
    engine = platform.get(Engine)
    entries = prices.listed(db, history=False, accelerators=engine.accelerators())
    current = [entry for entry in entries if entry["state"] == "current"]
    priced = {entry["resource"] for entry in current}
    unset = [entry["resource"] for entry in entries if entry["state"] == "unset"]
    people = sa.select(User.id).where(
        User.tenant_id == tenant_id, User.enabled, User.deleted_at.is_(None), User.guest.is_(False)
    )
    administrators = sa.select(UserRole.user_id).where(UserRole.role == TENANT_ADMIN)
    limited = sa.select(QuotaLimit.subject_id).where(QuotaLimit.level == quotas.USER)
    departments = sa.select(QuotaLimit.subject_id).where(QuotaLimit.level == quotas.DEPARTMENT)
    unlimited = people.where(
        User.id.not_in(administrators),
        User.id.not_in(limited),
        sa.or_(User.department_id.is_(None), User.department_id.not_in(departments)),
    )
    balance, held, _ = ledger.read_account(db, tenant_id)
    limits = quotas.limits_of(db, quotas.TENANT, tenant_id)
    basic = sa.select(ResourceSpec.id).where(ResourceSpec.deleted_at.is_(None), ResourceSpec.kind == specs.BASIC)
    return rules.Facts(
        organisations=_count(db, sa.select(Tenant.id).where(Tenant.deleted_at.is_(None))),
        specs=_count(db, basic),
        unpriced=tuple(name for name in unset if name not in priced),
        priced=len(priced),
        all_free=all(entry["price_per_hour"] == "0" for entry in current),
        administrators=_count(db, people.where(User.id.in_(administrators))),
        without=quotas.missing(limits, engine.default_limits(), single_machine=engine.single_machine),
        balance_micros=balance - held,
        departments=_count(
            db, sa.select(Department.id).where(Department.tenant_id == tenant_id, Department.deleted_at.is_(None))
        ),
        members=_count(db, people.where(User.id.not_in(administrators))),
        members_without_quota=_count(db, unlimited),
    )


def _reach(key: str) -> Reach:
    return Reach.PLATFORM if key in rules.OF_THE_PLATFORM else Reach.ORGANISATION


def roles_for(key: str) -> list[str]:
    """The built-in roles that can do an item, from the one table of permissions."""
    holders = BY_NAME[rules.PERMISSIONS[key]].roles
    return [role for role in BUILT_IN_ROLES if holders.get(role, 0) >= _reach(key)]


def may(actor: Actor, key: str) -> bool:
    """The actor can do it, with a step-up where it takes one."""
    permission = rules.PERMISSIONS[key]
    return max(actor.held.get(permission, 0), actor.grants.get(permission, 0)) >= _reach(key)


_PRICED_AS = {"cpu": res.CPU, "memory": res.MEMORY, "storage": res.STORAGE}
"""Prices name what is charged in short words; a quota's names say the unit too."""


def _words_of(resource: str, language: str) -> str:
    named = _PRICED_AS.get(resource, resource)
    return res.name_zh(named) if language == "zh" else res.name_en(named)


def to_wire(
    scope: str, code: str | None, name: str, items: list[rules.Item], actor: Actor, language: str
) -> dict[str, Any]:
    """The ``Checklist`` of the API."""
    shown = []
    for item in items:
        names = [_words_of(one, language) for one in item.missing]
        title, detail = rules.words(item, names, language)
        shown.append(
            {
                "key": item.key,
                "done": item.done,
                "title": title,
                "detail": detail,
                "have": item.have,
                "missing": list(item.missing),
                "roles": roles_for(item.key),
                "may": may(actor, item.key),
            }
        )
    complete = all(item.done for item in items)
    return {"scope": scope, "code": code, "name": name, "complete": complete, "items": shown}
