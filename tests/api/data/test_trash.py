"""BEY-18, DAT-5: a deleted dataset counts for 7 days, then it and its storage go."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa

from himalia_hub.core import clock
from himalia_hub.data.content import usage
from himalia_hub.data.datasets.tables import Dataset, DatasetItem
from himalia_hub.data.datasets.trash import TrashKeeper
from himalia_hub.data.labelling.tables import LabelOperation
from tests.support.data import confirm, import_files, make_dataset, make_group, ok
from tests.support.made_pictures import picture
from tests.support.service import World


@pytest.fixture
def later() -> Iterator[None]:
    yield
    clock.set_source(None)


def test_the_trash_is_emptied_after_seven_days(stored_world: World, later: None) -> None:
    live, member = stored_world.live, stored_world.alpha.member
    client = member.client()
    group = make_group(client)
    gone, kept = make_dataset(client, "gone", group), make_dataset(client, "kept", group)
    for number, dataset in enumerate((gone, kept)):
        import_files(client, dataset["id"], {"a.png": picture(number), "b.png": picture(number + 9), "bad": b"x"})
        confirm(client, dataset["id"], {1: 1, 2: 2})
        ok(client.post(f"/datasets/{dataset['id']}/publish", json={}), 201)
        confirm(client, dataset["id"], {1: 2})

    def look() -> tuple[int, int, int, int]:
        with live.platform.db.engine.connect() as db:
            tables = (Dataset, DatasetItem, LabelOperation)
            rows = [db.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() for table in tables]
            return rows[0], rows[1], rows[2], usage.used(db, stored_world.alpha.tenant_id)

    before = look()
    assert before[:3] == (2, 6, 12)
    keeper = TrashKeeper(live.platform, LabelOperation.__table__)  # type: ignore[arg-type]
    ok(client.delete(f"/datasets/{gone['id']}"), 204)
    moment = clock.now()
    clock.set_source(lambda: moment + timedelta(days=7, seconds=-5))
    live.run(keeper.step())
    assert look() == before
    clock.set_source(lambda: moment + timedelta(days=7, seconds=5))
    live.run(keeper.step())
    live.run(keeper.step())
    own = len(picture(1)) + len(picture(10))
    assert look() == (1, 3, 6, own)
    clock.set_source(None)
    assert ok(client.get(f"/datasets/{kept['id']}/versions/V0001/items"))["total"] == 2
