"""What a kind of work brings to the engine: its policy, and a translator to a plan.

A new kind of work is a noun that registers a :class:`Translator`; admission, reconciling, metering
and explaining are the engine's and the same for all.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from sqlalchemy.orm import Session

from himalia_hub.backends.protocol import WorkloadPlan
from himalia_hub.compute.tables import Workload
from himalia_hub.core.db import Db


@dataclass(frozen=True, slots=True)
class Policy:
    """How a kind of work lives and ends.

    Args:
        section: The price section and what bills file it under (``notebook``, ``training``, …).
        restart: ``never``; ``on_failure`` up to ``max_failures`` in a row; ``always``, also after
            exit code 0, until it failed ``max_failures`` times in a row without having been ready.
        completes: Exit code 0 is success (a run); otherwise it is an ordinary stop (a notebook).
        launched_outside: The engine waits for :meth:`Engine.launch` instead of applying by itself
            (a notebook, which the hub starts once its reservation is held).
        confirm_seconds: A reservation that nothing observed confirms within is released.
        grace_seconds: Between SIGTERM and SIGKILL.
        probed: Running means that the plan's probe passed, not only that the process exists.
    """

    section: str
    restart: Literal["never", "on_failure", "always"] = "never"
    max_failures: int = 5
    completes: bool = True
    launched_outside: bool = False
    confirm_seconds: float = 120.0
    grace_seconds: int = 10
    probed: bool = False


class Translator(Protocol):
    """One kind of work. Both methods run in the engine's transaction: no network, no waiting."""

    policy: Policy

    def plan(self, session: Session, workload: Workload, attempt: int) -> WorkloadPlan:
        """The plan of one attempt, built anew from ``workload.spec`` and the noun's own rows.

        The engine adds the workload's token and the API's address. Raising a ``HimaliaError``
        fails the attempt with its text.
        """

    def on_change(self, session: Session, workload: Workload) -> None:
        """The phase, the readiness or the addresses changed; the noun mirrors what it shows."""


@runtime_checkable
class WithFolders(Protocol):
    """A kind whose plans mount read-only folders."""

    def folders(self, db: Db, workload: Any) -> Collection[str]:
        """Digests of the manifests that the workload (a row) mounts."""
