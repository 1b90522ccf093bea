"""What running work uses right now: the newest samples, kept in memory between observations.

Rates come from differences of cumulative CPU seconds. Samples go to ``usage_samples`` every ten
seconds; older ones are thinned there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from himalia_hub.backends.protocol import ObservedWorkload, ReplicaUsage
from himalia_hub.core import clock


@dataclass(frozen=True, slots=True)
class Sample:
    """Use of all replicas of one workload at a moment; ``cpu_millis`` over the last interval."""

    at: datetime
    cpu_millis: int
    memory_bytes: int
    disk_bytes: int
    accelerators: Mapping[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class _Meter:
    attempt: int
    last: dict[int, ReplicaUsage] = field(default_factory=dict)
    rates: dict[int, float] = field(default_factory=dict)
    peak_memory: int = 0
    sample: Sample | None = None
    kept_at: datetime | None = None


class LiveView:
    """The newest sample per workload."""

    def __init__(self) -> None:
        self._meters: dict[int, _Meter] = {}

    def observe(self, workload_id: int, observed: ObservedWorkload) -> None:
        """Take in what the backend measured."""
        meter = self._meters.get(workload_id)
        if meter is None or meter.attempt != observed.attempt:
            meter = self._meters[workload_id] = _Meter(observed.attempt)
        newest: datetime | None = None
        for replica in observed.replicas:
            usage = replica.usage
            if usage is None:
                continue
            newest = max(newest, usage.sampled_at) if newest else usage.sampled_at
            meter.peak_memory = max(meter.peak_memory, usage.memory_bytes)
            before = meter.last.get(replica.index)
            if before is not None and usage.sampled_at > before.sampled_at:
                seconds = (usage.sampled_at - before.sampled_at).total_seconds()
                meter.rates[replica.index] = max(0.0, usage.cpu_seconds - before.cpu_seconds) / seconds
            if before is None or usage.sampled_at > before.sampled_at:
                meter.last[replica.index] = usage
        if newest is not None and (meter.sample is None or newest > meter.sample.at):
            meter.sample = self._sum(meter, newest)

    @staticmethod
    def _sum(meter: _Meter, at: datetime) -> Sample:
        busy: dict[str, float] = {}
        for usage in meter.last.values():
            for name, percent in usage.accelerator_busy.items():
                busy[name] = max(busy.get(name, 0.0), percent)
        return Sample(
            at=at,
            cpu_millis=round(1000 * sum(meter.rates.values())),
            memory_bytes=sum(usage.memory_bytes for usage in meter.last.values()),
            disk_bytes=sum(usage.disk_bytes for usage in meter.last.values()),
            accelerators=busy,
        )

    def newest(self, workload_id: int) -> Sample | None:
        meter = self._meters.get(workload_id)
        return meter.sample if meter is not None else None

    def peak_memory(self, workload_id: int) -> int:
        """The most memory any one replica of the present attempt was seen to use, bytes."""
        meter = self._meters.get(workload_id)
        return meter.peak_memory if meter is not None else 0

    def to_keep(self, seconds: float) -> list[tuple[int, Sample]]:
        """Samples that are due to be written, one per workload and interval."""
        due = []
        for workload_id, meter in self._meters.items():
            sample = meter.sample
            if sample is None or (meter.kept_at is not None and sample.at <= meter.kept_at):
                continue
            if meter.kept_at is None or (sample.at - meter.kept_at).total_seconds() >= seconds:
                due.append((workload_id, sample))
        return due

    def kept(self, due: list[tuple[int, Sample]]) -> None:
        for workload_id, sample in due:
            if workload_id in self._meters:
                self._meters[workload_id].kept_at = sample.at

    def forget(self, workload_id: int) -> None:
        self._meters.pop(workload_id, None)


def to_wire(sample: Sample | Any, cpu_limit_millis: int, memory_limit_bytes: int) -> dict[str, Any]:
    """The ``Usage`` of the API; percentages are of the limit."""
    return {
        "sampled_at": clock.to_wire(sample.at),
        "cpu_percent": round(100.0 * sample.cpu_millis / cpu_limit_millis, 1) if cpu_limit_millis else 0.0,
        "cpu_millis": sample.cpu_millis,
        "memory_bytes": sample.memory_bytes,
        "memory_limit_bytes": memory_limit_bytes,
        "disk_bytes": sample.disk_bytes,
        "accelerators": dict(sample.accelerators),
    }
