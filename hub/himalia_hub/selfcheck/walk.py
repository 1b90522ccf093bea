"""The steps of the self-check, in the order a person takes them.

Everything goes the way a person's clicks go: the hub's pages for sign-in and start, the notebook's
server extension for all else, the service's public address for the prediction. A step that sees
anything but what must be raises :class:`Unexpected`; what the walk made is cleaned up either way.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import secrets
import struct
import time
import uuid
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from himalia_hub.selfcheck.browser import Browser, Notebook, Unexpected, expect, run_apart

PICTURES_CELL = """
import io, zipfile
import numpy as np
from PIL import Image
from sklearn.datasets import load_digits
digits = load_digits()
rows = np.flatnonzero(digits.target < 4)[:{count}]
with zipfile.ZipFile("selfcheck-pictures.zip", "w") as archive:
    for row in rows:
        picture = Image.fromarray((digits.images[row] * 255 / 16).astype("uint8")).resize((32, 32))
        data = io.BytesIO()
        picture.save(data, "PNG")
        archive.writestr(f"{{digits.target[row]}}/digit_{{row:04d}}.png", data.getvalue())
print(len(rows), "pictures written")
"""
SDK_CELL = """
%load_ext himalia
%himalia status
import himalia
values = himalia.dataset({name!r}, version="V0001").to_pandas()
print("rows", len(values))
answer = himalia.services.get({service!r}).predict("selfcheck-one.png")
print("label", answer.label)
"""
FILES_TYPE = "application/vnd.himalia.files"
ENOUGH = {"cpu_millis": 8_000, "memory_bytes": 32 << 30, "storage_bytes": 100 << 30, "image_bytes": 10 << 30}
"""Quota of the walk's own organisation: a notebook, a run and a service at once."""
ENDED = ("succeeded", "failed", "stopped", "timed_out")


def standing(seen: Any) -> str:
    """What an object waits for: its phase and the step of its start that is under way, else the object as it is."""
    found = seen if isinstance(seen, dict) else {}
    work = next((one for one in (found, found.get("workload")) if isinstance(one, dict) and one.get("steps")), None)
    step = next((one for one in (work or {}).get("steps", ()) if one["state"] != "done"), None)
    if work is None or step is None:
        return json.dumps(seen, ensure_ascii=False)[:300]
    said = [str(work[name]) for name in ("phase", "message") if work.get(name)]
    return "; ".join([*said, ": ".join(filter(None, (step["name"], step["detail"])))])


@dataclass
class Walk:
    """One walk through the line.

    Args:
        admin: Calls the machine's administration (``call(method, path, body)``, ``link_address``).
        hub_url: The hub's public address.
        say: Takes the lines to print.
        pictures: How many pictures go through the line.
    """

    admin: Any
    hub_url: str
    say: Callable[[str], None]
    pictures: int = 240
    facts: dict[str, Any] = field(default_factory=dict)

    def steps(self) -> tuple[tuple[str, Callable[[], str]], ...]:
        return (
            ("sign in", self.sign_in),
            ("start a notebook", self.start_notebook),
            ("run a cell", self.run_cell),
            ("import pictures", self.import_pictures),
            ("label", self.label),
            ("publish V0001", self.publish),
            ("relabel, publish V0002, compare", self.compare),
            ("train", self.train),
            ("register the model", self.register),
            ("deploy", self.deploy),
            ("predict", self.predict),
            ("SDK and magics in a cell", self.sdk),
            ("stop, and read the bills", self.bills),
        )

    def run(self) -> bool:
        """Walk all steps; True when each was right. Always cleans up."""
        begun = time.monotonic()
        right = True
        try:
            for title, step in self.steps():
                at = time.monotonic()
                try:
                    seen = step()
                except (Unexpected, httpx.HTTPError, KeyError, AssertionError) as error:
                    self.say(f"  ✗ {title:<34} {time.monotonic() - at:6.2f} s  {type(error).__name__}: {error}")
                    right = False
                    break
                self.say(f"  ✓ {title:<34} {time.monotonic() - at:6.2f} s  {seen}")
        finally:
            at = time.monotonic()
            try:
                self.say(f"  ✓ {'clean up':<34} {time.monotonic() - at:6.2f} s  {self.clean_up()}")
            except (Unexpected, httpx.HTTPError) as error:
                self.say(f"  ✗ {'clean up':<34} {time.monotonic() - at:6.2f} s  {error}")
                right = False
        self.say(f"{'All right' if right else 'Not right'} after {time.monotonic() - begun:.1f} s.")
        return right

    # -- helpers -----------------------------------------------------------------------------

    @property
    def notebook(self) -> Notebook:
        return self.facts["notebook"]  # type: ignore[no-any-return]

    def api(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        return self.notebook.api(method, path, body, **options)

    def wait(self, what: str, look: Callable[[], Any], done: Callable[[Any], bool], seconds: float = 180.0) -> Any:
        """Look until ``done``; failing states are the caller's business."""
        until = time.monotonic() + seconds
        while True:
            seen = look()
            if done(seen):
                return seen
            if time.monotonic() > until:
                raise Unexpected(f"{what} is not done after {seconds:.0f} s: {standing(seen)}")
            time.sleep(0.2)

    # -- the line ----------------------------------------------------------------------------

    def sign_in(self) -> str:
        known = {row["code"] for row in self.admin.call("GET", "admin/tenants")}
        if "selfcheck" not in known:
            self.admin.call("POST", "admin/tenants", {"code": "selfcheck", "name": "Self-check"})
        self.admin.call(
            "POST", "admin/recharges", {"tenant": "selfcheck", "amount_micros": 50_000_000, "note": "self-check"}
        )
        self._allow()
        name = "check" + secrets.token_hex(5)
        made = self.admin.call("POST", "admin/users", {"tenant": "selfcheck", "name": name})
        self.facts["user"] = made["user"]
        browser = Browser(self.hub_url)
        self.facts["browser"] = browser
        browser.sign_in(self.admin.link_address(made["token"]))
        page = browser.hub("GET", "himalia/api/start")
        if page["identity"]["user"]["name"] != name:
            raise Unexpected(f"the start page greets {page['identity']['user']['name']!r}, not {name!r}")
        return f"as {name}, {len(page['profiles'])} profiles offered"

    def _allow(self) -> None:
        """On a cluster an organisation begins without quota: give its own what the walk needs."""
        sheet = self.admin.call("GET", "admin/quotas?level=tenant&subject=selfcheck")
        limits = {name: ENOUGH[name] for name in sheet["missing"] if name in ENOUGH}
        if limits:
            body = {"level": "tenant", "subject": "selfcheck", "limits": limits}
            self.admin.call("PUT", "admin/quotas", body)

    def start_notebook(self) -> str:
        browser: Browser = self.facts["browser"]
        page = browser.hub("GET", "himalia/api/start")
        offered = [p for p in page["profiles"] if p["verdict"]["verdict"] == "starts_now"]
        if not offered:
            raise Unexpected("no profile starts now: " + "; ".join(p["verdict"]["sentence"] for p in page["profiles"]))
        spec = min(offered, key=lambda p: p["spec"]["resources"]["memory_bytes"])["spec"]
        self.facts["spec"] = spec
        self.facts["environment"] = page["default_environment"]
        wanted = {"name": "selfcheck", "spec_id": spec["id"], "environment": page["default_environment"]}
        made = browser.hub("POST", "himalia/api/notebooks", wanted)

        def look() -> Any:
            rows = browser.hub("GET", "himalia/api/start")["notebooks"]
            return next((row for row in rows if row["id"] == made["id"]), None)

        seen = self.wait("the notebook", look, lambda n: n and (n.get("url") or n["phase"] in ENDED), 180)
        if not seen.get("url"):
            raise Unexpected(
                f"the notebook {seen['phase']}: {seen['message']} {' '.join(seen.get('last_lines') or [])}"
            )
        self.facts["notebook_id"] = made["id"]
        self.facts["notebook"] = browser.open_notebook(seen["url"])
        steps = ", ".join(step["name"] for step in seen["steps"])
        return f"{spec['name']} ({steps})"

    def run_cell(self) -> str:
        code = PICTURES_CELL.format(count=self.pictures + 1)
        printed = run_apart(self.notebook.run_cell(code))
        if f"{self.pictures + 1} pictures" not in printed:
            raise Unexpected(f"the cell printed {printed!r}")
        answer = self.notebook.request("GET", "files/selfcheck-pictures.zip")
        expect(answer, 200, "downloading what the cell wrote")
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            files = [(name, archive.read(name)) for name in archive.namelist()]
        self.facts["held_back"] = files.pop()
        self.facts["files"] = files
        return printed.strip()

    def import_pictures(self) -> str:
        self.facts["suffix"] = secrets.token_hex(3)
        labels = [
            {"name": str(n), "colour": colour} for n, colour in enumerate(("#e69f00", "#56b4e9", "#009e73", "#cc79a7"))
        ]
        group = self.api(
            "POST", "label-groups", {"name": "digits-" + self.facts["suffix"], "type": "vision", "labels": labels}
        )
        self.facts["group"] = group
        dataset = self.api(
            "POST",
            "datasets",
            {
                "name": "digits-" + self.facts["suffix"],
                "data_type": "image",
                "annotation_type": "classification",
                "label_group_id": group["id"],
            },
        )
        self.facts["dataset"] = dataset
        bad = ("broken.png", b"\x89PNG not a picture")
        started = self.api("POST", f"datasets/{dataset['id']}/imports", {"source": "browser"})
        body = b"".join(_framed(name.replace("/", "_"), data) for name, data in [*self.facts["files"], bad])
        results = self.api(
            "POST", f"imports/{started['id']}/files", content=body, headers={"Content-Type": FILES_TYPE}
        )["results"]
        refused = [row for row in results if row["outcome"] == "refused"]
        if [row["path"] for row in refused] != ["broken.png"]:
            raise Unexpected(f"refused: {refused}")
        self.api("POST", f"imports/{started['id']}/finish", {})
        self.wait("the import", lambda: self.api("GET", f"imports/{started['id']}"), lambda i: i["state"] == "done")
        seen = self.api("GET", f"datasets/{dataset['id']}")
        if seen["items"] != len({hashlib.sha256(data).digest() for _, data in self.facts["files"]}):
            raise Unexpected(f"{seen['items']} items instead of {len(self.facts['files'])}")
        return f"{seen['items']} pictures, the damaged one left out: {refused[0]['reason']}"

    def _items(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = self.api("GET", f"datasets/{self.facts['dataset']['id']}/items?limit=500&sort=position{cursor}")
            items.extend(page["items"])
            if page["next_cursor"] is None:
                return items
            cursor = f"&cursor={page['next_cursor']}"

    def _operate(self, operations: list[dict[str, Any]]) -> None:
        client = str(uuid.uuid4())
        path = f"datasets/{self.facts['dataset']['id']}/operations"
        for start in range(0, len(operations), 200):
            body = {"client": client, "operations": operations[start : start + 200]}
            first = self.api("POST", path, body)
            again = self.api("POST", path, body)
            if any(row["outcome"] != "applied" for row in first["results"]):
                raise Unexpected(f"an operation was not applied: {first['results'][:2]}")
            if first["accepted_seq"] != again["accepted_seq"]:
                raise Unexpected("sending the same operations again had an effect")

    def label(self) -> str:
        label_of = {label["name"]: label["id"] for label in self.facts["group"]["labels"]}
        operations: list[dict[str, Any]] = []
        for item in self._items():
            for operation in ({"op": "set_labels", "labels": [label_of[item["name"][0]]]}, {"op": "confirm"}):
                moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
                operations.append({"seq": len(operations) + 1, "item": item["id"], "at": moment, **operation})
        self._operate(operations)
        statistics = self.api("GET", f"datasets/{self.facts['dataset']['id']}/statistics")
        counts = {row["name"]: row["count"] for row in statistics["by_label"]}
        return "labels " + ", ".join(f"{name}: {count}" for name, count in sorted(counts.items()))

    def _publish(self) -> dict[str, Any]:
        dataset = self.facts["dataset"]["id"]
        version = self.api(
            "POST", f"datasets/{dataset}/publish", {"splits": {"train": 0.7, "validation": 0.2, "test": 0.1}, "seed": 7}
        )["version"]
        return self.wait(  # type: ignore[no-any-return]
            "the split",
            lambda: self.api("GET", f"datasets/{dataset}/versions/{version}"),
            lambda v: v["splits"]["state"] == "ready",
        )

    def publish(self) -> str:
        version = self._publish()
        if version["version"] != "V0001":
            raise Unexpected(f"the first version is {version['version']}")
        splits = version["splits"]
        shares = "/".join(str(splits[name]) for name in ("train", "validation", "test"))
        return f"{version['items']} items, {shares}, digest {version['digest'][:12]}"

    def compare(self) -> str:
        item = self._items()[0]
        other = next(label for label in self.facts["group"]["labels"] if label["name"] != item["labels"][0]["name"])
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self._operate([{"seq": 1, "item": item["id"], "op": "set_labels", "labels": [other["id"]], "at": moment}])
        states = {i["state"] for i in self._items()}
        if states != {"confirmed"}:
            self._operate([{"seq": 1, "item": item["id"], "op": "confirm", "at": moment}])
        self._publish()
        seen = self.api("GET", f"datasets/{self.facts['dataset']['id']}/compare?from=V0001&to=V0002")
        if (seen["added"], seen["removed"], seen["relabelled"]) != (0, 0, 1):
            raise Unexpected(
                f"compare says {seen['added']} added, {seen['removed']} removed, {seen['relabelled']} relabelled"
            )
        return f"1 relabelled: {item['name']}"

    def train(self) -> str:
        algorithm = next(row for row in self.api("GET", "algorithms")["items"] if row["name"] == "image-classification")
        body = {
            "name": "selfcheck-" + self.facts["suffix"],
            "algorithm_id": algorithm["id"],
            "dataset": {"id": self.facts["dataset"]["id"], "version": "V0002"},
            "parameters": {"epochs": 8},
            "spec_id": self.facts["spec"]["id"],
        }
        preview = self.api("POST", "jobs/preview", body)
        if "image_classification" not in preview["command"]:
            raise Unexpected(f"the command shown is {preview['command']!r}")
        job = self.api("POST", "jobs", body)
        self.facts["job"] = job
        run = self.wait(
            "the run", lambda: self.api("GET", f"runs/{job['latest_run']['id']}"), lambda r: r["phase"] in ENDED, 300
        )
        if run["phase"] != "succeeded":
            raise Unexpected(
                f"the run {run['phase']} ({run['reason']}): {run['message']} {' '.join(run['last_lines'] or [])}"
            )
        self.facts["run"] = run
        series = {s["name"]: s["points"] for s in self.api("GET", f"runs/{run['id']}/metrics")["series"]}
        curves = {name: points for name, points in series.items() if len(points) >= 8}
        if not any("loss" in name for name in curves) or not any("accuracy" in name for name in curves):
            raise Unexpected(f"the curves are {sorted(series)}")
        best = max(point[1] for name, points in curves.items() if "accuracy" in name for point in points)
        return f"{len(curves)} curves, accuracy {best:.3f}, cost {run['cost_micros'] / 1e6:.6f}"

    def register(self) -> str:
        made = self.api(
            "POST", f"runs/{self.facts['run']['id']}/model", {"model_name": "digits-" + self.facts["suffix"]}
        )
        self.facts["model"] = made
        lineage = made["lineage"]
        if lineage["dataset_version"] != "V0002":
            raise Unexpected(f"the lineage names {lineage}")
        return (
            f"{made['model']['name']} {made['version']}, {made['bytes']} bytes, from {lineage['dataset']['name']} V0002"
        )

    def deploy(self) -> str:
        model = self.facts["model"]
        variant = {
            "model_id": model["model"]["id"],
            "version": model["version"],
            "weight_percent": 100,
            "spec_id": self.facts["spec"]["id"],
            "replicas": 1,
        }
        body = {"name": "digits-" + self.facts["suffix"], "variants": [variant]}
        service = self.api("POST", "inference-services", body)
        self.facts["service"] = service
        path = f"inference-services/{service['id']}"
        seen = self.wait("the service", lambda: self.api("GET", path), lambda s: s["phase"] != "deploying", 180)
        if seen["phase"] != "running":
            raise Unexpected(f"the service {seen['phase']} ({seen['reason']}): {seen['message']}")
        return str(seen["address"])

    def predict(self) -> str:
        path, data = self.facts["held_back"]
        service = self.facts["service"]
        answer = self.api(
            "POST", f"inference-services/{service['id']}/predict", content=data, headers={"Content-Type": "image/png"}
        )
        label = answer["predictions"][0]["label"]
        if label != path[0]:
            raise Unexpected(f"a picture of {path[0]} that was not trained on was called {label}")
        key = self.api("POST", f"inference-services/{service['id']}/keys", {"name": "selfcheck"})["key"]
        address = self.api("GET", f"inference-services/{service['id']}/guide")["address"]
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "image/png"}
        outside = self.wait(
            "the key",
            lambda: httpx.post(address, content=data, headers=headers, timeout=30, trust_env=False).status_code,
            lambda status: status == 200,
            10,
        )
        wrong = httpx.post(
            address, content=data, headers={**headers, "Authorization": "Bearer no"}, timeout=30, trust_env=False
        )
        if wrong.status_code == 200:
            raise Unexpected("the service answered a wrong key")
        score = answer["predictions"][0]["score"]
        return f"{path} is {label} at {score:.2f}; outside {outside}, wrong key {wrong.status_code}"

    def sdk(self) -> str:
        path, data = self.facts["held_back"]
        put = {"type": "file", "format": "base64", "content": base64.b64encode(data).decode()}
        expect(self.notebook.request("PUT", "api/contents/selfcheck-one.png", json=put), (200, 201), "writing a file")
        name = "digits-" + self.facts["suffix"]
        printed = run_apart(self.notebook.run_cell(SDK_CELL.format(name=name, service=name)))
        rows = len({hashlib.sha256(data).digest() for _, data in self.facts["files"]})
        if f"rows {rows}" not in printed or f"label {path[0]}" not in printed:
            raise Unexpected(f"the cell printed {printed[-300:]!r}")
        return f"{rows} rows, label {path[0]}"

    def bills(self) -> str:
        self.api("POST", f"inference-services/{self.facts['service']['id']}/stop", {})
        self.wait(
            "stopping the service",
            lambda: self.api("GET", f"inference-services/{self.facts['service']['id']}"),
            lambda s: s["phase"] == "stopped",
        )
        settled = self.wait(
            "the bills",
            lambda: self.api("GET", "bills?limit=50")["items"],
            lambda rows: (
                {row["kind"] for row in rows if row["state"] == "settled"} >= {"run", "service_variant"}
                and any(row["kind"] == "notebook" for row in rows)
            ),
            60,
        )
        for bill in settled:
            total = sum(line["amount_micros"] for line in bill["lines"])
            if total != bill["total_micros"] or bill["duration_seconds"] <= 0:
                raise Unexpected(f"bill {bill['serial']} says {bill['total_micros']}, its lines {total}")
        balance = self.api("GET", "balance")
        shown = ", ".join(f"{b['kind']} {b['duration_seconds']:.0f} s {b['total_micros'] / 1e6:.6f}" for b in settled)
        return f"{shown}; balance {balance['balance_micros'] / 1e6:.4f}"

    def clean_up(self) -> str:
        """Delete what the walk made, stop its notebook, disable its person."""
        removed = 0
        if "notebook" in self.facts:
            for key, path in (
                ("service", "inference-services"),
                ("job", "jobs"),
                ("model", "models"),
                ("dataset", "datasets"),
                ("group", "label-groups"),
            ):
                if key in self.facts:
                    removed += self._remove(
                        path, self.facts[key]["model"]["id"] if key == "model" else self.facts[key]["id"]
                    )
        if "browser" in self.facts:
            browser: Browser = self.facts["browser"]
            if "notebook_id" in self.facts:
                rows = browser.hub("GET", "himalia/api/start")["notebooks"]
                row = next(r for r in rows if r["id"] == self.facts["notebook_id"])
                browser.hub("POST", f"himalia/api/notebooks/{row['server_name']}/stop", {})
            browser.close()
        if "user" in self.facts:
            self.admin.call("POST", f"admin/users/{self.facts['user']['name']}/change", {"enabled": False})
        return f"{removed} objects deleted, the notebook stopped, the person disabled"

    def _remove(self, path: str, number: int) -> int:
        answer = self.notebook.request("DELETE", f"himalia/api/v1/{path}/{number}")
        if answer.status_code == 409 and path == "inference-services":
            self.notebook.request("POST", f"himalia/api/v1/{path}/{number}/stop", json={})
            self.wait(
                "stopping", lambda: self.api("GET", f"{path}/{number}")["phase"], lambda p: p in ("stopped", "failed")
            )
            answer = self.notebook.request("DELETE", f"himalia/api/v1/{path}/{number}")
        expect(answer, (200, 202, 204), f"deleting {path}/{number}")
        return 1


def _framed(path: str, data: bytes) -> bytes:
    header = json.dumps({"path": path, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}).encode()
    return struct.pack(">I", len(header)) + header + data
