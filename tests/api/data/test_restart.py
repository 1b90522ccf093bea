"""GEN-4: an import that a restart cut off goes on and adds every file once; a version is filled in after it."""

from __future__ import annotations

from pathlib import Path

from tests.api.data.test_imports import begin, zipped
from tests.support.data import all_items, make_dataset, ok, ready_version, wait
from tests.support.made_pictures import picture
from tests.support.s3 import S3Server
from tests.support.service import LiveService, make_config, make_tenancy


def test_an_archive_goes_on_after_a_restart(database_url: str, s3_server: S3Server, tmp_path: Path) -> None:
    config = make_config(tmp_path / "state", database_url, s3=s3_server.bucket().model_dump(mode="json"))
    files = {f"cat/{n:04}.png": picture(n) for n in range(4500)}
    live = LiveService(config)
    try:
        member = make_tenancy(live, "alpha").member
        client = member.client()
        dataset = make_dataset(client)
        number = begin(client, dataset["id"], "archive", labels_from_folders=True)
        ok(client.post(f"/imports/{number}/archive", content=zipped(files)), 202)
        wait(lambda: ok(client.get(f"/imports/{number}"))["added"] > 0)
    finally:
        live.close()
    again = LiveService(config)
    try:
        client = again.client(member.notebook_token)
        done = wait(lambda: (i := ok(client.get(f"/imports/{number}")))["state"] == "done" and i, 90)
        assert [done[name] for name in ("received", "added", "duplicates", "refused")] == [4500, 4500, 0, 0]
        assert {item["name"] for item in all_items(client, f"/datasets/{dataset['id']}/items")} == set(files)
        ok(client.post(f"/datasets/{dataset['id']}/publish", json={}), 201)
    finally:
        again.close()
    last = LiveService(config)
    try:
        version = ready_version(last.client(member.notebook_token), dataset["id"], "V0001")
        assert sum(version["splits"][name] for name in ("train", "validation", "test")) == 4500
    finally:
        last.close()
