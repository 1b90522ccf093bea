"""What the platform service is made of; handlers and controllers reach everything through it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from himalia_hub.auth import permissions
from himalia_hub.auth.tokens import RoleCache, digest_of
from himalia_hub.controllers.runner import ControllerRunner
from himalia_hub.core.db import Database, Db
from himalia_hub.core.repeats import Repeats
from himalia_hub.core.sealing import Sealer
from himalia_hub.platform.config import PlatformConfig, secret_of

if TYPE_CHECKING:
    from himalia_hub.backends.protocol import Backend

T = TypeVar("T")
log = logging.getLogger("himalia.platform")


@dataclass
class Platform:
    """One running platform service.

    Nouns register their long-lived helpers with :meth:`provide` under their class and find them
    with :meth:`get`; there is one of each.
    """

    config: PlatformConfig
    db: Database
    audit_repeats: Repeats = field(default_factory=Repeats)
    roles: RoleCache = field(default_factory=RoleCache)
    controllers: ControllerRunner = field(default_factory=ControllerRunner)
    backend: Backend | None = None
    machine_credentials: dict[str, str] = field(default_factory=dict)
    sealer: Sealer = field(default_factory=lambda: Sealer(None))
    """Seals secrets at rest (SEC-4); its key comes from ``encryption_key_file``."""
    shutting_down: bool = False
    closers: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    """Awaited when the service stops, after the controllers: processes and connections of nouns."""
    workload_counts: Callable[[Db], dict[str, int]] | None = None
    """Set by the engine: workloads by phase, for the machine's administrator."""
    _provided: dict[type[Any], Any] = field(default_factory=dict)

    def provide(self, value: Any, *, as_type: type[Any] | None = None) -> None:
        self._provided[as_type or type(value)] = value

    def get(self, kind: type[T]) -> T:
        try:
            return self._provided[kind]  # type: ignore[no-any-return]
        except KeyError:
            raise LookupError(f"{kind.__name__} was not provided; see platform/assembly.py") from None

    def has(self, kind: type[Any]) -> bool:
        return kind in self._provided

    def load_machine_credentials(self) -> None:
        """Read the encryption key, and the hub's and local administrator's credentials (as digests only)."""
        self.sealer = Sealer.from_file(self.config.encryption_key_file)
        for path, role in (
            (self.config.hub.service_credential_file, permissions.HUB),
            (self.config.admin.credential_file, permissions.LOCAL_ADMIN),
        ):
            secret = secret_of(path)
            if secret:
                self.machine_credentials[digest_of(secret)] = role
