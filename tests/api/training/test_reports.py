"""What a run reports about itself, on both databases, without a process behind it."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy.orm import Session

from himalia_hub.auth import tokens
from himalia_hub.auth.actor import TokenKind
from himalia_hub.core import objects
from himalia_hub.data.content.framing import MEDIA_TYPE, encode
from himalia_hub.training import rules
from himalia_hub.training.outputs import PART_BYTES
from himalia_hub.training.tables import Job, Run
from tests.support.data import ok, problem
from tests.support.service import Person, World


def make_run(world: World, person: Person, workload: int, name: str = "cell") -> tuple[int, httpx.Client]:
    """A run and a client with its own token."""

    def work(session: Session) -> tuple[int, str]:
        actor = person.actor()
        job = Job(**objects.new_owned(session, actor, "job"), name=name, script=True)
        session.add(job)
        session.flush()
        run = Run(
            **objects.new_owned(session, actor, "run"), name=name, job_id=job.id, run_index=1, request={},
            environment="science", inputs=[], parameters={}, command=["python"], variables={}, code="x", spec={},
            workload_id=workload, phase="running", last_lines=[],
        )  # fmt: skip
        session.add(run)
        _, secret = tokens.issue(session, user_id=person.user_id, kind=TokenKind.WORKLOAD, workload_id=workload)
        session.flush()
        return run.number, secret

    number, secret = world.live.write(work)
    return number, world.live.client(secret)


@pytest.fixture
def own(stored_world: World) -> Iterator[tuple[int, httpx.Client]]:
    yield make_run(stored_world, stored_world.alpha.member, 991)


def points(client: httpx.Client, run: int, rows: list[tuple[str, int, float]]) -> httpx.Response:
    body = {"points": [{"name": name, "step": step, "value": value} for name, step, value in rows]}
    return client.post(f"/runs/{run}/metrics", json=body)


def series(client: httpx.Client, run: int, **query: Any) -> dict[str, list[list[Any]]]:
    found = ok(client.get(f"/runs/{run}/metrics", params=query))["series"]
    return {one["name"]: one["points"] for one in found}


def test_the_same_name_and_step_replaces(own: tuple[int, httpx.Client]) -> None:
    run, client = own
    assert (
        points(client, run, [("loss", 0, 1.0), ("loss", 1, 0.5), ("loss", 1, 0.25), ("acc", 0, 0.1)]).status_code == 204
    )
    assert points(client, run, [("loss", 0, 2.0)]).status_code == 204
    found = series(client, run)
    assert [point[:2] for point in found["loss"]] == [[0, 2.0], [1, 0.25]]
    assert ok(client.get(f"/runs/{run}"))["metrics_last"] == {"acc": 0.1, "loss": 0.25}
    assert set(series(client, run, names="acc")) == {"acc"}
    assert [point[0] for point in series(client, run, since_step=0)["loss"]] == [1]


def test_long_series_are_thinned_and_keep_their_spikes(own: tuple[int, httpx.Client]) -> None:
    run, client = own
    values = [math.sin(step / 50) for step in range(5000)]
    values[1234], values[4321] = 99.0, -99.0
    for start in range(0, 5000, 1000):
        rows = [("wave", step, values[step]) for step in range(start, start + 1000)]
        assert points(client, run, rows).status_code == 204
    found = series(client, run, max_points=200)["wave"]
    assert 100 <= len(found) <= 202
    steps = [point[0] for point in found]
    assert steps == sorted(set(steps)) and steps[0] == 0 and steps[-1] == 4999
    assert {99.0, -99.0} <= {point[1] for point in found}
    assert all(point[1] == values[point[0]] for point in found)  # every point is one that was reported


def test_bad_points_are_refused_whole(own: tuple[int, httpx.Client]) -> None:
    run, client = own
    raw = '{"points": [{"name": "a", "step": 0, "value": 1}, {"name": "a", "step": 1, "value": NaN}]}'
    refused = client.post(f"/runs/{run}/metrics", content=raw, headers={"Content-Type": "application/json"})
    assert problem(refused, 422, "invalid_input")["field"] == "points[1].value"
    assert points(client, run, [("a", 0, 1.0)] * 1001).status_code == 422
    assert series(client, run) == {}


def test_a_run_reports_only_about_itself(stored_world: World, own: tuple[int, httpx.Client]) -> None:
    """A notebook's token has no such permission; another run's token does not find this one."""
    _, other = own
    run, client = make_run(stored_world, stored_world.alpha.member, 992, "second")
    _, foreign = make_run(stored_world, stored_world.beta.member, 993)
    assert points(client, run, [("a", 0, 1.0)]).status_code == 204
    for stranger in (other, foreign):
        problem(points(stranger, run, [("a", 0, 2.0)]), 404, "not_found")
        problem(stranger.put(f"/runs/{run}/progress", json={"step": 1}), 404, "not_found")
        body = encode({"path": "output/a", "size": 1, "sha256": hashlib.sha256(b"x").hexdigest()}, b"x")
        problem(
            stranger.post(f"/runs/{run}/outputs", content=body, headers={"Content-Type": MEDIA_TYPE}), 404, "not_found"
        )
    problem(points(stored_world.alpha.member.client(), run, [("a", 0, 2.0)]), 403, "not_permitted")
    assert series(client, run)["a"][0][1] == 1.0


def frame(path: str, data: bytes, **more: Any) -> bytes:
    return encode({"path": path, "size": len(data), "sha256": hashlib.sha256(data).hexdigest(), **more}, data)


def send(client: httpx.Client, run: int, body: bytes) -> list[dict[str, Any]]:
    answer = client.post(f"/runs/{run}/outputs", content=body, headers={"Content-Type": MEDIA_TYPE})
    return ok(answer)["results"]  # type: ignore[no-any-return]


def test_a_refused_file_does_not_stop_the_others(own: tuple[int, httpx.Client]) -> None:
    run, client = own
    body = frame("output/a", b"first") + frame("output/../b", b"x") + frame("output/c", b"y", sha256="0" * 64)
    body += frame("model/m.onnx", b"model") + frame("output/空", b"")
    body += encode({"path": "", "size": 0, "complete": True, "files": 3, "exit_code": 0})
    outcomes = [(one["outcome"], one.get("code")) for one in send(client, run, body)]
    assert outcomes == [
        ("stored", None), ("refused", "bad_path"), ("refused", "digest_mismatch"),
        ("stored", None), ("stored", None), ("stored", None),
    ]  # fmt: skip
    listed = ok(client.get(f"/runs/{run}/outputs"))
    assert ([file["path"] for file in listed["items"]], listed["complete"]) == (["a", "空"], True)
    assert [f["path"] for f in ok(client.get(f"/runs/{run}/outputs", params={"folder": "model"}))["items"]] == [
        "m.onnx"
    ]
    assert send(client, run, frame("output/a", b"second"))[0]["outcome"] == "stored"
    assert client.get(f"/runs/{run}/outputs/a").text == "second"


def test_parts_in_any_repetition_become_the_file(own: tuple[int, httpx.Client]) -> None:
    run, client = own
    data = os.urandom(PART_BYTES * 2 + 17)
    sha = hashlib.sha256(data).hexdigest()

    def part(content: bytes, number: int, digest: str = sha) -> bytes:
        piece = content[number * PART_BYTES : (number + 1) * PART_BYTES]
        header = {"path": "output/big", "size": len(content), "sha256": digest}
        return encode({**header, "offset": number * PART_BYTES, "length": len(piece)}, piece)

    older = os.urandom(len(data))
    assert send(client, run, part(older, 0, hashlib.sha256(older).hexdigest()))[0]["outcome"] == "partial"
    outcomes = [send(client, run, part(data, number))[0]["outcome"] for number in (0, 1, 0)]
    assert outcomes == ["partial"] * 3
    assert ok(client.get(f"/runs/{run}/outputs"))["items"] == []
    assert send(client, run, part(data, 2))[0]["outcome"] == "stored"
    assert send(client, run, part(data, 2))[0]["outcome"] in ("stored", "partial")
    assert client.get(f"/runs/{run}/outputs/big").content == data
    wrong = [send(client, run, part(data, number, "0" * 64))[0] for number in (0, 1, 2)]
    assert (wrong[-1]["outcome"], wrong[-1]["code"]) == ("refused", "digest_mismatch")
    assert client.get(f"/runs/{run}/outputs/big").content == data


def test_progress_is_shown(own: tuple[int, httpx.Client]) -> None:
    run, client = own
    assert client.put(f"/runs/{run}/progress", json={"step": 3, "total": 20}).status_code == 204
    assert ok(client.get(f"/runs/{run}"))["progress"] == {"step": 3, "total": 20}
    assert rules.version_name(1) == ok(client.get(f"/runs/{run}"))["version"]
