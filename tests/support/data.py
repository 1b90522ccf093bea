"""Datasets through the API, as a panel would make them."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

import httpx

from himalia_hub.data.content.framing import MEDIA_TYPE, encode

NOW = "2026-11-21T10:00:00Z"


def ok(answer: httpx.Response, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    body: dict[str, Any] = answer.json()
    assert body["code"] == code, body
    return body


def make_group(client: httpx.Client, names: Iterable[str] = ("cat", "dog"), name: str = "animals") -> dict[str, Any]:
    body = {"name": name, "type": "vision", "labels": [{"name": label} for label in names]}
    return ok(client.post("/label-groups", json=body), 201)  # type: ignore[no-any-return]


def make_dataset(
    client: httpx.Client, name: str = "pets", group: dict[str, Any] | None = None, **fields: Any
) -> dict[str, Any]:
    group = group or make_group(client)
    body = {"name": name, "label_group_id": group["id"], **fields}
    return ok(client.post("/datasets", json=body), 201)  # type: ignore[no-any-return]


def frames(files: Mapping[str, bytes], labels: Mapping[str, str] | None = None) -> bytes:
    return b"".join(
        encode(
            {"path": path, "size": len(data), **({"label": labels[path]} if labels and path in labels else {})}, data
        )
        for path, data in files.items()
    )


def send(client: httpx.Client, import_id: int, body: bytes) -> httpx.Response:
    return client.post(f"/imports/{import_id}/files", content=body, headers={"Content-Type": MEDIA_TYPE})


def import_files(
    client: httpx.Client,
    dataset_id: int,
    files: Mapping[str, bytes],
    labels: Mapping[str, str] | None = None,
    **options: Any,
) -> list[dict[str, Any]]:
    """Import files as a browser does, and finish; answers the results."""
    begun = ok(client.post(f"/datasets/{dataset_id}/imports", json={"source": "browser", **options}), 201)
    results = ok(send(client, begun["id"], frames(files, labels)))["results"]
    ok(client.post(f"/imports/{begun['id']}/finish"))
    return results  # type: ignore[no-any-return]


def operate(
    client: httpx.Client, dataset_id: int, *operations: Mapping[str, Any], uid: str | None = None
) -> dict[str, Any]:
    numbered = [{"seq": n, "at": NOW, **operation} for n, operation in enumerate(operations, 1)]
    body = {"client": uid or str(uuid.uuid4()), "operations": numbered}
    return ok(client.post(f"/datasets/{dataset_id}/operations", json=body))  # type: ignore[no-any-return]


def confirm(client: httpx.Client, dataset_id: int, labels: Mapping[int, int]) -> None:
    """Give items a label each and confirm them."""
    operations = [
        step
        for item, label in labels.items()
        for step in ({"item": item, "op": "set_labels", "labels": [label]}, {"item": item, "op": "confirm"})
    ]
    operate(client, dataset_id, *operations)


def wait(read: Any, seconds: float = 30) -> Any:
    """Poll until ``read`` answers something true."""
    deadline = time.monotonic() + seconds
    while not (found := read()):
        assert time.monotonic() < deadline, f"still {found!r} after {seconds} s"
        time.sleep(0.05)
    return found


def ready_version(client: httpx.Client, dataset_id: int, version: str) -> dict[str, Any]:
    """The version once its splits, digest and folder are written."""

    def read() -> Any:
        found = ok(client.get(f"/datasets/{dataset_id}/versions/{version}"))
        return found if found["splits"]["state"] == "ready" else None

    return wait(read)  # type: ignore[no-any-return]


def all_items(client: httpx.Client, path: str, **query: Any) -> list[dict[str, Any]]:
    """Every item of a list, page by page."""
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = ok(client.get(path, params={"limit": 100, **query, **({"cursor": cursor} if cursor else {})}))
        found += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return found
