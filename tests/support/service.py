"""A real platform service on a free port, on SQLite or PostgreSQL, with two tenants' people.

``service`` is parametrised by database; ``world`` adds the tenants *alpha* and *beta*, each with a
department and one person of every role. ``world.alpha.member.client()`` is an HTTP client that
acts as that person's notebook; ``.client(step_up=True)`` after a step-up; ``.api_client()`` with an
API token of the widest reach.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy.orm import Session

from himalia_hub.auth import permissions, tokens
from himalia_hub.auth.actor import Actor, Reach, TokenKind
from himalia_hub.platform.config import PlatformConfig
from himalia_hub.platform.parts import Platform
from himalia_hub.platform.service import Service
from himalia_hub.tenancy import service as tenancy

HUB_CREDENTIAL = "hub-credential-of-the-tests"
ADMIN_CREDENTIAL = "admin-credential-of-the-tests"


class LiveService:
    """The service on an event loop of its own thread, as the process runs it."""

    def __init__(self, config: PlatformConfig, *, controllers: bool = True) -> None:
        self.config = config
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.service: Service = self._call(self._make())
        self._call(self.service.start(controllers=controllers))

    async def _make(self) -> Service:
        return Service(self.config)

    def _call(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(150)

    @property
    def platform(self) -> Platform:
        return self.service.platform

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.service.port}"

    def write(self, work: Callable[[Session], Any]) -> Any:
        return self._call(self.platform.db.write(work))

    def run(self, work: Any) -> Any:
        """Run a coroutine on the service's loop."""
        return self._call(work)

    def client(self, token: str | None = None, **headers: str) -> httpx.Client:
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        return httpx.Client(base_url=f"{self.base_url}/services/himalia/api/v1", headers=headers, timeout=30)

    def internal(self, credential: str = HUB_CREDENTIAL) -> httpx.Client:
        return httpx.Client(
            base_url=f"{self.base_url}/services/himalia/internal/v1",
            headers={"Authorization": f"Bearer {credential}"},
            timeout=30,
        )

    def close(self) -> None:
        self._call(self.service.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@dataclass
class Person:
    """Somebody of a tenant, able to act."""

    live: LiveService
    user_id: int
    number: int
    name: str
    hub_name: str
    notebook_token: str
    step_up_grant: str
    api_token: str

    def client(self, *, step_up: bool = False, **headers: str) -> httpx.Client:
        if step_up:
            headers["Himalia-Step-Up"] = self.step_up_grant
        return self.live.client(self.notebook_token, **headers)

    def api_client(self, **headers: str) -> httpx.Client:
        return self.live.client(self.api_token, **headers)

    def actor(self) -> Actor:
        with self.live.platform.db.engine.connect() as db:
            return tokens.actor_of_user(db, self.user_id, TokenKind.NOTEBOOK)


@dataclass
class Tenancy:
    """One tenant and its people by role word."""

    tenant_id: int
    code: str
    department_id: int
    people: dict[str, Person] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Person:
        try:
            return self.__dict__["people"][name]  # type: ignore[no-any-return]
        except KeyError:
            raise AttributeError(name) from None


@dataclass
class World:
    live: LiveService
    alpha: Tenancy
    beta: Tenancy


PEOPLE: dict[str, tuple[str, ...]] = {
    "member": (permissions.MEMBER,),
    "colleague": (permissions.MEMBER,),
    "outsider": (permissions.MEMBER,),
    "department_admin": (permissions.DEPARTMENT_ADMIN, permissions.MEMBER),
    "tenant_admin": (permissions.TENANT_ADMIN, permissions.MEMBER),
    "administrator": (permissions.ADMINISTRATOR,),
    "reader": (permissions.READ_ONLY,),
    "operator": (permissions.OPERATOR,),
    "annotator": (permissions.ANNOTATOR,),
    "auditor": (permissions.AUDITOR,),
    "open_api": (permissions.OPEN_API,),
}
"""All but *outsider* are in the tenant's department."""


def add_person(
    live: LiveService, session: Session, tenant_id: int, name: str, roles: tuple[str, ...], department_id: int | None
) -> Person:
    user = tenancy.create_user(session, tenant_id, name, roles=roles, department_id=department_id)
    _, notebook = tokens.issue(session, user_id=user.id, kind=TokenKind.NOTEBOOK)
    _, api = tokens.issue(session, user_id=user.id, kind=TokenKind.API, reach=Reach.PLATFORM, name="tests")
    grant, _ = tenancy.grant_step_up(session, user.id, "tests")
    return Person(live, user.id, user.number, user.name, user.hub_name, notebook, grant, api)


def make_tenancy(live: LiveService, code: str) -> Tenancy:
    def work(session: Session) -> Tenancy:
        tenant = tenancy.create_tenant(session, code=code, name=code.title())
        department = tenancy.create_department(session, tenant.id, "Vision")
        made = Tenancy(tenant.id, code, department.id)
        for word, roles in PEOPLE.items():
            name = f"{code}{word}".replace("_", "")
            inside = None if word == "outsider" else department.id
            made.people[word] = add_person(live, session, tenant.id, name, roles, inside)
        return made

    return live.write(work)  # type: ignore[no-any-return]


def make_config(state: Path, database_url: str, **more: Any) -> PlatformConfig:
    """A configuration with credentials in files and a free port."""
    state.mkdir(parents=True, exist_ok=True)
    (state / "hub.credential").write_text(HUB_CREDENTIAL)
    (state / "admin.credential").write_text(ADMIN_CREDENTIAL)
    if not (state / "encryption").exists():
        (state / "encryption").write_text(secrets.token_hex(32))
    values: dict[str, Any] = {
        "state_dir": str(state),
        "installation": {"id": uuid.uuid4().hex, "name": "Himalia"},
        "listen": {"host": "127.0.0.1", "port": 0},
        "database_url": database_url,
        "hub": {"service_credential_file": str(state / "hub.credential")},
        "admin": {"credential_file": str(state / "admin.credential")},
        "encryption_key_file": str(state / "encryption"),
    }
    for key, value in more.items():
        values[key] = {**values[key], **value} if isinstance(value, dict) and key in values else value
    return PlatformConfig.model_validate(json.loads(json.dumps(values, default=str)))


def live_world(config: PlatformConfig) -> Iterator[World]:
    live = LiveService(config)
    try:
        yield World(live, make_tenancy(live, "alpha"), make_tenancy(live, "beta"))
    finally:
        live.close()
