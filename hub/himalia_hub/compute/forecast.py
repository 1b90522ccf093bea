"""When work that waits will probably start: half of the cases, and nine of ten (BEY-3). Pure.

What ended before says how long such work occupies its resources; what runs now has a remaining time
that follows from its age; the queue's own rule says who starts when something ends. A simulation
draws the remaining times and plays the queue, over and over; the quantiles of the starts are the answer.

- How long: the product-limit estimator of Kaplan and Meier (1958) with delayed entry, so that work that
  still runs counts as what it is, an observation without an end. One more observation without an end is
  added (Susarla and Van Ryzin 1976 with that prior), which leaves room for what is longer than all seen.
- Beyond the longest watched: a Pareto tail, its index by Hill (1975).
- How sure: every draw uses one of several Bayesian bootstrap replicates (Rubin 1981) of each law, so that
  few cases give wide answers.
- Right often enough: :class:`Calibration` follows how earlier answers turned out (adaptive conformal
  inference, Gibbs and Candès 2021).

Reading the history and keeping it is ``outlook``'s.
"""

from __future__ import annotations

import heapq
import math
import random
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

FEWEST = 12
"""Ended cases of a kind below which nothing is said about it."""
ENOUGH = 40
"""Ended cases from which a narrower group speaks for itself."""
NEWEST = 300
"""Cases of a group that are looked at, the newest ones: what people do changes."""
REPLICATES = 16
DRAWS, FEWEST_DRAWS = 100, 40
STEPS = 40_000
"""Looks at work after which a forecast draws no more, once it has drawn the fewest."""
PLACES = 100
"""Of the queue; nothing is said about who is further behind."""
HALF, MOST, LAST = 0.5, 0.9, 0.99
_LOOK = 6
"""Of those that do not fit, after how many it is asked whether anybody behind could."""
_SEED = 0x48696D61


class Group(NamedTuple):
    """What work is like; narrower groups come first in :meth:`History.laws`."""

    kind: str
    tenant_id: int
    size: str
    """What tells sizes apart, such as CPU and accelerators in one word."""


@dataclass(frozen=True, slots=True)
class Case:
    """One workload that has or had room. Moments are seconds on any one clock.

    Args:
        began: When it got its room.
        ended: When it gave it back; None while it has it.
        longest: How long it might run at most, seconds; what was ended by that says no more than that it
            would have gone on.
    """

    group: Group
    began: float
    ended: float | None
    created: float = 0.0
    priority: int = 0
    asked: Mapping[str, int] = field(default_factory=dict)
    longest: float | None = None

    @property
    def by_itself(self) -> bool:
        return self.ended is not None and (self.longest is None or self.ended - self.began < self.longest)


@dataclass(frozen=True, slots=True)
class Running:
    """Work with room: for how long already (``age``, seconds), and how much longer at most (``left``)."""

    group: Group
    asked: Mapping[str, int]
    age: float
    left: float | None = None


@dataclass(frozen=True, slots=True)
class Queued:
    """Work without room; ``longest`` is how long it may run at most, seconds."""

    workload_id: int
    priority: int
    group: Group
    asked: Mapping[str, int]
    longest: float | None = None


@dataclass(frozen=True, slots=True)
class Start:
    """Seconds from now until work has room: by ``half`` in one of two cases, by ``most`` in nine of ten.

    None where it cannot be said. ``draws`` are all simulated starts, ascending, infinite where none was seen.
    """

    half: float | None
    most: float | None
    draws: tuple[float, ...] = ()


NOTHING = Start(None, None)


class Watched(NamedTuple):
    """How long one workload was watched: from one age to another, seconds, and whether it ended then."""

    entry: float
    exit: float
    ended: bool


class Law:
    """How long work of a group occupies its resources: a survival curve over seconds."""

    __slots__ = ("_level", "_tail", "_times")

    def __init__(self, times: list[float], levels: list[float], tail: float) -> None:
        """``levels`` are the shares that outlive each of the ascending ``times``; beyond them a Pareto ``tail``."""
        self._times, self._level, self._tail = times, [-level for level in levels], tail

    def survival(self, age: float) -> float:
        """The share of work that lasts longer than ``age`` seconds."""
        times = self._times
        if age > times[-1] > 0:
            return -self._level[-1] * math.pow(times[-1] / age, self._tail)
        return -self._level[bisect_right(times, age) - 1]

    def remaining(self, age: float, chance: float) -> float:
        """Seconds that work of this age goes on, exceeded with probability ``chance`` (above 0, up to 1)."""
        times, level = self._times, self._level
        wanted = chance * (self.survival(age) if age > 0 else 1.0)
        at = bisect_left(level, -wanted)
        if at < len(times):
            return max(0.0, times[at] - age)
        if not times[-1]:
            return math.inf
        return max(0.0, times[-1] * math.pow(-level[-1] / wanted, 1 / self._tail) - age)


def learn(watched: Sequence[Watched], chance: random.Random, replicates: int) -> tuple[Law, ...]:
    """Bayesian bootstrap replicates of the product-limit estimate."""
    entering = sorted(range(len(watched)), key=lambda number: watched[number].entry)
    leaving = sorted(range(len(watched)), key=lambda number: watched[number].exit)
    tail = hill(sorted((case.exit for case in watched if case.ended and case.exit > 0), reverse=True))
    laws = []
    for _ in range(replicates):
        weights = [chance.expovariate(1.0) for _ in watched]
        times, levels = [0.0], [1.0]
        risk, level, entered = 1.0, 1.0, 0  # the one observation without an end
        for number in leaving:
            case = watched[number]
            while entered < len(entering) and watched[entering[entered]].entry <= case.exit:
                risk += weights[entering[entered]]
                entered += 1
            if case.ended:
                level *= max(0.0, 1.0 - weights[number] / risk)
                if case.exit > times[-1]:
                    times.append(case.exit)
                    levels.append(level)
                elif len(times) > 1:
                    levels[-1] = level
            risk -= weights[number]
        if leaving and (longest := watched[leaving[-1]].exit) > times[-1]:  # seen to go on until there
            times.append(longest)
            levels.append(level)
        laws.append(Law(times, levels, tail))
    return tuple(laws)


def hill(ends: Sequence[float]) -> float:
    """The index of a Pareto tail (Hill 1975) of durations in descending order; between 0.5 and 4."""
    count = max(2, round(math.sqrt(len(ends))))
    if len(ends) <= count:
        return 1.0
    mean = sum(math.log(value / ends[count]) for value in ends[:count]) / count
    return min(4.0, max(0.5, 1 / mean)) if mean > 0 else 4.0


class History:
    """What ended and what still runs, as laws of durations per group and a rate of submissions."""

    def __init__(self, cases: Sequence[Case], now: float, *, since: float | None = None) -> None:
        """``cases`` in any order; ``since``: the moment from which every end is among them, None: all are."""
        self._since = min((case.began for case in cases), default=now) if since is None else since
        self._now = now
        self._groups: dict[tuple[object, ...], list[Case]] = defaultdict(list)
        for case in sorted(cases, key=lambda case: -(case.ended if case.ended is not None else now)):
            for key in _keys(case.group):
                self._groups[key].append(case)
        self._ended = {key: sum(case.by_itself for case in found) for key, found in self._groups.items()}
        self._laws: dict[tuple[object, ...], tuple[Law, ...]] = {}
        self._submitted = [case for case in cases if case.created >= self._since]

    def laws(self, group: Group) -> tuple[Law, ...] | None:
        """Replicates of the law of the narrowest group with enough cases; None where nothing is known."""
        keys = _keys(group)
        for key, least in zip(keys, (ENOUGH, ENOUGH, FEWEST), strict=True):
            if self._ended.get(key, 0) >= least:
                if key not in self._laws:
                    self._laws[key] = self._replicates(key)
                return self._laws[key]
        return None

    def _replicates(self, key: tuple[object, ...]) -> tuple[Law, ...]:
        since, cases = self._since, self._groups[key]
        ends = [case.ended for case in cases if case.ended is not None]
        if len(ends) > NEWEST:  # watched only from where on every end is among the cases
            since = max(since, ends[NEWEST])
        watched = [
            Watched(max(0.0, since - case.began), max(0.0, until - case.began), case.by_itself)
            for case in cases
            if (until := self._now if case.ended is None else case.ended) > since
        ]
        return learn(watched, random.Random(f"{_SEED} {key}"), REPLICATES)  # noqa: S311 - draws, no secrets

    def submissions_above(self, priority: int) -> tuple[float, list[Case]]:
        """How many a second come with a higher priority, and what they were."""
        found = [case for case in self._submitted if case.priority > priority]
        span = self._now - self._since
        return (len(found) / span, found) if found and span > 0 else (0.0, [])


def _keys(group: Group) -> tuple[tuple[object, ...], ...]:
    return (tuple(group), (group.kind, group.tenant_id), (group.kind,))


Needs = tuple[tuple[int, int], ...]
"""Pairs of the number of a resource and the amount."""


class _Work(NamedTuple):
    needs: Needs
    laws: tuple[Law, ...] | None
    longest: float | None
    place: int
    """In the queue that was asked about; -1 of what came later."""
    priority: int

    def lasts(self, draw: int, chance: float) -> float:
        if self.laws is None:
            return math.inf if self.longest is None else self.longest
        lasts = self.laws[draw % len(self.laws)].remaining(0.0, chance)
        return lasts if self.longest is None else min(lasts, self.longest)


class _Play:
    """One queue, played draw after draw; what is the same for all draws is prepared once."""

    def __init__(
        self,
        history: History,
        capacity: Mapping[str, int],
        running: Sequence[Running],
        waiting: Sequence[Queued],
        asking: Sequence[Mapping[str, int]],
        lowest: int,
    ) -> None:
        all_asked = [*(work.asked for work in running), *(work.asked for work in waiting), *asking]
        self._names = sorted({*capacity, *(name for asked in all_asked for name in asked)})
        self._number = {name: number for number, name in enumerate(self._names)}
        self._chance = random.Random(_SEED).random  # noqa: S311 - draws, no secrets
        self._running = [(self._needs(w.asked), history.laws(w.group), w.age, w.left) for w in running]
        self._queue = [
            _Work(self._needs(w.asked), history.laws(w.group), w.longest, place, w.priority)
            for place, w in enumerate(waiting)
        ]
        self._asking = [self._needs(asked) for asked in asking]
        self._free = [capacity.get(name, 0) for name in self._names]
        for needs, _, _, _ in self._running:
            for name, amount in needs:
                self._free[name] -= amount
        rate, submitted = history.submissions_above(lowest)
        self._coming = [
            _Work(self._needs(case.asked), history.laws(case.group), case.longest, -1, case.priority)
            for case in submitted
            if all(amount <= capacity.get(name, 0) for name, amount in case.asked.items())
        ]
        self._rate = rate * len(self._coming) / max(1, len(submitted))
        self._sizes = {work.needs for work in (*self._queue, *self._coming)} | set(self._asking)
        self.steps = 0
        """Looks at work until now, the measure of what was spent."""

    def _needs(self, asked: Mapping[str, int]) -> Needs:
        return tuple((self._number[name], amount) for name, amount in asked.items())

    def _hopeless(self, remains: Sequence[int]) -> bool:
        """Nobody at all could start with this, whatever their place."""
        for needs in self._sizes:
            for name, amount in needs:
                if amount > remains[name]:
                    break
            else:
                return False
        return True

    def draw(self, number: int) -> tuple[list[float], list[float]]:
        """Starts of the queue and of what is asked for, seconds from now; infinite where none comes."""
        ends = self._ends(number)
        tie = len(ends)
        queue, free = list(self._queue), list(self._free)
        starts, wished = [math.inf] * len(queue), [math.inf] * len(self._asking)
        open_wishes = list(range(len(wished)))
        missing, arrivals, now, comes = len(queue) + len(wished), 0, 0.0, self._gap()
        while True:
            self.steps += 1
            if self._hopeless(free):
                started: list[_Work] = []
                remains = free
            else:
                queue, started, remains = self._admit(queue, free)
            for work in started:
                lasts = work.lasts(number, 1.0 - self._chance())
                if lasts < math.inf:
                    tie += 1
                    heapq.heappush(ends, (now + lasts, tie, work.needs))
                if work.place >= 0:
                    starts[work.place] = now
                    missing -= 1
            for wish in [w for w in open_wishes if all(remains[n] >= a for n, a in self._asking[w])]:
                wished[wish] = now
                open_wishes.remove(wish)
                missing -= 1
            if not missing or arrivals > PLACES or (not ends and comes == math.inf):
                return starts, wished
            if ends and ends[0][0] <= comes:
                now, _, needs = heapq.heappop(ends)
                for name, amount in needs:
                    free[name] += amount
            else:
                now, comes, arrivals = comes, comes + self._gap(), arrivals + 1
                new = self._coming[int(self._chance() * len(self._coming))]
                at = next((i for i, work in enumerate(queue) if work.priority < new.priority), len(queue))
                queue.insert(at, new)

    def _gap(self) -> float:
        return -math.log(1.0 - self._chance()) / self._rate if self._rate else math.inf

    def _ends(self, number: int) -> list[tuple[float, int, Needs]]:
        """When each that runs gives its room back, as a heap; who never does is not in it."""
        ends = []
        for tie, (needs, laws, age, left) in enumerate(self._running):
            chance = 1.0 - self._chance()
            lasts = math.inf if laws is None else laws[number % len(laws)].remaining(age, chance)
            if left is not None and left < lasts:
                lasts = left
            if lasts < math.inf:
                ends.append((lasts, tie, needs))
        heapq.heapify(ends)
        self.steps += len(self._running)
        return ends

    def _admit(self, queue: list[_Work], free: list[int]) -> tuple[list[_Work], list[_Work], list[int]]:
        """``queue.admissible`` on numbers: who goes on waiting, who starts, and what is open to those behind."""
        started: list[_Work] = []
        kept: list[_Work] = []
        remains = list(free)
        for place, work in enumerate(queue):
            fits = True
            for name, amount in work.needs:
                if amount > remains[name]:
                    fits = False
                    remains[name] = 0
                else:
                    remains[name] -= amount
            if fits:
                started.append(work)
                for name, amount in work.needs:
                    free[name] -= amount
                continue
            kept.append(work)
            if len(kept) % _LOOK == 1 and self._hopeless(remains):
                kept.extend(queue[place + 1 :])
                self.steps += place
                break
        else:
            self.steps += len(queue)
        return kept, started, remains


def forecast(
    history: History,
    capacity: Mapping[str, int],
    running: Sequence[Running],
    waiting: Sequence[Queued],
    *,
    asking: Sequence[Mapping[str, int]] = (),
    priority: int = 0,
    shares: tuple[float, float] = (HALF, MOST),
) -> tuple[dict[int, Start], list[Start]]:
    """When each of the queue starts, and when each of ``asking`` would if it were submitted now.

    Args:
        asking: Amounts; each by itself, behind all that wait with the same or a higher ``priority``.
        shares: The quantiles that are answered as half and as nine of ten, see :class:`Calibration`.

    Returns:
        Starts by workload id, for the first :data:`PLACES` of the queue, and for each of ``asking``.
    """
    queue = sorted(waiting, key=lambda work: (-work.priority, work.workload_id))
    if asking:
        queue = [work for work in queue if work.priority >= priority]
        if len(queue) > PLACES:
            return {}, [NOTHING] * len(asking)
    queue = queue[:PLACES]
    if not queue and not asking:
        return {}, []
    lowest = priority if asking else queue[-1].priority
    play = _Play(history, capacity, running, queue, asking, lowest)
    starts: list[list[float]] = [[] for _ in queue]
    wished: list[list[float]] = [[] for _ in asking]
    for number in range(DRAWS):
        if number >= FEWEST_DRAWS and play.steps > STEPS:
            break
        for into, found in zip((starts, wished), play.draw(number), strict=True):
            for place, start in enumerate(found):
                into[place].append(start)
    informed = 2 * sum(history.laws(work.group) is not None for work in running) >= len(running)
    answers = {work.workload_id: _start(found, shares, informed) for work, found in zip(queue, starts, strict=True)}
    return answers, [_start(found, shares, informed) for found in wished]


def _start(found: list[float], shares: tuple[float, float], informed: bool) -> Start:
    """Where little is known of what runs, only the late end is said: until its deadline nothing of it need end."""
    found.sort()
    half, most = (quantile(found, share) for share in shares)
    return Start(half if informed else None, most, tuple(found))


def quantile(ascending: Sequence[float], share: float) -> float | None:
    """The order statistic that a further draw stays below with at least this probability; None when infinite.

    A share above :data:`LAST` stretches the last one: twice as long at 1.24.
    """
    at = min(len(ascending), math.ceil(share * (len(ascending) + 1))) - 1
    stretch = 1 + 4 * max(0.0, share - LAST)
    return ascending[at] * stretch if ascending and ascending[at] < math.inf else None


class Calibration:
    """The quantiles to answer with, moved by how often earlier answers held (adaptive conformal inference).

    After an answer that did not hold its quantile goes up, after one that did a little down, so that
    in the long run the wanted share holds whatever the laws of durations do. Moments are seconds on any
    one clock.
    """

    def __init__(self, pace: float = 0.04, *, remember: int = 1000) -> None:
        self.half, self.most = HALF, MOST
        self._pace, self._remember = pace, remember
        self._told: dict[int, tuple[float | None, float | None]] = {}

    @property
    def shares(self) -> tuple[float, float]:
        return self.half, self.most

    def told(self, workload_id: int, now: float, start: Start) -> None:
        """What was answered for work in the queue; the first answer counts."""
        if workload_id not in self._told and len(self._told) < self._remember:
            half, most = (None if seconds is None else now + seconds for seconds in (start.half, start.most))
            self._told[workload_id] = half, most

    def waiting_for(self) -> list[int]:
        """The work whose answers are not settled yet."""
        return list(self._told)

    def passed(self, now: float) -> None:
        """What still waits after the moment that it was told of is known to have been told wrongly."""
        for workload_id, (half, most) in self._told.items():
            if half is not None and half < now:
                self.half, half = self._moved(HALF, held=False), None
            if most is not None and most < now:
                self.most, most = self._moved(MOST, held=False), None
            self._told[workload_id] = half, most

    def started(self, workload_id: int, at: float | None) -> None:
        """It got its room then; None: it was withdrawn, which says nothing."""
        half, most = self._told.pop(workload_id, (None, None))
        if at is not None and half is not None:
            self.half = self._moved(HALF, held=at <= half)
        if at is not None and most is not None:
            self.most = self._moved(MOST, held=at <= most)

    def _moved(self, wanted: float, *, held: bool) -> float:
        share, (least, greatest) = (self.half, (0.2, 0.8)) if wanted == HALF else (self.most, (0.7, 1.24))
        return min(greatest, max(least, share + self._pace * (wanted - 1 if held else wanted)))
