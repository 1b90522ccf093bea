"""From observations to facts: each interval opens once, closes once, and survives restarts (OPS-2)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from himalia_hub.backends.protocol import ExitReason, ObservedReplica, ObservedWorkload, ReplicaState
from himalia_hub.compute.facts import FactBook, NewFact
from himalia_hub.core.usage import Fact, FactSource

START = datetime(2026, 11, 21, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def running(alive: float, index: int = 0) -> ObservedReplica:
    return ObservedReplica(index, ReplicaState.RUNNING, started_at=START, last_alive_at=at(alive))


def exited(end: float) -> ObservedReplica:
    return ObservedReplica(0, ReplicaState.EXITED, started_at=START, ended_at=at(end), exit_reason=ExitReason.COMPLETED)


def lost(alive: float) -> ObservedReplica:
    return ObservedReplica(0, ReplicaState.LOST, started_at=START, last_alive_at=at(alive))


def look(book: FactBook, *replicas: ObservedReplica) -> list[tuple[Fact, float, FactSource]]:
    due = book.due(1, [ObservedWorkload("w1", 1, replicas)] if replicas else [])
    book.remember(due)
    return [(fact.fact, (fact.at - START).total_seconds(), fact.source) for fact in due]


def test_the_life_of_an_interval() -> None:
    book = FactBook()
    assert look(book, ObservedReplica(0, ReplicaState.PENDING)) == [], "nothing is occupied before the start"
    assert look(book, running(0)) == [(Fact.OPENED, 0, FactSource.START)]
    assert look(book, running(30)) == []
    assert look(book, running(60)) == [(Fact.ALIVE, 60, FactSource.HEARTBEAT)]
    assert look(book, exited(90)) == [(Fact.CLOSED, 90, FactSource.EXIT)]
    assert look(book, exited(90)) == [], "an end is told once"


def test_what_began_and_ended_between_two_looks_is_told_whole() -> None:
    assert look(FactBook(), exited(0.2)) == [
        (Fact.OPENED, 0, FactSource.START),
        (Fact.CLOSED, 0.2, FactSource.EXIT),
    ]


def test_lost_closes_at_the_last_proof_of_life_and_is_corrected_when_the_end_is_found() -> None:
    book = FactBook()
    look(book, running(1))
    assert look(book, lost(7)) == [(Fact.CLOSED, 7, FactSource.LAST_PROOF_OF_LIFE)]
    assert book.doubtful(1)
    assert look(book, lost(7)) == []
    assert look(book, exited(7.5)) == [(Fact.CORRECTED, 7.5, FactSource.EXIT)]
    assert not book.doubtful(1)
    assert look(book, exited(7.5)) == []


def test_vanished_closes_at_the_newest_proof_even_if_it_was_not_written() -> None:
    book = FactBook()
    look(book, running(1))
    look(book, running(42))
    assert look(book) == [(Fact.CLOSED, 42, FactSource.LAST_PROOF_OF_LIFE)]


@given(st.lists(st.floats(0, 600), min_size=1, max_size=30), st.lists(st.booleans(), min_size=30, max_size=30))
def test_kills_between_commits_neither_lose_nor_double(moments: list[float], kills: list[bool]) -> None:
    """After a kill the book is what was committed; what was not committed is found again."""
    committed: list[NewFact] = []
    book = FactBook()
    for moment, killed in zip(sorted(moments), kills, strict=False):
        due = book.due(1, [ObservedWorkload("w1", 1, (running(moment),))])
        if killed:
            book = FactBook()
            book.remember(committed)
        else:
            committed += due
            book.remember(due)
    due = book.due(1, [ObservedWorkload("w1", 1, (exited(max(moments)),))])
    committed += due
    kinds = [fact.fact for fact in committed]
    assert kinds.count(Fact.OPENED) == 1 and kinds.count(Fact.CLOSED) == 1
    assert kinds[0] is Fact.OPENED and kinds[-1] is Fact.CLOSED
    assert [fact.at for fact in committed] == sorted(fact.at for fact in committed)
