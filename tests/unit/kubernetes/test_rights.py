"""The rights as data: valid, narrow, and the chart's copy fresh; what they do is tried in tests/cluster."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from himalia_hub.backends.kubernetes import rights
from tests.support.kube_schemas import problems

ROOT = Path(__file__).parents[3]
CLAIMS = ROOT / "docs" / "design" / "kubernetes.md"
EVERY_RULE = [
    *rights.HUB_EVERYWHERE,
    *rights.PLATFORM_EVERYWHERE,
    *rights.PLATFORM_AT_HOME,
    *rights.PLATFORM_IN_SPACE,
    *rights.HUB_IN_SPACE,
]
SEEN_ON = {"real API server", "real kubelet", "fake node", "rendered only"}


def test_every_manifest_is_right_in_schema() -> None:
    for manifest in rights.manifests("himalia", "himalia"):
        assert problems(manifest) == [], manifest["kind"]


def test_the_charts_template_is_fresh() -> None:
    place = ROOT / "helm" / "himalia" / "templates" / "rbac" / "rights.yaml"
    assert place.read_text() == rights.chart_template(), (
        "run python -m himalia_hub.backends.kubernetes.rights --chart > helm/himalia/templates/rbac/rights.yaml"
    )


def test_no_rule_says_everything() -> None:
    for rule in EVERY_RULE:
        assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]], rule


def test_nobody_reads_secrets() -> None:
    for rule in EVERY_RULE:
        if "secrets" in rule["resources"]:
            assert not {"get", "list", "watch"} & set(rule["verbs"])


def rows() -> list[list[str]]:
    text = CLAIMS.read_text(encoding="utf-8").partition("## Seen on")[2]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_there_are_claims() -> None:
    assert len(rows()) >= 10


@pytest.mark.parametrize("row", rows(), ids=lambda row: re.sub(r"[^a-z]+", "-", row[0].lower())[:40])
def test_each_claim_says_where_it_was_seen(row: list[str]) -> None:
    claim, seen = row
    places = {place.strip() for place in seen.split(",")}
    assert places and places <= SEEN_ON, f"{claim}: {seen!r} is none of {sorted(SEEN_ON)}"
