"""What a handler gets: the actor, the database, and the platform's parts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy.orm import Session

from himalia_hub.auth.actor import Actor
from himalia_hub.core.db import Db

if TYPE_CHECKING:
    from himalia_hub.api.routes import Route
    from himalia_hub.platform.parts import Platform

T = TypeVar("T")


@dataclass(slots=True)
class Context:
    """One request."""

    platform: Platform
    route: Route
    actor: Actor
    request_id: str
    language: str
    headers: Any
    if_match: int | None = None
    told: Any = None
    """What the route's ``asks`` found out."""
    _db: Db | None = None
    body_stream: AsyncIterator[bytes] | None = None
    content_type: str = ""
    audit_object: tuple[str, str] = ("", "")
    audit_detail: dict[str, Any] = field(default_factory=dict)
    audit_tenant: int | None = None
    """The organisation it happens in, where that is not the actor's own (row id)."""

    @property
    def permission(self) -> str:
        """The route's permission; every look-up of objects is limited by it."""
        assert self.route.permission is not None
        return self.route.permission

    @property
    def db(self) -> Db:
        """The read snapshot or the unit of work of a plain handler."""
        assert self._db is not None, "async handlers open their own units of work"
        return self._db

    @property
    def session(self) -> Session:
        """The unit of work of a writing handler."""
        assert isinstance(self._db, Session), "only writing handlers have a session"
        return self._db

    async def write(self, work: Callable[[Session], T]) -> T:
        """Run one unit of work from an async handler."""
        return await self.platform.db.write(work)

    def read(self, work: Callable[[Db], T]) -> T:
        """Run one read from an async handler."""
        with self.platform.db.read() as connection:
            return work(connection)
