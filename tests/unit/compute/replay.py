"""Traces of work through the queue's own rule, asking at each submission when it will start (BEY-3).

A trace is made of a law of durations, a rate of submissions, sizes, priorities and deadlines, and their
drift. :func:`replay` plays it event by event with ``queue.admissible`` and asks ``forecast`` about all
that has to wait, knowing no more than what had happened by then; how answers turned out is followed as
the platform does it.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from himalia_hub.compute import forecast
from himalia_hub.compute.queue import Waiting, admissible

RELEARN = 50
"""Ends between two readings of the history; the platform reads it anew after some minutes."""


@dataclass(frozen=True)
class Trace:
    """How work comes and how long it lasts; ``seed`` makes it the same every time.

    Args:
        lasts: Seconds of one piece of work of a kind.
        size: What it asks for.
        load: Submitted work over capacity, of the scarcest resource.
        drift: Factor on durations by progress of the trace (0 to 1).
        deadline: Seconds after which it is ended, or None.
        together: Probability that a submission is followed by some more of its like at once.
    """

    name: str
    lasts: Callable[[random.Random, str], float]
    size: Callable[[random.Random], dict[str, int]]
    load: float
    kinds: str = "a"
    capacity: Mapping[str, int] = field(default_factory=lambda: {"cpu": 24})
    drift: Callable[[float], float] = lambda progress: 1.0
    priority: Callable[[random.Random], int] = lambda chance: 0
    deadline: Callable[[random.Random], float | None] = lambda chance: None
    together: float = 0.0
    length: int = 1000
    warm: int = 300
    every: int = 1
    seed: int = 1


@dataclass
class Work:
    number: int
    submitted: float
    kind: str
    tenant: int
    asked: dict[str, int]
    priority: int
    lasts: float
    longest: float | None
    began: float = -1.0
    ended: float | None = None

    @property
    def group(self) -> forecast.Group:
        return forecast.Group(self.kind, self.tenant, str(sorted(self.asked.items())))

    def case(self) -> forecast.Case:
        return forecast.Case(
            self.group,
            self.began,
            self.ended,
            created=self.submitted,
            priority=self.priority,
            asked=self.asked,
            longest=self.longest,
        )


@dataclass(frozen=True)
class Outcome:
    """Of the answers that were given: how often the start came by then; ``silent`` is the share without answer."""

    name: str
    answers: int
    half: float
    most: float
    uncalibrated: float
    silent: float


def submissions(trace: Trace) -> list[Work]:
    chance = random.Random(trace.seed)
    probe = random.Random(0)
    seconds = sum(trace.lasts(probe, probe.choice(trace.kinds)) for _ in range(5000)) / 5000
    asked = [trace.size(probe) for _ in range(1000)]
    share = max(sum(one.get(name, 0) for one in asked) / 1000 / most for name, most in trace.capacity.items())
    gap = seconds * share / trace.load
    at, more, found = 0.0, 0, list[Work]()
    for number in range(trace.length):
        at += chance.expovariate(1 / gap) * (0.02 if more else 1 + 4 * trace.together)
        if more:
            more -= 1
            kind, size, tenant = found[-1].kind, found[-1].asked, found[-1].tenant
        else:
            kind, size, tenant = chance.choice(trace.kinds), trace.size(chance), chance.randrange(4)
            if chance.random() < trace.together:
                more = chance.randrange(2, 8)
        longest = trace.deadline(chance)
        lasts = trace.lasts(chance, kind) * trace.drift(number / trace.length)
        lasts = lasts if longest is None else min(lasts, longest)
        found.append(Work(number, at, kind, tenant, size, trace.priority(chance), lasts, longest))
    return found


class Replay:
    """One trace being played."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.coming = submissions(trace)[::-1]
        self.free = dict(trace.capacity)
        self.running: dict[int, Work] = {}
        self.waiting: dict[int, Work] = {}
        self.ended: list[Work] = []
        self.ends: list[tuple[float, int]] = []
        self.asked: dict[int, tuple[float, forecast.Start]] = {}
        self.results: list[tuple[bool, bool, bool]] = []
        self.silent = 0
        self.calibration = forecast.Calibration()
        self.history: tuple[int, forecast.History] | None = None

    def run(self) -> Outcome:
        while self.coming or self.asked:
            if self.ends and (not self.coming or self.ends[0][0] <= self.coming[-1].submitted):
                now, number = heapq.heappop(self.ends)
                work = self.running.pop(number)
                work.ended = now
                self.ended.append(work)
                for name, amount in work.asked.items():
                    self.free[name] += amount
                self.admit(now)
                continue
            work = self.coming.pop()
            self.waiting[work.number] = work
            self.admit(work.submitted)
            if work.number in self.waiting and work.number >= self.trace.warm and not work.number % self.trace.every:
                self.ask(work)
        count = len(self.results)
        shares = [sum(column) / count for column in zip(*self.results, strict=True)]
        return Outcome(self.trace.name, count, shares[0], shares[1], shares[2], self.silent / (count + self.silent))

    def admit(self, now: float) -> None:
        queue = [Waiting(work.number, work.priority, work.asked) for work in self.waiting.values()]
        for number in admissible(queue, self.free):
            work = self.waiting.pop(number)
            work.began = now
            self.running[number] = work
            heapq.heappush(self.ends, (now + work.lasts, number))
            for name, amount in work.asked.items():
                self.free[name] -= amount
            if number in self.asked:
                submitted, start = self.asked.pop(number)
                took = now - submitted
                raw = forecast.quantile(start.draws, forecast.MOST)
                assert start.half is not None and start.most is not None
                self.results.append((took <= start.half, took <= start.most, raw is None or took <= raw))
                self.calibration.started(number, now)

    def ask(self, work: Work) -> None:
        now = work.submitted
        self.calibration.passed(now)
        if self.history is None or len(self.ended) - self.history[0] >= RELEARN:
            known = self.ended[-1000:]
            since = known[0].ended if len(self.ended) > 1000 else 0.0
            cases = [one.case() for one in (*known, *self.running.values())]
            self.history = len(self.ended), forecast.History(cases, now, since=since)
        running = [
            forecast.Running(
                one.group, one.asked, now - one.began, None if one.longest is None else one.longest - now + one.began
            )
            for one in self.running.values()
        ]
        waiting = [
            forecast.Queued(one.number, one.priority, one.group, one.asked, one.longest)
            for one in self.waiting.values()
        ]
        found, _ = forecast.forecast(
            self.history[1], self.trace.capacity, running, waiting, shares=self.calibration.shares
        )
        start = found.get(work.number, forecast.NOTHING)
        if start.half is None or start.most is None:
            self.silent += 1
            return
        self.asked[work.number] = now, start
        self.calibration.told(work.number, now, start)
