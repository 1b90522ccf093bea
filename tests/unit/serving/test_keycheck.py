"""The key check's decisions, with a clock of its own (SRV-5)."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from himalia_hub.serving.keycheck import Checker, KeyFile, parse


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def document(**keys: dict[str, Any]) -> bytes:
    entries = {digest(secret): {"caller": "key:1", **entry} for secret, entry in keys.items()}
    service = {"tenant": "alpha", "owner": "7", "keys": entries}
    people = {"7": {digest("token"): {"caller": "user:3"}}}
    return json.dumps({"schema": 1, "services": {"alpha/digits": service}, "people": people}).encode()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def checker(clock: Clock) -> Checker:
    made = Checker(clock)
    made.load(parse(document(good={}, late={"expires": 1010.0}, slow={"per_minute": 6})))
    return made


def ask(checker: Checker, secret: str, service: str = "alpha/digits", scheme: str = "Bearer") -> int:
    return checker.check(service, f"{scheme} {secret}").status


def test_keys_and_owners_tokens_pass(checker: Checker) -> None:
    assert (ask(checker, "good"), ask(checker, "token")) == (200, 200)
    assert checker.check("alpha/digits", "Bearer token").caller == "user:3"


@pytest.mark.parametrize(
    ("secret", "service", "scheme"),
    [
        ("bad", "alpha/digits", "Bearer"),
        ("good", "alpha/other", "Bearer"),
        ("good", "", "Bearer"),
        ("good", "alpha/digits", "Basic"),
        ("", "alpha/digits", "Bearer"),
        (digest("good"), "alpha/digits", "Bearer"),
    ],
)
def test_everything_else_is_refused_alike(checker: Checker, secret: str, service: str, scheme: str) -> None:
    verdict = checker.check(service, f"{scheme} {secret}")
    assert (verdict.status, verdict.tenant, verdict.caller) == (401, "", "")


def test_a_key_ends_at_its_moment(checker: Checker, clock: Clock) -> None:
    assert ask(checker, "late") == 200
    clock.now = 1010.0
    assert ask(checker, "late") == 401


def test_a_limit_refills_and_outlives_a_reload(checker: Checker, clock: Clock) -> None:
    assert [ask(checker, "slow") for _ in range(7)] == [200] * 6 + [429]
    checker.load(parse(document(good={}, slow={"per_minute": 6})))
    assert ask(checker, "slow") == 429
    assert checker.check("alpha/digits", "Bearer slow").retry_after == pytest.approx(10.0)
    clock.now += 10.1
    assert [ask(checker, "slow"), ask(checker, "slow")] == [200, 429]
    checker.load(parse(document(slow={"per_minute": 60})))
    assert ask(checker, "slow") == 200  # another limit begins anew


def test_a_file_is_read_when_it_changes_and_a_damaged_one_is_left(tmp_path: Path, checker: Checker) -> None:
    path = tmp_path / "keys.json"
    file = KeyFile(path, checker)
    assert file.refresh() is False
    path.write_bytes(document(other={}))
    assert (file.refresh(), file.refresh()) == (True, False)
    assert (ask(checker, "other"), ask(checker, "good")) == (200, 401)
    for damaged in (b"{", b"[]", b'{"schema": 2}', b'{"schema": 1, "services": {"a/b": 3}, "people": {}}'):
        path.write_bytes(damaged)
        assert file.refresh() is False
        assert ask(checker, "other") == 200
