"""GEN-6, GEN-7: every write of the route table sent twice, with another body, and against another version.

The same key and body answer the same and change nothing more; the same key with another request is
refused; an update without or with an old version is refused and changes nothing.
"""

from __future__ import annotations

import re
from dataclasses import replace

import httpx
import pytest

from tests.api.matrix import cells
from tests.api.matrix.conftest import Grid
from tests.api.matrix.requests import REQUESTS
from tests.api.matrix.undone import digest, undone
from tests.support.data import problem
from tests.support.models import archive

pytestmark = pytest.mark.timeout(600)  # the first test makes the world

WRITES = {name: route for name, route in cells.public_routes().items() if route.writes}
NOT_KEPT = {
    "POST /api-tokens": "its answer holds a secret, which is never stored",
    "POST /inference-services/{service_id}/keys": "its answer holds a secret, which is never stored",
    "POST /accelerators/resolve": "changes nothing",
    "POST /verdict": "changes nothing",
    "POST /pod-preview": "changes nothing",
    "POST /imports/{number}/files": "idempotent by content: a file again gives the same result",
    "POST /imports/{number}/archive": "an import takes one archive; another is refused",
    "POST /datasets/{dataset}/operations": "idempotent by client and sequence",
    "POST /runs/{run}/metrics": "idempotent by name and step",
    "PUT /runs/{run}/progress": "sets what it says",
    "POST /runs/{run}/outputs": "idempotent by path and digest",
    "POST /inference-services/{service_id}/predict": "changes nothing",
    "POST /organisations": "its answer holds a one-time link, which is never stored; the code is taken the second time",
    "POST /members": "its answer holds a one-time link, which is never stored; the name is taken the second time",
    "POST /members/links": "its answer holds one-time links, which are never stored",
    "POST /members/{member}/link": "its answer holds a one-time link, which is never stored",
    "POST /message-senders/{channel}/test": "sends a message each time it is asked to",
    "POST /me/activity": "says that somebody is at work now",
}
"""Writes that keep no answers by key, and why."""
KEPT_BY_HANDLER = {
    "POST /models/{model}/versions": "a streamed body is known only once it is read",
    "POST /member-imports": "a streamed body is known only once it is read",
    "POST /runs/{run}/model": "the key is kept in the transaction of the effect",
}
"""Writes whose handler keeps the answers by key itself, and why."""
UNCHANGED = {
    "POST /jobs/preview": "shows what would be",
    "POST /datasets/{dataset}/items/restore": "nothing of the shelf is in the trash",
    "POST /organisations/{organisation}/enable": "it is enabled",
    "POST /departments/{department}/enable": "it is enabled",
    "POST /members/{member}/enable": "it is enabled",
    "POST /members/{member}/unlock": "it is not locked",
    "DELETE /members/{member}/second-factor": "there is none",
    "POST /sign-in-sources/{source}/test": "shows what claims would give",
}
"""Writes that find nothing to change on the shelf, and why."""
LINK = re.compile(r"[?&]token=|\"(token|secret|password|grant|link|recovery_codes)\": ?[\"{\[]")
"""What an answer that holds a one-time secret looks like."""
KEPT = [name for name in WRITES if name not in NOT_KEPT]
GUARDED = [name for name, route in WRITES.items() if route.if_match]


def test_a_kept_secret_would_be_noticed() -> None:
    """The control of what :func:`test_same_key` looks for."""
    for text in (
        '{"url":"https://hub/link?token=abc"}',
        '{"link":{"url":"x"}}',
        '{"token":"himalia_x"}',
        '{"token": "x"}',
    ):
        assert LINK.search(text), text
    assert LINK.search('{"link":null,"tokens":3,"secret_set":true,"secrets":["a"]}') is None


def caller(name: str) -> str:
    """A column that gets 2xx for its own object, from the expected matrix."""
    row = cells.read_expected()[name]
    return next(column for column in cells.COLUMNS if row[column].split("/")[0] == "2xx")


def headers_of(grid: Grid, name: str, column: str) -> dict[str, str]:
    if not WRITES[name].if_match:
        return {}
    how = REQUESTS[name]
    return {
        "If-Match": cells.version_of(grid, cells.numbers(grid, column, "own", how), next(iter(cells.kinds(how)), ""))
    }


def test_every_write_is_replayed() -> None:
    assert {name for name, route in WRITES.items() if not route.idempotent} == {*NOT_KEPT, *KEPT_BY_HANDLER}
    assert all(route.if_match for name, route in WRITES.items() if name.startswith("PATCH"))


@pytest.mark.parametrize("name", KEPT)
def test_same_key(grid: Grid, name: str) -> None:
    route, how, column = WRITES[name], REQUESTS[name], caller(name)
    shelf, client = cells.caller_of(grid, column), cells.client_of(grid, column)
    path = cells.path_of(route, how, cells.numbers(grid, column, "own", how))
    headers = {"Idempotency-Key": "a-key", **headers_of(grid, name, column)}
    with undone(grid.world.live.platform.db) as db:
        before = digest(db)
        first = cells.send(client, route, path, how, shelf, grid.spec, headers=headers)
        assert 200 <= first.status_code < 300, first.text
        after = digest(db)
        # What is kept is shown to whoever repeats the request, wherever from: no secret, no address it was asked at.
        assert LINK.search(first.text) is None and grid.world.live.base_url not in first.text, first.text
        assert not {"location", "link", "set-cookie"} & set(first.headers), first.headers
        elsewhere = {**headers, "Host": "elsewhere.example"}
        again = cells.send(client, route, path, how, shelf, grid.spec, headers=elsewhere)
        assert again.headers.get("Idempotency-Replayed") == "true" or name in KEPT_BY_HANDLER
        assert (again.status_code, again.content) == (first.status_code, first.content)
        assert again.headers.get("ETag") == first.headers.get("ETag")
        assert digest(db) == after, [table for table in after if digest(db)[table] != after[table]]
        if route.path != "/me/sessions/end":  # takes nothing, so there is no other request to it
            problem(another(grid, name, column, headers), 422, "idempotency_key_reused")
        # Bytes that arrived before they could be compared stay until they are collected; nothing names them.
        unnamed = ("blobs", "stored_objects") if how.content is not None else ()
        assert {table for table, held in digest(db).items() if held != after[table]} <= set(unnamed)
    if name not in UNCHANGED:
        assert before != after, "the request changed nothing, so this test would prove nothing"


def another(grid: Grid, name: str, column: str, headers: dict[str, str]) -> httpx.Response:
    """The same key for another body; where there is no body, for another address."""
    route, how = WRITES[name], REQUESTS[name]
    shelf, client = cells.caller_of(grid, column), cells.client_of(grid, column)
    ids = cells.numbers(grid, column, "own", how)
    if how.content is not None:
        text = how.content_type == "text/csv"
        how = replace(how, content=b"name\nanothermember\n" if text else archive({"model.onnx": b"another"}))
        return cells.send(client, route, cells.path_of(route, how, ids), how, shelf, grid.spec, headers=headers)
    body = how.json(shelf, grid.spec)
    if how.changed is not None and body is not None:
        path = cells.path_of(route, how, ids)
        return cells.send(client, route, path, how, shelf, grid.spec, headers=headers, json={**body, **how.changed})
    path = cells.path_of(route, how, cells.numbers(grid, column, "missing", how))
    return cells.send(client, route, path, how, shelf, grid.spec, headers=headers)


@pytest.mark.parametrize("name", GUARDED)
@pytest.mark.parametrize(
    ("sent", "status", "code"), [('"999"', 412, "stale_version"), ("", 428, "version_required")], ids=["stale", "none"]
)
def test_versions(grid: Grid, name: str, sent: str, status: int, code: str) -> None:
    route, how, column = WRITES[name], REQUESTS[name], caller(name)
    shelf, client = cells.caller_of(grid, column), cells.client_of(grid, column)
    path = cells.path_of(route, how, cells.numbers(grid, column, "own", how))
    with undone(grid.world.live.platform.db) as db:
        before = digest(db)
        headers = {"If-Match": sent} if sent else {}
        problem(cells.send(client, route, path, how, shelf, grid.spec, headers=headers), status, code)
        assert digest(db) == before
