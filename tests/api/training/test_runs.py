"""Runs through the real local backend: a dataset version becomes a model; scripts end in every way."""

from __future__ import annotations

import hashlib
from typing import Any

import httpx
import pytest
from sqlalchemy.orm import Session

from himalia_hub.compute.tables import ResourceSpec
from himalia_hub.core import clock
from himalia_hub.data.content import usage
from tests.api.compute.conftest import Machine
from tests.support.data import ok, problem
from tests.support.pieces import digits, make_version, run_ended, spec_of, until

PARAMETERS = {"epochs": 6, "image_size": 24}


def script(client: httpx.Client, code: str, **more: Any) -> dict[str, Any]:
    body = {"name": "cell", "code": code, "spec_id": spec_of(client), **more}
    return ok(client.post("/scripts", json=body), 201)  # type: ignore[no-any-return]


def test_from_a_dataset_version_to_a_model_version(machine: Machine) -> None:
    """TRN-1, TRN-4, TRN-5, ALG-3, MOD-2: the command shown is the command run; the lineage names people."""
    member = machine.world.alpha.member
    client = member.client()
    dataset = make_version(client, digits(120, classes=4))
    body = {
        "name": "digits",
        "algorithm_id": 1,
        "dataset": {"id": dataset["id"], "version": "V0001"},
        "parameters": PARAMETERS,
        "spec_id": spec_of(client),
    }
    preview = ok(client.post("/jobs/preview", json=body))
    assert preview["command"].startswith(
        "python -m himalia.algorithms.image_classification --data_url /himalia/input/input0"
    )
    assert "--epochs 6" in preview["command"] and "train_log" not in preview["command"]
    assert preview["environment_variables"]["data_url"] == "/himalia/input/input0"
    assert preview["verdict"]["verdict"] == "starts_now"

    job = ok(client.post("/jobs", json=body), 201)
    assert job["latest_run"]["version"] == "V0001"
    run = run_ended(client, job["latest_run"]["id"])
    assert run["phase"] == "succeeded", (run["message"], run["last_lines"])
    assert run["command"] == preview["command"]
    assert run["progress"] == {"step": 6, "total": 6}
    assert run["files_complete"] is True

    series = {one["name"]: one["points"] for one in ok(client.get(f"/runs/{run['id']}/metrics"))["series"]}
    accuracy = next(points for name, points in series.items() if "validation" in name and "accuracy" in name)
    assert len(accuracy) == 6 and accuracy[-1][1] > 0.8

    once = {"Idempotency-Key": "save"}
    made = ok(client.post(f"/runs/{run['id']}/model", json={"model_name": "digits"}, headers=once), 201)
    assert ok(client.post(f"/runs/{run['id']}/model", json={"model_name": "digits"}, headers=once), 201) == made
    reused = client.post(f"/runs/{run['id']}/model", json={"model_name": "other"}, headers=once)
    problem(reused, 422, "idempotency_key_reused")
    assert (made["version"], made["lineage"]["dataset_version"]) == ("V0001", "V0001")
    assert made["lineage"]["algorithm"]["name"] == "image-classification"
    assert made["lineage"]["run"]["id"] == run["id"]
    assert made["labels"] == ["0", "1", "2", "3"]
    assert made["pickled"] is False
    assert {"model.onnx", "labels.json", "signature.json", "sample.png"} <= {file["path"] for file in made["files"]}
    onnx = next(file for file in made["files"] if file["path"] == "model.onnx")
    data = client.get(f"/models/{made['model']['id']}/versions/V0001/files/model.onnx").content
    assert hashlib.sha256(data).hexdigest() == onnx["sha256"]
    assert ok(client.get(f"/runs/{run['id']}"))["model_version"]["version"] == "V0001"

    again = ok(client.post(f"/runs/{run['id']}/repeat"), 201)
    assert (again["version"], again["command"], again["environment"]) == ("V0002", run["command"], run["environment"])
    second = run_ended(client, again["id"])
    compared = ok(client.get("/runs/compare", params={"ids": f"{run['id']},{second['id']}"}))
    assert not any(
        row["differs"] for row in compared["parameters"] + compared["metrics"] if "seconds" not in row["name"]
    )


def test_a_script_gets_its_data_parameters_and_variables(machine: Machine) -> None:
    """ALG-3: declared arguments are passed, undeclared ones are not; all are variables. One cell, many runs."""
    client = machine.world.alpha.member.client()
    dataset = make_version(client, digits(12, classes=2))
    code = """
import argparse, json, os, pathlib, himalia
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
parser.add_argument("--train_out")
found = parser.parse_args()
assert found.lr == 0.5 and found.train_out == "/himalia/output", found
assert os.environ["data_url"] == "/himalia/input/input0" and os.environ["rate"] == "7"
assert len(list(pathlib.Path("/himalia/input/input0/images").rglob("*.png"))) == 12
for step in range(5):
    himalia.log(loss=1 / (step + 1), step=step)
pathlib.Path("/himalia/output/sub").mkdir()
pathlib.Path("/himalia/output/sub/结果.txt").write_text("done")
pathlib.Path("/himalia/output/large.bin").write_bytes(os.urandom(20_000_000))
print("lr", found.lr)
"""
    data = [{"id": dataset["id"], "version": "V0001"}]
    run = script(client, code, datasets=data, parameters={"lr": 0.5, "rate": 7})
    assert "--lr 0.5" in run["command"] and "--rate" not in run["command"]
    ended = run_ended(client, run["id"])
    assert ended["phase"] == "succeeded", ended["last_lines"]
    assert ended["metrics_last"] == {"loss": 0.2}
    files = {file["path"]: file for file in ok(client.get(f"/runs/{run['id']}/outputs"))["items"]}
    assert set(files) == {"sub/结果.txt", "large.bin"}
    large = client.get(f"/runs/{run['id']}/outputs/large.bin")
    assert hashlib.sha256(large.content).hexdigest() == files["large.bin"]["sha256"]
    assert client.get(f"/runs/{run['id']}/outputs/sub%2F%E7%BB%93%E6%9E%9C.txt").text == "done"
    assert ok(client.get(f"/runs/{script(client, 'print(1)')['id']}"))["version"] == "V0002"
    problem(client.post(f"/runs/{run['id']}/model", json={"model_name": "none"}), 409, "no_model")


@pytest.mark.parametrize(
    ("code", "phase", "reason", "exit_code", "shown"),
    [
        ("raise ValueError('the reason')", "failed", "exit_code", 1, "ValueError: the reason"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "failed", "exit_code", 139, ""),
        ("import time; print('asleep', flush=True); time.sleep(600)", "timed_out", "deadline", None, "asleep"),
    ],
)
def test_a_script_that_ends_badly_says_why(
    machine: Machine, code: str, phase: str, reason: str, exit_code: int | None, shown: str
) -> None:
    """TRN-3: a crash keeps its last lines, a hang ends at the longest duration."""
    client = machine.world.alpha.member.client()
    run = script(client, code, longest_seconds=4 if phase == "timed_out" else 0)
    ended = run_ended(client, run["id"])
    assert (ended["phase"], ended["reason"]) == (phase, reason), ended["message"]
    assert exit_code is None or ended["exit_code"] == exit_code
    assert any(
        shown in line
        for line in until(lambda: ok(client.get(f"/runs/{run['id']}")), lambda r: bool(r["last_lines"]) or not shown)[
            "last_lines"
        ]
        or [""]
    )


def test_a_hanging_script_is_stopped_and_its_files_are_kept(machine: Machine) -> None:
    client = machine.world.alpha.member.client()
    code = "import time\nopen('/himalia/output/half', 'w').write('half')\nprint('on', flush=True)\ntime.sleep(600)"
    run = script(client, code)
    until(lambda: ok(client.get(f"/runs/{run['id']}")), lambda r: r["phase"] == "running")
    workload = ok(client.get(f"/runs/{run['id']}"))["workload"]["id"]
    until(lambda: {"log": client.get(f"/workloads/{workload}/log").text}, lambda found: "on" in found["log"])
    ok(client.post(f"/runs/{run['id']}/stop"), 202)
    ended = run_ended(client, run["id"])
    assert (ended["phase"], ended["reason"]) == ("stopped", "stopped_by_user")
    assert [file["path"] for file in ok(client.get(f"/runs/{run['id']}/outputs"))["items"]] == ["half"]
    with machine.world.live.platform.db.engine.connect() as db:
        assert usage.used(db, machine.world.alpha.tenant_id) == len("half")
    ok(client.delete(f"/runs/{run['id']}"), 204)
    with machine.world.live.platform.db.engine.connect() as db:
        assert usage.used(db, machine.world.alpha.tenant_id) == 0
    assert client.get(f"/runs/{run['id']}").status_code == 404


def test_a_script_that_fills_the_disk_ends_for_that_reason_and_says_so(machine: Machine) -> None:
    """BAD INPUT: the run ends, its neighbours do not notice, what it logged is kept."""
    client = machine.world.alpha.member.client()
    moment = clock.now()
    small = {"cpu_millis": 250, "memory_bytes": 512 * 2**20, "disk_bytes": 60 * 2**20, "accelerators": {}}

    def add(session: Session) -> int:
        row = ResourceSpec(name="small disk", created_at=moment, updated_at=moment, **small)
        session.add(row)
        session.flush()
        return row.id

    spec = machine.world.live.write(add)
    code = """
import himalia, time
himalia.log(written=1, step=0)
print("filling", flush=True)
with open("/himalia/output/full", "wb") as file:
    for n in range(4000):
        file.write(b"x" * 1_000_000)
        file.flush()
        time.sleep(0.005)
"""
    run = ok(client.post("/scripts", json={"name": "filler", "code": code, "spec_id": spec}), 201)
    ended = run_ended(client, run["id"])
    assert (ended["phase"], ended["reason"]) == ("failed", "out_of_disk"), ended["message"]
    assert "60" in ended["message"] or "MiB" in ended["message"], ended["message"]
    assert ok(client.get(f"/runs/{run['id']}/metrics"))["series"][0]["name"] == "written"


def test_a_new_run_of_a_job_changes_only_what_is_given(machine: Machine) -> None:
    """TRN-1: V0002 of a job; a foreign job, dataset and run are not found; deletion waits for the end."""
    client = machine.world.alpha.member.client()
    dataset = make_version(client, digits(40, classes=2))
    body = {
        "name": "two",
        "algorithm_id": 1,
        "dataset": {"id": dataset["id"], "version": "V0001"},
        "parameters": PARAMETERS,
        "spec_id": spec_of(client),
    }
    job = ok(client.post("/jobs", json=body), 201)
    problem(client.post("/jobs", json=body), 409, "name_taken")
    first = job["latest_run"]["id"]
    problem(client.delete(f"/jobs/{job['id']}"), 409, "invalid_transition")
    problem(client.delete(f"/datasets/{dataset['id']}"), 409, "in_use")
    run_ended(client, first)
    second = ok(client.post(f"/jobs/{job['id']}/runs", json={"parameters": {"epochs": 2, "image_size": 24}}), 201)
    assert (second["version"], second["parameters"]["epochs"]) == ("V0002", 2)
    assert second["dataset"]["version"] == "V0001"
    assert run_ended(client, second["id"])["phase"] == "succeeded"
    listed = ok(client.get(f"/jobs/{job['id']}/runs"))
    assert {one["version"] for one in listed["items"]} == {"V0001", "V0002"}

    for stranger in (machine.world.beta.member.client(), machine.world.alpha.colleague.client()):
        problem(stranger.get(f"/runs/{first}"), 404, "not_found")
        problem(stranger.get(f"/runs/{first}/metrics"), 404, "not_found")
        problem(stranger.post(f"/runs/{first}/repeat"), 404, "not_found")
        problem(stranger.post("/jobs", json=body), 404, "not_found")
    refused = problem(client.post("/jobs", json={**body, "name": "x", "spec_id": 999}), 422, "invalid_input")
    assert refused["field"] == "spec_id"
    assert (
        client.post("/jobs", json={**body, "name": "x", "parameters": {"epochs": 0}}).json()["field"]
        == "parameters.epochs"
    )
    assert [one["name"] for one in ok(client.get("/jobs"))["items"]] == ["two"]
    ok(client.delete(f"/jobs/{job['id']}"), 204)
    problem(client.get(f"/runs/{first}"), 404, "not_found")
    assert ok(client.get("/jobs"))["items"] == []
