"""Specs, environments, workloads, tasks, quotas and notebooks as objects."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Self

from himalia.sdk.base import Collection, ObjectRef, Ref, Resource, wait_until
from himalia.sdk.decode import decode
from himalia.sdk.display import Progress
from himalia.sdk.errors import WorkFailed
from himalia.sdk.profiles import ChosenProfile, SpawnProfile

if TYPE_CHECKING:
    from himalia.sdk.accelerators import Accelerator

ENDED = frozenset({"stopped", "succeeded", "failed", "timed_out"})


@dataclass
class Resources:
    """Of one replica."""

    cpu_millis: int = 0
    memory_bytes: int = 0
    accelerators: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        parts = [f"{self.cpu_millis / 1000:g} CPU", f"{self.memory_bytes / 2**30:g} GiB"]
        return " · ".join(parts + [f"{count} {name}" for name, count in self.accelerators.items()])


@dataclass
class Spec(Resource):
    """A resource spec and its price: a basic one, or an accelerator's that is added to a basic one."""

    kind: str = "basic"
    scenario: str = ""
    resources: Resources = field(default_factory=Resources)
    accelerator_label: str | None = None
    price_per_hour_micros: int = 0

    _path: ClassVar[str] = "/specs"

    def update(self, **changes: Any) -> Self:
        """Change ``name``, ``scenario``, ``cpu_millis`` …; running work keeps what it has, the kind never changes."""
        return self._update(**changes)


class Specs(Collection[Spec]):
    """``client.specs``."""

    def create(
        self,
        name: str,
        *,
        cpu: float = 0,
        memory_gib: float = 0,
        accelerators: dict[str, int] | None = None,
        kind: str = "basic",
        scenario: str = "any",
        card: str | None = None,
    ) -> Spec:
        """A resource spec; for administrators.

        Args:
            cpu: CPUs, and ``memory_gib`` GiB, of a basic spec.
            accelerators: One resource and its count of any other kind (``gpu``, ``gpu_mig``, ``npu``, ``vnpu``).
            card: The card's name, as people know it.
        """
        told = {
            "name": name,
            "kind": kind,
            "scenario": scenario,
            "cpu_millis": round(cpu * 1000),
            "memory_bytes": round(memory_gib * 2**30),
            "accelerators": accelerators or {},
            "accelerator_label": card,
        }
        return decode(Spec, self._client.http.post("/specs", told), self._client)


@dataclass
class Environment:
    """A runtime environment: a Python with locked packages."""

    name: str = ""
    title: str = ""
    digest: str = ""
    state: str = ""
    python: str = ""
    packages: dict[str, str] = field(default_factory=dict)
    size_bytes: int = 0
    uses: list[str] = field(default_factory=list)


@dataclass
class LevelLine:
    resource: str = ""
    limit: int | None = None
    used: int = 0
    available: int | None = None


@dataclass
class Level:
    """Limits of ``user``, ``department`` or ``tenant``."""

    level: str = ""
    name: str = ""
    resources: list[LevelLine] = field(default_factory=list)


@dataclass
class Quota:
    levels: list[Level] = field(default_factory=list)


@dataclass
class Verdict:
    """What a start would meet; ``sentence`` says it in words."""

    verdict: str = ""
    sentence: str = ""
    level: str | None = None
    resource: str | None = None
    asked: int | None = None
    used: int | None = None
    limit: int | None = None
    missing: list[str] = field(default_factory=list)
    uses: dict[str, int] = field(default_factory=dict)
    price_per_hour_micros: int = 0
    queue_position: int | None = None
    expected_start_at: datetime | None = None
    """By when it starts in half of the cases; None where too little is known."""
    expected_start_latest_at: datetime | None = None
    """By when in nine of ten; with too little history by when deadlines alone make room."""

    @property
    def fits(self) -> bool:
        return self.verdict in ("starts_now", "waits")


@dataclass
class Usage:
    """Percentages are of the limit."""

    sampled_at: datetime | None = None
    cpu_percent: float = 0
    cpu_millis: int = 0
    memory_bytes: int = 0
    memory_limit_bytes: int = 0


@dataclass
class Workload(Resource):
    """Something that occupies resources: a notebook, a run, a variant of a service."""

    kind: str = ""
    object: ObjectRef = field(default_factory=ObjectRef)
    phase: str = ""
    reason: str | None = None
    message: str = ""
    queue_position: int | None = None
    expected_start_at: datetime | None = None
    """By when it has room in half of the cases; None where too little is known."""
    expected_start_latest_at: datetime | None = None
    """By when in nine of ten; with too little history by when deadlines alone make room."""
    attempt: int = 0
    resources: Resources = field(default_factory=Resources)
    price_per_hour_micros: int = 0
    cost_micros: int = 0
    usage: Usage | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    exit_code: int | None = None

    _path: ClassVar[str] = "/workloads"

    @property
    def ended(self) -> bool:
        return self.phase in ENDED

    @property
    def waits(self) -> str:
        """Its place in the queue and when it probably starts, in words; empty when it does not wait."""
        if self.phase != "queued" or self.queue_position is None:
            return ""
        place = f"place {self.queue_position}"
        if self.expected_start_at is None:
            latest = self.expected_start_latest_at
            return place if latest is None else f"{place}, within {_until(latest)} at the latest"
        text = f"{place}, likely in {_until(self.expected_start_at)}"
        if self.expected_start_latest_at is None:
            return text
        return f"{text}, within {_until(self.expected_start_latest_at)} in nine of ten cases"

    def log(self, *, follow: bool = False, replica: int = 0) -> Iterator[str]:
        """The log, in pieces as they come; ``follow`` goes on until the work ended."""
        offset, decoder = 0, _Decoder()
        while True:
            answer = self.client.http.request(
                "GET", f"{self.path}/log", query={"offset": offset, "limit": 1 << 20, "replica": replica}
            )
            if text := decoder(answer.content):
                yield text
            following = int(answer.headers.get("Himalia-Log-Next") or offset + len(answer.content))
            grew, offset = following > offset, following
            ended = answer.headers.get("Himalia-Log-End", "true") == "true"
            if grew:
                continue
            if ended or not follow:
                return
            time.sleep(0.4)

    def usage_history(self) -> list[Usage]:
        from himalia.sdk.decode import decode

        samples = self.client.http.get(f"{self.path}/usage")["samples"]
        return [decode(Usage, sample) for sample in samples]


def _until(moment: datetime) -> str:
    """A length of time from now to one unit, rounded up."""
    seconds = max(0.0, (moment - datetime.now(UTC)).total_seconds())
    for size, below, unit in ((1, 90, "s"), (60, 90, "min"), (3600, 48, "h")):
        amount = -int(-seconds // size)
        if amount < below:
            return f"{amount} {unit}"
    return f"{-int(-seconds // 86400)} d"


class _Decoder:
    """UTF-8 over pieces that may end inside a character."""

    def __init__(self) -> None:
        import codecs

        self._decode = codecs.getincrementaldecoder("utf-8")("replace")

    def __call__(self, data: bytes) -> str:
        return self._decode.decode(data)


@dataclass
class Task(Resource):
    """A long operation of the platform."""

    kind: str = ""
    object: ObjectRef = field(default_factory=ObjectRef)
    state: str = ""
    done: int = 0
    total: int | None = None
    unit: str = "items"
    message: str = ""
    result: dict[str, Any] = field(default_factory=dict)
    error: dict[str, Any] = field(default_factory=dict)
    ended_at: datetime | None = None

    _path: ClassVar[str] = "/tasks"

    def wait(self, *, timeout: float | None = None, progress: bool = True) -> Self:
        """Until it ended, with a progress bar.

        Raises:
            WorkFailed: It failed or was cancelled.
            WaitedTooLong: After ``timeout`` seconds.
        """
        title = self.message or self.kind.replace("_", " ").replace(".", " ") or "task"
        with Progress(title, self.total, self.unit, show=progress) as bar:

            def over() -> bool:
                self.refresh()
                bar.at(self.done, self.total)
                return self.state in ("succeeded", "failed", "cancelled")

            wait_until(over, timeout=timeout, what=f"The task {self.kind}", poll=0.3)
        if self.state != "succeeded":
            raise WorkFailed(
                str(self.error.get("detail") or f"The task {self.kind} was {self.state}."),
                code=str(self.error.get("code") or ""),
                hint=str(self.error.get("hint") or ""),
            )
        return self

    def cancel(self) -> Self:
        return self._become(self.client.http.post(f"{self.path}/cancel") or self.client.http.get(self.path))


@dataclass
class Notebook(Resource):
    server_name: str = ""
    spec: Spec | None = None
    environment: Any = None
    description: str = ""
    phase: str = ""
    reason: str | None = None
    message: str = ""
    url: str | None = None
    cost_micros: int = 0
    profile: ChosenProfile | None = None
    workload: Workload | None = None

    _path: ClassVar[str] = "/notebooks"

    @property
    def waits(self) -> str:
        """While it waits for room, its place and when it probably starts; else empty."""
        return self.workload.waits if self.workload else ""

    def start(self, *, profile: str | None = None, profile_options: dict[str, str] | None = None) -> Self:
        """Start it when it is stopped; with another profile or other options, which it then keeps.

        Raises:
            Conflict: It is not stopped, or (``code`` ``profile_gone``) its profile is not offered any longer.
        """
        if profile is not None or profile_options is not None:
            self._update(profile=profile, profile_options=profile_options)
        self.client.http.post(f"{self.path}/start")
        return self.refresh()

    def stop(self) -> Self:
        self.client.http.post(f"{self.path}/stop")
        return self.refresh()


class Notebooks(Collection[Notebook]):
    """``client.notebooks``."""

    def create(
        self,
        name: str,
        *,
        spec: str | int | Spec | None = None,
        accelerator: str | int | Spec | Accelerator | None = None,
        environment: str | None = None,
        description: str = "",
        profile: str | None = None,
        profile_options: dict[str, str] | None = None,
        start: bool = True,
    ) -> Notebook:
        """Make a notebook and, unless told otherwise, start it.

        Args:
            spec: A basic spec by name; the cheapest with a whole CPU when left out.
            accelerator: A spec by name, or :class:`himalia.Accelerator` for any that suffices.
            profile: The slug of a profile of the hub's configuration (:meth:`profiles`); its default when left out.
            profile_options: An option's name to the chosen value.
        """
        told = {
            "name": name,
            **({} if profile is None else {"profile": profile}),
            "profile_options": profile_options or {},
            **self._client.spec_fields(spec, accelerator, "notebook"),
            "environment": environment or self._client.default_environment("notebook"),
            "description": description,
            "start": start,
        }
        return decode(Notebook, self._client.http.post(self._path, told), self._client)

    def profiles(self) -> list[SpawnProfile]:
        """The profiles of the hub's configuration that yours can start with, the default first; mostly none."""
        return [decode(SpawnProfile, raw) for raw in self._client.whole_list("/notebook-profiles")]


@dataclass
class Me:
    """Who asks: ``user.name``, ``tenant.name``, ``permissions`` with their reach."""

    user: Ref = field(default_factory=Ref)
    tenant: Ref = field(default_factory=Ref)
    department: Ref | None = None
    roles: list[str] = field(default_factory=list)
    permissions: dict[str, str] = field(default_factory=dict)
