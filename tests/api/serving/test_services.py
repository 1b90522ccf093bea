"""Online services through the real backend and gateway, from a model version to an answer."""

from __future__ import annotations

import json
import subprocess
import threading
from typing import Any

import httpx

from tests.api.compute.conftest import Machine
from tests.support.data import ok, problem
from tests.support.gateway import Gateway, wait_until
from tests.support.models import make_model, upload
from tests.support.pieces import digits, make_version, run_ended, spec_of, until

OUTSIDE = httpx.Client(verify=False, timeout=30)


def deploy(client: httpx.Client, version: dict[str, Any], name: str = "digits", **more: Any) -> dict[str, Any]:
    body = {"name": name, "variants": [variant(client, version)], **more}
    return ok(client.post("/inference-services", json=body), 201)  # type: ignore[no-any-return]


def variant(client: httpx.Client, version: dict[str, Any], weight: int = 100, **more: Any) -> dict[str, Any]:
    named = {"model_id": version["model"]["id"], "version": version["version"]}
    return {**named, "weight_percent": weight, "spec_id": spec_of(client), "replicas": 1, **more}


def settled(client: httpx.Client, number: int, *phases: str) -> dict[str, Any]:
    return until(lambda: ok(client.get(f"/inference-services/{number}")), lambda one: one["phase"] in phases)


def post(address: str, key: str, picture: bytes) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "image/png"}
    return OUTSIDE.post(address, content=picture, headers=headers)


def test_from_pictures_to_an_answer_outside(machine: Machine, gateway: Gateway) -> None:
    """The line of the issue: version, run, metrics, model, deploy, predict with a picture not trained on."""
    member, client = machine.world.alpha.member, machine.world.alpha.member.client()
    dataset = make_version(client, digits(200, classes=4))
    job = {
        "name": "digits",
        "algorithm_id": 1,
        "dataset": {"id": dataset["id"], "version": "V0001"},
        "parameters": {"epochs": 8, "image_size": 24},
        "spec_id": spec_of(client),
    }
    run = run_ended(client, ok(client.post("/jobs", json=job), 201)["latest_run"]["id"])
    assert run["phase"] == "succeeded", run["last_lines"]
    version = ok(client.post(f"/runs/{run['id']}/model", json={"model_name": "digits"}), 201)

    service = deploy(client, version)
    number, path = service["id"], f"/inference-services/{service['id']}"
    assert service["phase"] == "deploying"
    problem(client.post(f"{path}/predict", content=b"x", headers={"Content-Type": "image/png"}), 409, "not_running")
    running = settled(client, number, "running", "failed")
    assert running["phase"] == "running", running["message"]
    assert (running["replicas_ready"], running["replicas_total"]) == (1, 1)

    unseen = digits(40, start=1000, classes=4)
    right = 0
    for name, picture in unseen.items():
        answer = ok(client.post(f"{path}/predict", content=picture, headers={"Content-Type": "image/png"}))
        right += answer["predictions"][0]["label"] == name.split("/")[0]
    assert right >= 34, right

    made = ok(client.post(f"{path}/keys", json={"name": "camera", "requests_per_minute": 600}), 201)
    address = running["address"]
    assert address == f"{gateway.url}/serving/alpha/digits/infer"
    name, picture = next(iter(unseen.items()))
    wait_until(lambda: post(address, made["key"], picture).status_code == 200)
    said = post(address, made["key"], picture).json()
    assert (said["model"], said["version"]) == ("digits", "V0001")
    assert post(address, member.notebook_token, picture).status_code == 200

    pasted = subprocess.run(["bash", "-c", made["guide"]["curl"]], capture_output=True, text=True, check=True)
    assert len(json.loads(pasted.stdout)["predictions"]) == 4
    python = subprocess.run(["python3", "-c", made["guide"]["python"]], capture_output=True, text=True, check=True)
    assert "predictions" in python.stdout
    script = ["node", "--input-type=module", "-e", made["guide"]["javascript"]]
    assert "predictions" in subprocess.run(script, capture_output=True, text=True, check=True).stdout

    refused = post(address, "hms_wrong", picture)
    colleague = post(address, machine.world.alpha.colleague.notebook_token, picture)
    stranger = post(address, machine.world.beta.member.notebook_token, picture)
    nothing = post(address.replace("digits", "letters"), made["key"], picture)
    assert refused.status_code == 401
    assert {answer.content for answer in (refused, colleague, stranger, nothing)} == {refused.content}

    figures = until(lambda: ok(client.get(f"{path}/monitoring")), lambda found: found["requests"] >= 5, 20)
    assert figures["errors"] == 0 and figures["latency_p50_ms"] > 0
    assert [one["name"] for one in figures["per_variant"]] == ["v1"]

    problem(client.delete(f"/models/{version['model']['id']}/versions/V0001"), 409, "in_use")
    problem(client.delete(path), 409, "invalid_transition")
    ok(client.delete(f"{path}/keys/1"), 204)
    wait_until(lambda: post(address, made["key"], picture).status_code == 401)
    ok(client.post(f"{path}/stop"), 202)
    settled(client, number, "stopped")
    assert post(address, member.notebook_token, picture).status_code == 503
    ok(client.delete(path), 204)
    assert client.get(path).status_code == 404
    ok(client.delete(f"/models/{version['model']['id']}"), 204)


class Pressure:
    """Calls from several threads, ``pause`` seconds apart; keeps what was not answered with 200."""

    def __init__(self, address: str, token: str, picture: bytes, pause: float = 0.0) -> None:
        self._pause = pause
        self.calls = 0
        self.failures: list[str] = []
        self.versions: list[str] = []
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._press, args=(address, token, picture)) for _ in range(3)]
        for thread in self._threads:
            thread.start()

    def _press(self, address: str, token: str, picture: bytes) -> None:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "image/png"}
        with httpx.Client(verify=False, timeout=30, headers=headers) as client:
            while not self._ended.is_set():
                answer = client.post(address, content=picture)
                self.calls += 1
                if answer.status_code == 200:
                    self.versions.append(answer.json()["version"])
                else:
                    self.failures.append(f"{answer.status_code} {answer.text[:100]}")
                self._ended.wait(self._pause)

    def end(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()


def test_a_new_revision_rolls_out_without_a_failed_call(machine: Machine, trained: dict[str, bytes]) -> None:
    """SRV-4, PERF-11: edit under load; a revision that does not load leaves the old one answering."""
    member, client = machine.world.alpha.member, machine.world.alpha.member.client()
    first = make_model(client, trained)
    second = upload(client, first["model"]["id"], {**trained, "note.txt": b"the same, again"})
    broken = upload(client, first["model"]["id"], {**trained, "model.onnx": b"no model at all"})
    service = deploy(client, first)
    path = f"/inference-services/{service['id']}"
    running = settled(client, service["id"], "running", "failed")
    assert running["phase"] == "running", running["message"]
    picture = next(iter(digits(1, start=1200, classes=4).values()))
    wait_until(lambda: post(running["address"], member.notebook_token, picture).status_code == 200)

    pressure = Pressure(running["address"], member.notebook_token, picture)
    try:

        def edit(*variants: dict[str, Any]) -> dict[str, Any]:
            tag = ok(client.get(path))["version"]
            body = {"variants": list(variants)}
            return ok(client.patch(path, json=body, headers={"If-Match": f'"{tag}"'}))  # type: ignore[no-any-return]

        edit(variant(client, second))
        until(lambda: ok(client.get(path)), lambda one: one["live_revision"] == 2)
        assert wait_until(lambda: pressure.versions[-1] == "V0002")

        edit(variant(client, broken))
        failed = until(lambda: ok(client.get(path)), lambda one: "Revision 3 failed" in one["message"], 60)
        assert (failed["phase"], failed["live_revision"]) == ("running", 2)

        edit(variant(client, second, 60, name="v1"), variant(client, first, 40, name="v2"))
        split = until(lambda: ok(client.get(path)), lambda one: one["live_revision"] == 4)
        body = {"weights": {"v1": 0, "v2": 100}}
        stale = client.put(f"{path}/weights", json=body, headers={"If-Match": '"1"'})
        problem(stale, 412, "stale_version")
        problem(client.put(f"{path}/weights", json=body), 428, "version_required")
        ok(client.put(f"{path}/weights", json=body, headers={"If-Match": f'"{split["version"]}"'}))
        wait_until(lambda: set(pressure.versions[-20:]) == {"V0001"})
    finally:
        pressure.end()
    assert pressure.calls > 100
    assert not pressure.failures, pressure.failures[:3]
    revisions = ok(client.get(f"{path}/revisions"))["items"]
    assert [(one["revision"], one["active"]) for one in revisions] == [(4, True), (3, False), (2, False), (1, False)]


def test_a_model_that_does_not_load_fails_with_its_sentence(machine: Machine, trained: dict[str, bytes]) -> None:
    """SRV-4: the cause is what the replica said; it can be started again after an edit."""
    client = machine.world.alpha.member.client()
    broken = make_model(client, {**trained, "model.onnx": b"no model at all"}, "broken")
    service = deploy(client, broken, "broken")
    assert settled(client, service["id"], "failed", "running")["phase"] == "failed"
    path = f"/inference-services/{service['id']}"
    # The log's last lines are read right after the end.
    failed = until(lambda: ok(client.get(path)), lambda one: "model.onnx" in one["message"], 10)
    good = upload(client, broken["model"]["id"], trained)
    body = {"variants": [variant(client, good)]}
    ok(client.patch(path, json=body, headers={"If-Match": f'"{failed["version"]}"'}))
    assert settled(client, service["id"], "failed", "running")["phase"] == "running"


def test_what_a_service_may_not_be(machine: Machine, trained: dict[str, bytes]) -> None:
    """BAD INPUT: nothing is half-done after a refusal."""
    client, foreign = machine.world.alpha.member.client(), machine.world.beta.member.client()
    version = make_model(client, trained)
    one = variant(client, version)
    for name, variants, field in (
        ("-ends-", [one], "name"),
        ("x" * 33, [one], "name"),
        ("a", [{**one, "weight_percent": 60}], "variants.weight_percent"),
        ("b", [{**one, "version": "V0009"}], "variants[0].version"),
        ("c", [{**one, "spec_id": 999}], "variants[0].spec_id"),
        ("d", [{**one, "replicas": 11}], "variants.replicas"),
        ("e", [], "variants"),
    ):
        answer = client.post("/inference-services", json={"name": name, "variants": variants})
        assert answer.status_code == 422, answer.text
        assert answer.json()["field"] == field, answer.text
    taken = foreign.post("/inference-services", json={"name": "theirs", "variants": [one]})
    assert taken.json()["field"] == "variants[0].version"
    big = client.post("/inference-services", json={"name": "big", "variants": [{**one, "replicas": 10}]})
    assert big.status_code in (201, 409)
    if big.status_code == 201:
        ok(client.post(f"/inference-services/{big.json()['id']}/stop"), 202)
        settled(client, big.json()["id"], "stopped")
    names = [row["name"] for row in ok(client.get("/inference-services"))["items"]]
    assert names in ([], ["big"])
