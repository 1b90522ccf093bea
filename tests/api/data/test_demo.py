"""The demo's dataset: made from a folder once, the same when asked again."""

from __future__ import annotations

from pathlib import Path

from himalia_hub.data.demo import make_digits
from tests.support.data import ok, ready_version
from tests.support.made_pictures import picture
from tests.support.service import World


def test_the_demo_is_made_once(stored_world: World, tmp_path: Path) -> None:
    member = stored_world.alpha.member
    for label in range(10):
        folder = tmp_path / "pictures" / "digits" / str(label)
        folder.mkdir(parents=True)
        for n in range(4):
            (folder / f"digit-{n}.png").write_bytes(picture(label * 10 + n))
    platform = stored_world.live.platform
    made = stored_world.live.run(make_digits(platform, member.user_id, tmp_path / "pictures"))
    assert (made["items"], made["state"], made["current_version"]) == (40, "annotated", "V0001")
    again = stored_world.live.run(make_digits(platform, member.user_id, tmp_path / "pictures"))
    assert again["id"] == made["id"]
    client = member.client()
    assert ok(client.get("/datasets"))["total"] == 1
    assert ready_version(client, made["id"], "V0001")["by_label"][3]["count"] == 4
