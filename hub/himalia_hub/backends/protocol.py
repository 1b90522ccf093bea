"""What the engine asks of a place that runs workloads, and what that place answers.

Two implementations keep this contract, ``local`` and ``kubernetes``; one suite in
``tests/contract`` runs against both. The contract knows workloads, never tenants' rules, prices
or people: names arrive as opaque keys that are already safe as a path segment and a DNS label.

Glossary
    workload   something that occupies resources: a notebook, a run, a service variant.
    attempt    one try at running a workload; a restart is a new attempt with a new plan.
    replica    one process tree (local) or pod (Kubernetes) of an attempt, index 0..n-1.
    proof of life  the last moment the backend knows that a replica occupied its resources.

Every method may be called again with the same arguments after any crash and must converge
(``apply`` of a running attempt changes nothing; ``delete`` of a missing one succeeds).
"""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol, runtime_checkable


class BackendError(Exception):
    """A backend could not do what was asked; ``retryable`` says whether trying again can help."""

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.retryable = retryable


@dataclass(frozen=True, slots=True)
class Resources:
    """What one replica occupies, counted per node.

    ``accelerators`` maps an extended resource name (``nvidia.com/gpu``,
    ``nvidia.com/mig-1g.5gb``, ``huawei.com/Ascend910`` …) to a count.
    """

    cpu_millis: int
    memory_bytes: int
    disk_bytes: int = 0
    accelerators: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HomeMount:
    """A writable directory that outlives attempts; ``key`` names it, for example ``u12/n3``."""

    key: str
    path: str


@dataclass(frozen=True, slots=True)
class FolderMount:
    """A read-only folder of content-addressed files, such as a dataset version or a model.

    ``manifest`` is the digest of a JSON Lines blob, one
    ``{"path", "digest", "size"}`` a line, ordered by path. The backend materialises it from a
    node cache keyed by this digest; files are 0444.
    """

    manifest: str
    path: str


@dataclass(frozen=True, slots=True)
class FileMount:
    """A small read-only file whose text is part of the plan (a script, a parameter file)."""

    path: str
    text: str
    mode: int = 0o444


@dataclass(frozen=True, slots=True)
class ScratchMount:
    """An empty writable directory that lives as long as the attempt; counts as its disk use."""

    path: str


Mount = HomeMount | FolderMount | FileMount | ScratchMount


@dataclass(frozen=True, slots=True)
class Port:
    name: str
    number: int


@dataclass(frozen=True, slots=True)
class HttpProbe:
    """Ready once ``GET path`` on ``port`` answers below 400 (or exactly one of ``statuses``)."""

    port: str
    path: str
    timeout_seconds: float = 120.0
    statuses: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeTerm:
    """One wish about a node's label (TRN-2); a preferred one weighs 1 to 100."""

    key: str
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]
    values: tuple[str, ...] = ()
    required: bool = True
    weight: int = 50


@dataclass(frozen=True, slots=True)
class Placement:
    """Where replicas may run; means something on a cluster only.

    ``node_labels`` is the node group, ``tolerated`` taint keys; ``minimum_replicas`` None: all
    start or none does.
    """

    node_labels: Mapping[str, str] = field(default_factory=dict)
    terms: tuple[NodeTerm, ...] = ()
    tolerated: tuple[str, ...] = ()
    priority_class: str = ""
    queue: str = ""
    minimum_replicas: int | None = None


@dataclass(frozen=True, slots=True)
class WorkloadPlan:
    """Everything a backend needs to run one attempt; built anew for each attempt."""

    workload: str
    attempt: int
    kind: str
    tenant: str
    owner: str
    image: str
    command: tuple[str, ...]
    resources: Resources
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    ports: tuple[Port, ...] = ()
    replicas: int = 1
    working_directory: str = "/home/jovyan"
    probe: HttpProbe | None = None
    deadline_seconds: int | None = None
    grace_seconds: int = 10
    labels: Mapping[str, str] = field(default_factory=dict)
    placement: Placement = field(default_factory=Placement)


class ReplicaState(enum.StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    EXITED = "exited"
    LOST = "lost"


class ExitReason(enum.StrEnum):
    """Why a replica ended, told apart from facts and never guessed from text."""

    COMPLETED = "completed"
    EXIT_CODE = "exit_code"
    SIGNAL = "signal"
    OUT_OF_MEMORY = "out_of_memory"
    OUT_OF_DISK = "out_of_disk"
    DEADLINE = "deadline"
    STOPPED = "stopped"
    START_FAILED = "start_failed"
    RUNNER_LOST = "runner_lost"


@dataclass(frozen=True, slots=True)
class StartStep:
    """A line of the start-up tree: admitted, scheduled, image, mounts, server."""

    name: Literal["scheduled", "image", "mounts", "server"]
    state: Literal["waiting", "active", "done", "failed"]
    detail: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    detail_zh: str = ""
    """The same in Chinese, where it is a sentence; empty where a name or number needs no other words."""


@dataclass(frozen=True, slots=True)
class ReplicaUsage:
    """The newest sample of what a replica uses; ``cpu_seconds`` is cumulative."""

    sampled_at: datetime
    cpu_seconds: float
    memory_bytes: int
    disk_bytes: int = 0
    accelerator_busy: Mapping[str, float] = field(default_factory=dict)
    memory_peak_bytes: int = 0
    memory_kills: int = 0
    """How many of its processes the kernel ended for its memory limit, such as a notebook's kernel."""


@dataclass(frozen=True, slots=True)
class ObservedReplica:
    index: int
    state: ReplicaState
    node: str = ""
    ready: bool = False
    addresses: Mapping[str, str] = field(default_factory=dict)
    """Port name to ``host:port`` as reachable from the platform, the hub and the gateway."""
    started_at: datetime | None = None
    """From when resources were occupied."""
    last_alive_at: datetime | None = None
    ended_at: datetime | None = None
    exit_reason: ExitReason | None = None
    exit_code: int | None = None
    signal: int | None = None
    message: str = ""
    usage: ReplicaUsage | None = None
    steps: tuple[StartStep, ...] = ()


@dataclass(frozen=True, slots=True)
class ObservedWorkload:
    workload: str
    attempt: int
    replicas: tuple[ObservedReplica, ...]


@dataclass(frozen=True, slots=True)
class NodeCapacity:
    """Allocatable resources of one node and what observed workloads occupy of them."""

    name: str
    allocatable: Resources
    occupied: Resources
    ready: bool = True
    labels: Mapping[str, str] = field(default_factory=dict)


class WorkloadBackend(Protocol):
    """Runs attempts. All methods are idempotent and raise only :class:`BackendError`."""

    async def apply(self, plan: WorkloadPlan) -> None:
        """Make this attempt exist and run; returns once it is accepted, not once it is ready."""

    async def stop(self, workload: str, attempt: int, *, grace_seconds: int) -> None:
        """SIGTERM, then SIGKILL after the grace; returns at once, ``observe`` shows the end."""

    async def delete(self, workload: str, attempt: int) -> None:
        """Forget an ended attempt: journals, logs and scratch space. Homes stay."""

    async def observe(self) -> Sequence[ObservedWorkload]:
        """Every attempt this backend still knows, running or ended."""

    def logs(
        self, workload: str, attempt: int, *, replica: int = 0, offset: int = 0, follow: bool = False
    ) -> AsyncIterator[tuple[int, bytes]]:
        """Chunks of the replica's output as ``(offset, bytes)``, from a byte offset."""

    async def execute(
        self, workload: str, attempt: int, command: Sequence[str], *, replica: int = 0
    ) -> tuple[int, bytes]:
        """Run a command inside a running replica; answers exit code and output (1 MiB at most)."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What a watching backend says of the time since it was last asked.

    Args:
        workloads: Keys of those that may answer otherwise than before.
        true_at: Until when all others are known to have gone on as they were.
    """

    workloads: frozenset[str]
    true_at: datetime


@runtime_checkable
class WatchingBackend(Protocol):
    """A backend that is told of changes, so that what merely goes on need not be looked at."""

    def take_changes(self) -> Changes:
        """Since this was last asked; for one reader. The first answer names all."""

    def observe_some(self, workloads: Iterable[str]) -> Sequence[ObservedWorkload]:
        """As ``observe``, of these alone."""


class NodeBackend(Protocol):
    async def nodes(self) -> Sequence[NodeCapacity]: ...


class SpaceBackend(Protocol):
    """A tenant's own space: a directory tree locally, a namespace on Kubernetes."""

    async def ensure_space(self, tenant: str) -> None: ...

    async def remove_space(self, tenant: str) -> None: ...

    async def remove_home(self, tenant: str, key: str) -> None: ...

    async def home_bytes(self, tenant: str, key: str) -> int: ...


@dataclass(frozen=True, slots=True)
class RouteTarget:
    """One weighted destination of an inference route; addresses are ``host:port``."""

    name: str
    addresses: tuple[str, ...]
    weight: int
    grpc_addresses: tuple[str, ...] = ()
    workload: str = ""
    attempt: int = 0
    """What answers there: a cluster's own gateway leads to it by name."""


@dataclass(frozen=True, slots=True)
class ServiceRoute:
    """A service's stable address: ``/serving/<tenant>/<service>/`` to weighted targets."""

    tenant: str
    service: str
    targets: tuple[RouteTarget, ...]
    sticky_cookie: str | None = None


class RouteBackend(Protocol):
    async def apply_routes(self, routes: Sequence[ServiceRoute]) -> None:
        """Make exactly these routes live; verified before returning, else the old ones stay."""


class Backend(WorkloadBackend, NodeBackend, SpaceBackend, Protocol):
    """What the engine holds; routes are applied by the gateway, which both backends bring."""

    name: Literal["local", "kubernetes"]
