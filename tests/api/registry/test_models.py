"""Models through the API on both databases: versions, files, aliases, refusals (MOD-1..3)."""

from __future__ import annotations

import hashlib
import io
import pickle
import zipfile

import httpx
import pytest

from himalia_hub.data.content.framing import MEDIA_TYPE, encode
from tests.support.data import ok, problem
from tests.support.models import archive, upload
from tests.support.service import World

FILES = {"model.onnx": b"a graph" * 300_000, "labels.json": b'["cat", "dog"]', "metrics.json": b'{"accuracy": 0.9}'}


def make(client: httpx.Client, name: str = "pets", **fields: str) -> dict[str, object]:
    return ok(client.post("/models", json={"name": name, **fields}), 201)  # type: ignore[no-any-return]


def test_versions_count_up_and_hold_exactly_their_files(stored_world: World) -> None:
    client = stored_world.alpha.member.client()
    model = make(client, framework="onnx")
    assert (model["framework"], model["versions"], model["latest"]) == ("ONNX", 0, None)
    first = upload(client, model["id"], FILES)
    body = b"".join(encode({"path": path, "size": len(data)}, data) for path, data in FILES.items())
    path = f"/models/{model['id']}/versions"
    sent = client.post(path, content=body, headers={"Content-Type": MEDIA_TYPE}, params={"description": "framed"})
    second = ok(sent, 201)
    assert (first["version"], second["version"]) == ("V0001", "V0002")
    assert first["digest"] == second["digest"]  # equal folders are equal
    assert (first["labels"], first["metrics"]) == (["cat", "dog"], {"accuracy": 0.9})
    for name, data in FILES.items():
        got = client.get(f"{path}/V0001/files/{name}")
        assert got.content == data
        assert got.headers["content-disposition"].startswith("attachment")
        assert got.headers["content-security-policy"] == "sandbox"
    shown = {file["path"]: file["sha256"] for file in second["files"]}
    assert shown == {name: hashlib.sha256(data).hexdigest() for name, data in FILES.items()}
    assert ok(client.get(f"/models/{model['id']}"))["latest"] == "V0002"
    assert [one["version"] for one in ok(client.get(path))["items"]] == ["V0002", "V0001"]
    ok(client.delete(f"{path}/V0002"), 204)
    assert upload(client, model["id"], FILES)["version"] == "V0003"  # a name is never given twice


def test_an_upload_with_the_same_key_has_one_effect(stored_world: World) -> None:
    """GEN-6, for a body that streams."""
    client = stored_world.alpha.member.client()
    path = f"/models/{make(client)['id']}/versions"
    headers = {"Content-Type": "application/zip", "Idempotency-Key": "once"}
    first = ok(client.post(path, content=archive(FILES), headers=headers), 201)
    assert ok(client.post(path, content=archive(FILES), headers=headers), 201) == first
    other = archive({**FILES, "more": b"x"})
    problem(client.post(path, content=other, headers=headers), 422, "idempotency_key_reused")
    assert len(ok(client.get(path))["items"]) == 1


def test_aliases_move(stored_world: World) -> None:
    client = stored_world.alpha.member.client()
    model = make(client)
    for _ in range(2):
        upload(client, model["id"], FILES)
    path = f"/models/{model['id']}"
    ok(client.put(f"{path}/aliases/champion", json={"version": "V0001"}))
    moved = ok(client.put(f"{path}/aliases/champion", json={"version": "V0002"}))
    assert moved["aliases"] == ["champion"]
    assert ok(client.get(f"{path}/versions/champion"))["version"] == "V0002"
    assert ok(client.get(f"{path}/versions/V0001"))["aliases"] == []
    problem(client.put(f"{path}/aliases/V0001", json={"version": "V0002"}), 422, "invalid_input")
    problem(client.put(f"{path}/aliases/next", json={"version": "V0009"}), 404, "not_found")
    ok(client.delete(f"{path}/aliases/champion"), 204)
    problem(client.get(f"{path}/versions/champion"), 404, "not_found")


def test_pickles_are_marked(stored_world: World) -> None:
    """MOD-3."""
    client = stored_world.alpha.member.client()
    version = upload(client, make(client)["id"], {"weights.bin": pickle.dumps({"w": 1}), "readme.md": b"hello"})
    assert version["pickled"] is True
    assert {file["path"]: file["pickled"] for file in version["files"]} == {"weights.bin": True, "readme.md": False}


def _evil(name: str, mode: int = 0) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        entry = zipfile.ZipInfo(name)
        entry.external_attr = mode << 16
        made.writestr(entry, "x")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "kind", "code"),
    [
        (b"no archive", "application/zip", "bad_upload"),
        (archive({}), "application/zip", "no_files"),
        (_evil("a/../../b"), "application/zip", "bad_path"),
        (_evil("/etc/passwd"), "application/zip", "bad_path"),
        (_evil("link", 0o120777), "application/zip", "bad_upload"),
        (encode({"path": "a", "size": 1}, b"x") * 2, MEDIA_TYPE, "bad_upload"),
        (encode({"path": "a", "size": 1, "sha256": "0" * 64}, b"x"), MEDIA_TYPE, "bad_upload"),
        (encode({"path": "a", "size": 9}, b"x"), MEDIA_TYPE, "bad_frame"),
        (b"x", "text/plain", "invalid_input"),
    ],
)
def test_uploads_that_are_refused_leave_nothing(stored_world: World, content: bytes, kind: str, code: str) -> None:
    client = stored_world.alpha.member.client()
    model = make(client)
    path = f"/models/{model['id']}/versions"
    problem(client.post(path, content=content, headers={"Content-Type": kind}), 422, code)
    assert ok(client.get(path))["items"] == []
    assert upload(client, model["id"], FILES)["version"] == "V0001"


def test_foreign_models_are_not_found(stored_world: World) -> None:
    """TEN-10: the same answer as for what does not exist."""
    alpha, beta = stored_world.alpha.member.client(), stored_world.beta.member.client()
    model = make(alpha)
    upload(alpha, model["id"], FILES)
    own = f"/models/{model['id']}"
    assert ok(alpha.get(f"{own}/versions/V0001"))["version"] == "V0001"
    for client in (beta, stored_world.alpha.colleague.client()):
        for method, path in (
            ("GET", own),
            ("GET", f"{own}/versions"),
            ("GET", f"{own}/versions/V0001"),
            ("GET", f"{own}/versions/V0001/files/model.onnx"),
            ("DELETE", own),
            ("DELETE", f"{own}/versions/V0001"),
        ):
            problem(client.request(method, path), 404, "not_found")
        assert (
            client.post(
                f"{own}/versions", content=archive(FILES), headers={"Content-Type": "application/zip"}
            ).status_code
            == 404
        )


def test_names_and_editing(stored_world: World) -> None:
    client = stored_world.alpha.member.client()
    model = make(client)
    problem(client.post("/models", json={"name": "pets"}), 409, "name_taken")
    for name in ("", "-a", "a b", "x" * 65):
        assert problem(client.post("/models", json={"name": name}), 422, "invalid_input")["field"] == "name"
    path = f"/models/{model['id']}"
    problem(client.patch(path, json={"description": "x"}), 428, "version_required")
    problem(client.patch(path, json={"description": "x"}, headers={"If-Match": '"9"'}), 412, "stale_version")
    edited = ok(client.patch(path, json={"name": "宠物"}, headers={"If-Match": f'"{model["version"]}"'}))
    assert edited["name"] == "宠物"
