"""What each route is asked with: which object it is about, its query, its body. One table.

A path parameter names a kind on the asked person's shelf; a string is sent as it is. Bodies are
functions of the object's shelf, so that a body names the versions and items of the object it goes
with. Objects named only in bodies are the subject of ``test_references``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from himalia_hub.data.content.framing import MEDIA_TYPE
from tests.api.matrix.shelf import Shelf, frame
from tests.support.data import NOW, frames
from tests.support.made_pictures import picture
from tests.support.models import archive

Body = Mapping[str, Any] | Callable[[Shelf, int], Mapping[str, Any]] | None
"""A mapping, or a function of the caller's shelf and the spec."""


@dataclass(frozen=True)
class Ask:
    """How one route is asked. ``path`` has one entry a parameter: a kind, or ``=text``."""

    path: tuple[str, ...] = ()
    body: Body = None
    query: Mapping[str, Any] = field(default_factory=dict)
    content: bytes | None = None
    content_type: str = "application/octet-stream"
    changed: Mapping[str, Any] | None = None
    """Fields that make another request of it, for the test of idempotency keys."""
    no_2xx: str = ""
    """Why no cell can answer 2xx here; kept as short a list as possible."""

    def json(self, shelf: Shelf, spec: int) -> Mapping[str, Any] | None:
        return self.body(shelf, spec) if callable(self.body) else self.body


READERS: dict[str, str] = {
    "task": "/tasks/{}",
    "label_group": "/label-groups/{}",
    "label_group_free": "/label-groups/{}",
    "dataset": "/datasets/{}",
    "dataset_free": "/datasets/{}",
    "import": "/imports/{}",
    "import_archive": "/imports/{}",
    "workload": "/workloads/{}",
    "notebook": "/notebooks/{}",
    "notebook_queued": "/notebooks/{}",
    "job": "/jobs/{}",
    "job_ended": "/jobs/{}",
    "run": "/runs/{}",
    "run_ended": "/runs/{}",
    "model": "/models/{}",
    "model_free": "/models/{}",
    "service": "/inference-services/{}",
    "service_stopped": "/inference-services/{}",
    "bill": "/bills/{}",
    "api_token": "/api-tokens",
    "share": "/shares?direction=given",
    "spare": "/members/{}",
    "department_free": "/departments/{}",
    "group": "/groups/{}",
    "role": "/roles/{}",
    "member_import": "/member-imports/{}",
    "audit_entry": "/audit-entries/{}",
}
"""Where an owner reads an object of a kind; a list is searched for the number."""

NAMED = {"organisation": "delta", "organisation_empty": "omega", "source": "matrix", "sender": "email"}
"""Kinds of the installation that addresses name by a word; see ``people.make_installation``."""
INSTALLATION = ("spec", *NAMED)
"""Kinds that belong to the installation, not to a tenant: there is one object, or none."""


def _job(shelf: Shelf, spec: int) -> dict[str, Any]:
    dataset = {"id": shelf.ids["dataset"], "version": "V0001"}
    return {"name": "new", "algorithm_id": 1, "dataset": dataset, "spec_id": spec}


def _variants(shelf: Shelf, spec: int) -> list[dict[str, Any]]:
    return [{"model_id": shelf.ids["model"], "version": "V0001", "spec_id": spec}]


def _script(shelf: Shelf, spec: int) -> dict[str, Any]:
    return {"name": "cell", "code": "print(1)", "spec_id": spec}


def _operations(shelf: Shelf, spec: int) -> dict[str, Any]:
    operation = {"seq": 1, "item": shelf.ids["item"], "op": "reopen", "at": NOW}
    return {"client": "7e57ab1e-0000-4000-8000-000000000000", "operations": [operation]}


def _notebook(shelf: Shelf, spec: int) -> dict[str, Any]:
    return {"name": "another", "spec_id": spec, "environment": "science", "start": False}


IMAGE = picture(99)
OUTPUT = frame("output/more.txt", b"more")
SERVICE, RUN, DATASET = ("service",), ("run",), ("dataset",)
VERSION = ("dataset", "=V0002")
ALL = {"limit": "500"}
"""The whole of a list."""
SPARE, EMPTY = ("spare",), ("department_free",)

REQUESTS: dict[str, Ask] = {
    # installation and account
    "GET /health": Ask(),
    "GET /me": Ask(),
    "GET /installation": Ask(),
    "GET /events": Ask(),
    "GET /search": Ask(query={"q": "e"}),
    "GET /tasks": Ask(query=ALL),
    "GET /tasks/{task}": Ask(("task",)),
    "POST /tasks/{task}/cancel": Ask(("task",)),
    "GET /api-tokens": Ask(),
    "POST /api-tokens": Ask(body={"name": "another"}, changed={"name": "a third"}),
    "DELETE /api-tokens/{token}": Ask(("api_token",)),
    "POST /me/activity": Ask(body={}),
    "POST /me/sessions/end": Ask(body={}),
    # organisations, departments, members, groups, roles
    "GET /organisations": Ask(),
    "GET /organisations/{organisation}": Ask(("organisation",)),
    "POST /organisations": Ask(
        body={"code": "epsilon", "name": "epsilon-works", "administrator": {"name": "epsilonadmin"}},
        changed={"name": "another-works"},
    ),
    "PATCH /organisations/{organisation}": Ask(
        ("organisation",), body={"description": "d"}, changed={"description": "e"}
    ),
    "POST /organisations/{organisation}/enable": Ask(("organisation",)),
    "POST /organisations/{organisation}/disable": Ask(("organisation",)),
    "DELETE /organisations/{organisation}": Ask(("organisation_empty",)),
    "GET /departments": Ask(),
    "GET /departments/{department}": Ask(EMPTY),
    "POST /departments": Ask(body={"name": "Newest"}, changed={"name": "Newer"}),
    "PATCH /departments/{department}": Ask(EMPTY, body={"description": "d"}, changed={"description": "e"}),
    "POST /departments/{department}/enable": Ask(EMPTY),
    "POST /departments/{department}/disable": Ask(EMPTY),
    "POST /departments/{department}/members": Ask(
        EMPTY, body=lambda shelf, spec: {"add": [shelf.ids["spare"]]}, changed={"add": []}
    ),
    "DELETE /departments/{department}": Ask(EMPTY),
    "GET /members": Ask(),
    "GET /members/template": Ask(),
    "GET /members/export": Ask(),
    "POST /members/links": Ask(body=lambda shelf, spec: {"members": [shelf.ids["spare"]]}),
    "POST /member-imports": Ask(query={"dry_run": "true"}, content=b"name\nnewmember\n", content_type="text/csv"),
    "GET /member-imports/{member_import}": Ask(("member_import",)),
    "GET /member-imports/{member_import}/lines": Ask(("member_import",)),
    "GET /members/{member}": Ask(SPARE),
    "GET /members/{member}/belongings": Ask(SPARE),
    "POST /members": Ask(body={"name": "newmember"}, changed={"name": "newermember"}),
    "PATCH /members/{member}": Ask(SPARE, body={"display_name": "d"}, changed={"display_name": "e"}),
    "POST /members/{member}/enable": Ask(SPARE),
    "POST /members/{member}/disable": Ask(SPARE),
    "POST /members/{member}/unlock": Ask(SPARE),
    "POST /members/{member}/link": Ask(SPARE),
    "DELETE /members/{member}": Ask(SPARE, query={"erase": "true"}),
    "GET /members/{member}/second-factor": Ask(SPARE),
    "DELETE /members/{member}/second-factor": Ask(SPARE),
    "GET /groups": Ask(),
    "GET /groups/{group}": Ask(("group",)),
    "POST /groups": Ask(body={"name": "Newest"}, changed={"name": "Newer"}),
    "PATCH /groups/{group}": Ask(("group",), body={"description": "d"}, changed={"description": "e"}),
    "POST /groups/{group}/members": Ask(
        ("group",), body=lambda shelf, spec: {"add": [shelf.ids["spare"]]}, changed={"add": []}
    ),
    "DELETE /groups/{group}": Ask(("group",)),
    "GET /permissions": Ask(),
    "GET /roles": Ask(),
    "POST /roles": Ask(body={"name": "Newest", "permissions": {"data.dataset.read": "own"}}, changed={"name": "Newer"}),
    "GET /roles/{role}": Ask(("role",)),
    "PATCH /roles/{role}": Ask(("role",), body={"description": "d"}, changed={"description": "e"}),
    "DELETE /roles/{role}": Ask(("role",)),
    "GET /members/{member}/roles": Ask(SPARE),
    "PUT /members/{member}/roles": Ask(
        SPARE, body={"roles": [{"role": "annotator"}]}, changed={"roles": [{"role": "member"}]}
    ),
    "GET /groups/{group}/roles": Ask(("group",)),
    "PUT /groups/{group}/roles": Ask(("group",), body={"roles": ["annotator"]}, changed={"roles": ["member"]}),
    # sign-in sources, policy, senders
    "GET /sign-in-sources": Ask(),
    "GET /sign-in-sources/kinds": Ask(),
    "GET /sign-in-sources/{source}": Ask(("source",)),
    "POST /sign-in-sources": Ask(
        body={"name": "another", "title": "Another", "kind": "pam"}, changed={"title": "A third"}
    ),
    "PATCH /sign-in-sources/{source}": Ask(("source",), body={"title": "Named"}, changed={"title": "Again"}),
    "DELETE /sign-in-sources/{source}": Ask(("source",)),
    "POST /sign-in-sources/{source}/test": Ask(("source",), body={"claims": {}}, changed={"claims": {"a": "b"}}),
    "GET /security-policy": Ask(),
    "PUT /security-policy": Ask(body={}, changed={"password_minimum": 9}),
    "GET /message-senders": Ask(),
    "PUT /message-senders/{channel}": Ask(
        ("=sms",),
        body={"kind": "webhook", "settings": {"url": "https://example.org/hook"}},
        changed={"enabled": False},
    ),
    "DELETE /message-senders/{channel}": Ask(("sender",)),
    "POST /message-senders/{channel}/test": Ask(
        ("sender",), body={"to": "somebody@example.org"}, no_2xx="a test needs a sender that answers"
    ),
    # money
    "GET /balance": Ask(),
    "GET /bills": Ask(query=ALL),
    "GET /bills/summary": Ask(),
    "GET /bills/export": Ask(),
    "GET /bills/{bill}": Ask(("bill",)),
    "GET /ledger": Ask(),
    "GET /ledger/export": Ask(),
    "GET /prices": Ask(),
    "PUT /prices": Ask(
        body={"entries": [{"resource": "cpu", "price_per_hour": "0.10"}]},
        changed={"entries": [{"resource": "cpu", "price_per_hour": "0.11"}]},
    ),
    "POST /recharges": Ask(body={"amount_micros": 5_000_000, "note": "n"}, changed={"amount_micros": 6_000_000}),
    # audit
    "GET /audit-entries": Ask(),
    "GET /audit-entries/export": Ask(),
    "GET /audit-entries/{entry}": Ask(("audit_entry",)),
    # compute
    "GET /workloads": Ask(query=ALL),
    "GET /workloads/{workload}": Ask(("workload",)),
    "GET /workloads/{workload}/log": Ask(("workload",)),
    "GET /workloads/{workload}/folders/{manifest}": Ask(("workload", "manifest")),
    "GET /workloads/{workload}/usage": Ask(("workload",)),
    "POST /workloads/{workload}/stop": Ask(("workload",), body={}),
    "GET /quota": Ask(),
    "GET /specs": Ask(),
    "GET /specs/{spec}": Ask(("spec",)),
    "GET /spec-limits": Ask(),
    "GET /quota-sheets": Ask(query={"level": "user"}),
    "GET /checklist": Ask(),
    "GET /profiles": Ask(query={"scenario": "notebook"}),
    "POST /accelerators/resolve": Ask(
        body=lambda shelf, spec: {"spec_id": spec, "memory_bytes": 24 * 2**30}, changed={"count": 2}
    ),
    "POST /verdict": Ask(body=lambda shelf, spec: {"spec_id": spec, "scenario": "training"}, changed={"replicas": 2}),
    "GET /environments": Ask(),
    "POST /pod-preview": Ask(body=lambda shelf, spec: {"spec_id": spec, "environment": "science"}),
    "POST /specs": Ask(body={"name": "other", "cpu_millis": 500, "memory_bytes": 2**30}, changed={"cpu_millis": 750}),
    "PATCH /specs/{spec}": Ask(("spec",), body={"name": "renamed"}, changed={"name": "again"}),
    "DELETE /specs/{spec}": Ask(("spec",)),
    "GET /quotas": Ask(query={"level": "user", "subject": "alphacolleague"}),
    "PUT /quotas": Ask(
        body={"level": "user", "subject": "alphacolleague", "limits": {"cpu_millis": 4000}},
        changed={"limits": {"cpu_millis": 5000}},
    ),
    # sharing
    "GET /shares": Ask(query={**ALL, "direction": "given"}),
    "POST /shares": Ask(
        body=lambda shelf, spec: {
            "object_kind": "dataset",
            "object": shelf.ids["dataset"],
            "receiver": {"kind": "organisation"},
        },
        changed={"access": "use"},
    ),
    "DELETE /shares/{share}": Ask(("share",)),
    # data
    "GET /label-groups": Ask(query=ALL),
    "GET /label-groups/presets": Ask(),
    "POST /label-groups": Ask(body={"name": "new", "labels": [{"name": "a"}]}, changed={"name": "newer"}),
    "GET /label-groups/{label_group}": Ask(("label_group",)),
    "PATCH /label-groups/{label_group}": Ask(("label_group",), body={"name": "new"}, changed={"name": "newer"}),
    "POST /label-groups/{label_group}/copy": Ask(("label_group",), body={"name": "copy"}, changed={"name": "copy2"}),
    "DELETE /label-groups/{label_group}": Ask(("label_group_free",)),
    "GET /datasets": Ask(query=ALL),
    "POST /datasets": Ask(
        body=lambda shelf, spec: {"name": "new", "label_group_id": shelf.ids["label_group"]}, changed={"name": "newer"}
    ),
    "GET /datasets/{dataset}": Ask(DATASET),
    "PATCH /datasets/{dataset}": Ask(DATASET, body={"description": "d"}, changed={"description": "e"}),
    "DELETE /datasets/{dataset}": Ask(("dataset_free",)),
    "GET /datasets/{dataset}/statistics": Ask(DATASET),
    "GET /datasets/{dataset}/items": Ask(DATASET),
    "GET /datasets/{dataset}/items/{item}": Ask(("dataset", "item")),
    "GET /datasets/{dataset}/items/{item}/thumbnail": Ask(("dataset", "item")),
    "GET /datasets/{dataset}/items/{item}/image": Ask(("dataset", "item")),
    "GET /datasets/{dataset}/items/{item}/history": Ask(("dataset", "item")),
    "POST /datasets/{dataset}/items/delete": Ask(
        DATASET, body=lambda shelf, spec: {"items": [shelf.ids["item"]]}, changed={"items": [2]}
    ),
    "POST /datasets/{dataset}/items/restore": Ask(
        DATASET, body=lambda shelf, spec: {"items": [shelf.ids["item"]]}, changed={"items": [2]}
    ),
    "POST /datasets/{dataset}/operations": Ask(DATASET, body=_operations),
    "POST /datasets/{dataset}/publish": Ask(DATASET, body={"description": "d"}, changed={"description": "e"}),
    "GET /datasets/{dataset}/compare": Ask(DATASET, query={"from": "V0001", "to": "V0002"}),
    "GET /datasets/{dataset}/versions": Ask(DATASET),
    "GET /datasets/{dataset}/versions/{version}": Ask(VERSION),
    "GET /datasets/{dataset}/versions/{version}/items": Ask(VERSION),
    "GET /datasets/{dataset}/versions/{version}/export": Ask(VERSION),
    "POST /datasets/{dataset}/versions/{version}/describe": Ask(
        VERSION, body={"description": "d"}, changed={"description": "e"}
    ),
    "POST /datasets/{dataset}/versions/{version}/set-current": Ask(("dataset", "=V0001")),
    "DELETE /datasets/{dataset}/versions/{version}": Ask(VERSION),
    "POST /datasets/{dataset}/imports": Ask(DATASET, body={"source": "browser"}, changed={"source": "archive"}),
    "GET /imports/{number}": Ask(("import",)),
    "GET /imports/{number}/refused": Ask(("import",)),
    "POST /imports/{number}/files": Ask(("import",), content=frames({"new.png": IMAGE}), content_type=MEDIA_TYPE),
    "POST /imports/{number}/archive": Ask(
        ("import_archive",), query={"name": "a.zip"}, content=archive({"new.png": IMAGE})
    ),
    "POST /imports/{number}/finish": Ask(("import",)),
    "POST /imports/{number}/cancel": Ask(("import",)),
    # notebooks
    "GET /notebook-profiles": Ask(),
    "GET /notebooks": Ask(query=ALL),
    "POST /notebooks": Ask(body=_notebook, changed={"name": "a third"}),
    "GET /notebooks/{notebook}": Ask(("notebook",)),
    "PATCH /notebooks/{notebook}": Ask(("notebook",), body={"description": "d"}, changed={"description": "e"}),
    "POST /notebooks/{notebook}/start": Ask(("notebook",), body={}),
    "POST /notebooks/{notebook}/stop": Ask(("notebook_queued",), body={}),
    "DELETE /notebooks/{notebook}": Ask(("notebook",)),
    # training
    "GET /algorithms": Ask(),
    "GET /algorithms/{algorithm}": Ask(("=1",)),
    "POST /jobs/preview": Ask(body=_job, changed={"name": "newer"}),
    "GET /jobs": Ask(query=ALL),
    "POST /jobs": Ask(body=_job, changed={"name": "newer"}),
    "GET /jobs/{job}": Ask(("job",)),
    "DELETE /jobs/{job}": Ask(("job_ended",)),
    "GET /jobs/{job}/runs": Ask(("job",)),
    "POST /jobs/{job}/runs": Ask(("job",), body={}, changed={"parameters": {"epochs": 2}}),
    "POST /scripts": Ask(body=_script, changed={"code": "print(2)"}),
    "GET /runs": Ask(query=ALL),
    "GET /runs/compare": Ask(query={"ids": "{run},{run_ended}"}),
    "GET /runs/{run}": Ask(RUN),
    "POST /runs/{run}/stop": Ask(RUN),
    "POST /runs/{run}/repeat": Ask(RUN),
    "DELETE /runs/{run}": Ask(("run_ended",)),
    "GET /runs/{run}/metrics": Ask(RUN),
    "POST /runs/{run}/metrics": Ask(RUN, body={"points": [{"name": "loss", "step": 1, "value": 0.5}]}),
    "PUT /runs/{run}/progress": Ask(RUN, body={"step": 1, "total": 10}),
    "POST /runs/{run}/outputs": Ask(RUN, content=OUTPUT, content_type=MEDIA_TYPE),
    "GET /runs/{run}/outputs": Ask(RUN),
    "GET /runs/{run}/outputs/{path}": Ask(("run", "=log.txt")),
    "POST /runs/{run}/model": Ask(("run_ended",), body={"model_name": "made"}, changed={"model_name": "other"}),
    # models
    "GET /models": Ask(query=ALL),
    "POST /models": Ask(body={"name": "new"}, changed={"name": "newer"}),
    "GET /models/{model}": Ask(("model",)),
    "PATCH /models/{model}": Ask(("model",), body={"description": "d"}, changed={"description": "e"}),
    "DELETE /models/{model}": Ask(("model_free",)),
    "GET /models/{model}/versions": Ask(("model",)),
    "POST /models/{model}/versions": Ask(
        ("model",), content=archive({"model.onnx": b"other"}), content_type="application/zip"
    ),
    "GET /models/{model}/versions/{version}": Ask(("model", "=V0001")),
    "DELETE /models/{model}/versions/{version}": Ask(("model_free", "=V0002")),
    "GET /models/{model}/versions/{version}/files/{path}": Ask(("model", "=V0001", "=model.onnx")),
    "PUT /models/{model}/aliases/{alias}": Ask(
        ("model", "=stable"), body={"version": "V0002"}, changed={"version": "V0001"}
    ),
    "DELETE /models/{model}/aliases/{alias}": Ask(("model", "=stable")),
    # services
    "GET /inference-services": Ask(query=ALL),
    "POST /inference-services": Ask(
        body=lambda shelf, spec: {"name": "new", "variants": _variants(shelf, spec)}, changed={"name": "newer"}
    ),
    "GET /inference-services/{service_id}": Ask(SERVICE),
    "PATCH /inference-services/{service_id}": Ask(SERVICE, body={"description": "d"}, changed={"description": "e"}),
    "DELETE /inference-services/{service_id}": Ask(("service_stopped",)),
    "POST /inference-services/{service_id}/start": Ask(("service_stopped",)),
    "POST /inference-services/{service_id}/stop": Ask(SERVICE),
    "PUT /inference-services/{service_id}/weights": Ask(
        SERVICE, body={"weights": {"v1": 100}}, changed={"weights": {"v1": 50}}
    ),
    "GET /inference-services/{service_id}/revisions": Ask(SERVICE),
    "GET /inference-services/{service_id}/keys": Ask(SERVICE),
    "POST /inference-services/{service_id}/keys": Ask(SERVICE, body={"name": "new"}, changed={"name": "newer"}),
    "DELETE /inference-services/{service_id}/keys/{key}": Ask(("service", "service_key")),
    "GET /inference-services/{service_id}/guide": Ask(SERVICE),
    "POST /inference-services/{service_id}/predict": Ask(
        SERVICE, content=IMAGE, content_type="image/png", no_2xx="a prediction needs a running replica"
    ),
    "GET /inference-services/{service_id}/monitoring": Ask(SERVICE),
}

REFERENCES: dict[str, tuple[str, Callable[[Shelf, int, int], dict[str, Any]]]] = {
    "POST /datasets": ("label_group", lambda shelf, spec, number: {"name": "refers", "label_group_id": number}),
    "POST /jobs": (
        "dataset",
        lambda shelf, spec, number: {**_job(shelf, spec), "dataset": {"id": number, "version": "V0001"}},
    ),
    "POST /jobs/preview": (
        "dataset",
        lambda shelf, spec, number: {**_job(shelf, spec), "dataset": {"id": number, "version": "V0001"}},
    ),
    "POST /scripts": (
        "dataset",
        lambda shelf, spec, number: {**_script(shelf, spec), "datasets": [{"id": number, "version": "V0001"}]},
    ),
    "POST /notebooks": (
        "dataset",
        lambda shelf, spec, number: {
            **_notebook(shelf, spec),
            "bindings": [{"dataset": number, "version": "V0001"}],
        },
    ),
    "POST /inference-services": (
        "model",
        lambda shelf, spec, number: {
            "name": "refers",
            "variants": [{"model_id": number, "version": "V0001", "spec_id": spec}],
        },
    ),
}
"""Writes whose body names an object: kind, and the body for a number."""
