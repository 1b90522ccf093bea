"""The hub answers on its own domain and below it, and nowhere else (SEC-5)."""

from __future__ import annotations

import re

import pytest

from himalia_hub.config.proxy import hub_rule


@pytest.mark.parametrize(
    ("host", "answers"),
    [
        ("himalia.localhost", True),
        ("u0123456789ab.himalia.localhost", True),
        ("127.0.0.1", False),
        ("localhost", False),
        ("evilhimalia.localhost", False),
        ("himalia.localhost.evil.example", False),
        ("himalia-localhost", False),
    ],
)
def test_the_rule_matches_the_domain_and_everything_below_it(host: str, answers: bool) -> None:
    (pattern,) = re.findall(r"HostRegexp\(`([^`]+)`\)", hub_rule("himalia.localhost"))
    assert bool(re.search(pattern, host)) is answers
