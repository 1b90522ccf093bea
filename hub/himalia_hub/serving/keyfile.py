"""Writes what the key check knows: services, their keys, and the tokens of their owners.

Only digests are written. An owner's token (notebook, workload, or an API token that includes
``serve.service.predict``) opens the owner's services, as everywhere: reach own.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from himalia_hub.auth.actor import TokenKind
from himalia_hub.core import clock
from himalia_hub.core.db import Db
from himalia_hub.platform.parts import Platform
from himalia_hub.serving.keycheck import SCHEMA
from himalia_hub.serving.tables import InferenceService, ServiceKey
from himalia_hub.tenancy.tables import Department, Tenant, Token, User

PERMISSION = "serve.service.predict"
COALESCE_SECONDS = 0.1
KINDS = (TokenKind.API.value, TokenKind.NOTEBOOK.value, TokenKind.WORKLOAD.value)


def document(platform: Platform, db: Db) -> dict[str, Any]:
    """The content of the file, from the database."""
    now = clock.now()
    in_force = sa.and_(
        User.enabled.is_(True),
        Tenant.enabled.is_(True),
        sa.or_(Department.id.is_(None), Department.enabled.is_(True)),
        sa.or_(Tenant.valid_until.is_(None), Tenant.valid_until > now),
    )
    services = db.execute(
        sa.select(
            InferenceService.id,
            InferenceService.slug,
            InferenceService.owner_id,
            Tenant.code,
            User.epoch,
            User.number.label("user_number"),
        )
        .join(User, User.id == InferenceService.owner_id)
        .join(Tenant, Tenant.id == InferenceService.tenant_id)
        .outerjoin(Department, Department.id == User.department_id)
        .where(InferenceService.deleted_at.is_(None), in_force)
        .order_by(InferenceService.id)
    ).all()
    keys: dict[int, dict[str, Any]] = {service.id: {} for service in services}
    for key in db.execute(
        sa.select(ServiceKey.__table__).where(ServiceKey.revoked_at.is_(None)).order_by(ServiceKey.id)
    ):
        if key.service_id in keys and (key.expires_at is None or key.expires_at > now):
            keys[key.service_id][key.digest] = _entry(f"key:{key.number}", key.expires_at, key.requests_per_minute)
    owners = {service.owner_id: service for service in services}
    return {
        "schema": SCHEMA,
        "services": {
            f"{service.code}/{service.slug}": {
                "tenant": service.code,
                "owner": str(service.owner_id),
                "keys": keys[service.id],
            }
            for service in services
        },
        "people": {
            str(owner_id): _tokens(db, owner_id, f"user:{service.user_number}", now)
            for owner_id, service in owners.items()
            if PERMISSION in platform.roles.get(db, owner_id, service.epoch).reaches
        },
    }


def _tokens(db: Db, user_id: int, caller: str, now: Any) -> dict[str, Any]:
    rows = db.execute(
        sa.select(Token.digest, Token.expires_at, Token.scopes, Token.kind).where(
            Token.user_id == user_id,
            Token.kind.in_(KINDS),
            Token.revoked_at.is_(None),
            sa.or_(Token.expires_at.is_(None), Token.expires_at > now),
        )
    )
    return {
        row.digest: _entry(caller, row.expires_at, None)
        for row in rows
        if row.scopes is None or PERMISSION in row.scopes
    }


def _entry(caller: str, expires_at: Any, per_minute: int | None) -> dict[str, Any]:
    entry: dict[str, Any] = {"caller": caller}
    if expires_at is not None:
        entry["expires"] = expires_at.timestamp()
    if per_minute is not None:
        entry["per_minute"] = per_minute
    return entry


class KeyFileController:
    """Keeps the file as the database is; written by rename, and only when it differs."""

    name = "serving-keys"
    interval_seconds = 5.0
    wakes_on_commit = True

    def __init__(self, platform: Platform, path: Path) -> None:
        self._platform = platform
        self._path = path
        self._written: bytes | None = None

    async def step(self) -> None:
        with self._platform.db.read() as db:
            content = json.dumps(document(self._platform, db)).encode()
        if content != self._written:
            await asyncio.to_thread(self._write, content)
            self._written = content
        await asyncio.sleep(COALESCE_SECONDS)

    def _write(self, content: bytes) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_name(f".{self._path.name}.new")
        temporary.touch(mode=0o600)
        temporary.write_bytes(content)
        temporary.replace(self._path)
