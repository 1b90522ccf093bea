"""What the self-check says of something that does not get done (BEY-2)."""

from __future__ import annotations

from himalia_hub.selfcheck.walk import standing

STEPS = [
    {"name": "admitted", "state": "done", "detail": ""},
    {"name": "scheduled", "state": "active", "detail": "no node has a volume for the home"},
    {"name": "image", "state": "waiting", "detail": ""},
]


def test_a_start_that_hangs_is_told_by_the_step_it_hangs_in() -> None:
    told = "starting; scheduled: no node has a volume for the home"
    assert standing({"id": 1, "phase": "starting", "message": "", "steps": STEPS}) == told
    assert standing({"id": 1, "workload": {"phase": "starting", "message": "", "steps": STEPS}}) == told


def test_anything_else_is_shown_as_it_is() -> None:
    assert standing({"state": "running", "name": "数据"}) == '{"state": "running", "name": "数据"}'
    assert standing(None) == "null"
    assert len(standing({"rows": ["x" * 1000]})) == 300
