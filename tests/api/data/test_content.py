"""The content store on the real S3 server: packs, large blobs, ranges, tenants, manifests."""

from __future__ import annotations

import hashlib
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from himalia_hub.data.content import manifests
from himalia_hub.data.content.store import SMALL_BYTES, ContentStore, TooManyBytes, UnknownBlob
from tests.support.s3 import S3Server
from tests.support.service import World

MIB = 1024 * 1024


def store_of(world: World) -> ContentStore:
    return world.live.platform.get(ContentStore)


def keys(world: World, server: S3Server) -> dict[str, int]:
    assert world.live.config.s3 is not None
    return server.keys(world.live.config.s3)


async def pieces(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def collect(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


def test_small_blobs_of_a_call_share_one_object(stored_world: World, s3_server: S3Server) -> None:
    store, tenant = store_of(stored_world), stored_world.alpha.tenant_id
    contents = [b"%d" % n * (n + 1) for n in range(300)] + [b"", b"0"]
    blobs = stored_world.live.run(store.put_many(tenant, contents))
    assert [blob.digest for blob in blobs] == [hashlib.sha256(content).hexdigest() for content in contents]
    assert len(keys(stored_world, s3_server)) == 1
    for content, blob in zip(contents, blobs, strict=True):
        assert stored_world.live.run(store.read(tenant, blob.digest)) == content
    again = stored_world.live.run(store.put_many(tenant, contents))
    assert again == blobs
    assert len(keys(stored_world, s3_server)) == 1, "what the tenant has is not stored again"


@pytest.mark.parametrize(
    ("size", "kind"),
    [
        pytest.param(SMALL_BYTES, "packs", id="1 MiB"),
        pytest.param(SMALL_BYTES + 1, "blobs", id="above"),
        pytest.param(20 * MIB + 17, "blobs", id="three parts"),
    ],
)
def test_large_blobs_have_an_object_of_their_own_and_ranges(
    stored_world: World, s3_server: S3Server, size: int, kind: str
) -> None:
    store, tenant = store_of(stored_world), stored_world.alpha.tenant_id
    data = random.Random(7).randbytes(size)
    blob = stored_world.live.run(store.put_stream(tenant, pieces(data, 700_001)))
    assert (blob.digest, blob.size) == (hashlib.sha256(data).hexdigest(), size)
    (key, stored) = keys(stored_world, s3_server).popitem()
    assert (key.split("/")[2], stored) == (kind, size)
    for start, length in [(0, 1), (size - 1, 1), (size // 2, 100_000), (0, size), (size, 5), (size - 3, 99)]:
        part = stored_world.live.run(store.read(tenant, blob.digest, start, length))
        assert part == data[start : start + length]
    assert stored_world.live.run(collect(store.open(tenant, blob.digest))) == data
    assert stored_world.live.run(collect(store.open(tenant, blob.digest, 1000, 2 * MIB))) == data[1000 : 1000 + 2 * MIB]
    stored_world.live.run(store.put_stream(tenant, pieces(data, MIB)))
    assert len(keys(stored_world, s3_server)) == 1, "the second copy was dropped"


def test_a_stream_that_is_too_long_or_breaks_leaves_nothing(stored_world: World, s3_server: S3Server) -> None:
    store, tenant = store_of(stored_world), stored_world.alpha.tenant_id
    data = random.Random(1).randbytes(10 * MIB)
    with pytest.raises(TooManyBytes):
        stored_world.live.run(store.put_stream(tenant, pieces(data, MIB), most_bytes=10 * MIB - 1))

    async def broken() -> AsyncIterator[bytes]:
        yield data
        raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError):
        stored_world.live.run(store.put_stream(tenant, broken()))
    assert keys(stored_world, s3_server) == {}
    digest = hashlib.sha256(data).hexdigest()
    with pytest.raises(UnknownBlob):
        stored_world.live.run(store.read(tenant, digest))
    assert stored_world.live.run(store.put_stream(tenant, pieces(data, MIB), most_bytes=10 * MIB)).digest == digest


def test_a_tenant_does_not_reach_the_blobs_of_another(stored_world: World, s3_server: S3Server) -> None:
    store = store_of(stored_world)
    blob = stored_world.live.run(store.put(stored_world.alpha.tenant_id, b"ours"))
    with pytest.raises(UnknownBlob):
        stored_world.live.run(store.read(stored_world.beta.tenant_id, blob.digest))
    assert stored_world.live.run(store.put(stored_world.beta.tenant_id, b"ours")) == blob
    assert len(keys(stored_world, s3_server)) == 2, "one copy a tenant: a hit would tell that another has it"


def test_many_small_blobs_are_read_by_few_requests(stored_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    store, tenant = store_of(stored_world), stored_world.alpha.tenant_id
    contents = {hashlib.sha256(c).hexdigest(): c for c in (b"%d" % n * 50 for n in range(2000))}
    stored_world.live.run(store.put_many(tenant, contents.values()))
    asked: list[Any] = []
    get = store._objects.get

    async def counted(*arguments: Any) -> bytes:
        asked.append(arguments)
        return await get(*arguments)

    monkeypatch.setattr(store._objects, "get", counted)

    async def walk() -> dict[str, bytes]:
        return {digest: data async for digest, data in store.read_many(tenant, contents)}

    assert stored_world.live.run(walk()) == contents
    assert len(asked) == 1


def test_a_manifest_reads_back_and_equal_folders_have_equal_digests(stored_world: World) -> None:
    store, tenant = store_of(stored_world), stored_world.alpha.tenant_id
    entries = [manifests.Entry(f"images/{n:05}-图.png", f"{n:064x}", n) for n in range(30_000)]
    digest = stored_world.live.run(manifests.write(store, tenant, entries))
    assert stored_world.live.run(manifests.write(store, tenant, entries)) == digest

    async def walk() -> list[manifests.Entry]:
        return [entry async for entry in manifests.read(store, tenant, digest)]

    assert stored_world.live.run(walk()) == entries
    with pytest.raises(ValueError, match="out of order"):
        stored_world.live.run(manifests.write(store, tenant, [entries[1], entries[0]]))
