"""A local copy of one kind of object, kept true by list and watch.

List, then watch from the list's version with bookmarks; after ``410 Gone`` or a broken stream, watch
again from the newest version known, and list anew when that is too old. Whatever happened meanwhile
is in the list, so a dropped watch loses nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from himalia_hub.backends.kubernetes.api import SILENT, ApiError, Cluster, Manifest, pause

log = logging.getLogger("himalia.backends.kubernetes")
_WATCH_SECONDS = 290
_IDLE_SECONDS = 130.0
"""Bookmarks come about once a minute; a stream silent for two of them may be dead and is opened anew."""
_STOOD_SECONDS = 5.0
Key = tuple[str, str]
"""Namespace and name."""


class Reflector:
    """Keeps ``items`` equal to what the server has.

    Args:
        path: Of the collection.
        on_change: Called with ``(object, gone)`` for each change, in order.
        slim: Drops what nobody reads before an object is kept; memory counts at 10,000 pods.
    """

    def __init__(
        self,
        cluster: Cluster,
        path: str,
        *,
        selector: str = "",
        on_change: Callable[[Manifest, bool], None] | None = None,
        slim: Callable[[Manifest], Manifest] | None = None,
    ) -> None:
        self.items: dict[Key, Manifest] = {}
        self.synced = asyncio.Event()
        self.seen_at: datetime | None = None
        """When the copy was last known to be true."""
        self.lists = self.watches = 0
        self._cluster, self._path = cluster, path
        self._query = {"labelSelector": selector} if selector else {}
        self._on_change = on_change or (lambda _item, _gone: None)
        self._slim = slim or (lambda item: item)
        self._task: asyncio.Task[None] | None = None
        self.last_error: str = ""
        self._told = 0

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"reflector {self._path}")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _run(self) -> None:
        version, failures = "", 0
        while True:
            began, told = time.monotonic(), self._told
            try:
                if not version:
                    version = await self._list()
                version = await self._watch(version)
                failures = 0
            except asyncio.CancelledError:
                raise
            except _Gone:
                version = ""
                continue
            except Exception as error:
                if isinstance(error, ApiError) and error.reason == SILENT and version:
                    continue  # no failure: of a kind that never changes there are no bookmarks either
                # A connection that told something, or stood a while, worked: its break is a first failure.
                worked = self._told != told or time.monotonic() - began > _STOOD_SECONDS
                failures = 1 if worked else failures + 1
                self.last_error = str(error)
                log.warning("watch of %s: %s", self._path, error)
                if isinstance(error, ApiError) and error.status in (403, 404):
                    self.synced.set()  # nothing to see here; the caller is told by last_error
                # A stream that broke may be taken up where it was, an unknown fault not.
                version = version if isinstance(error, ApiError) and failures < 3 else ""
                await asyncio.sleep(pause(failures))

    async def _list(self) -> str:
        found: dict[Key, Manifest] = {}
        query = {**self._query, "limit": "500"}
        while True:
            page = await self._cluster.get(self._path, **query)
            for item in page["items"]:
                found[_key(item)] = self._slim(item)
            query["continue"] = page["metadata"].get("continue", "")
            if not query["continue"]:
                break
        self.lists += 1
        gone = [self.items[key] for key in self.items.keys() - found.keys()]
        changed = [item for key, item in found.items() if self.items.get(key) != item]
        self.items = found
        self._mark()
        for item in gone:
            self._on_change(item, True)
        for item in changed:
            self._on_change(item, False)
        self.synced.set()
        return str(page["metadata"]["resourceVersion"])

    async def _watch(self, version: str) -> str:
        query = {
            **self._query,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(_WATCH_SECONDS),
        }
        self.watches += 1
        async with contextlib.aclosing(self._cluster.lines(self._path, query, idle_seconds=_IDLE_SECONDS)) as lines:
            async for line in lines:
                if line:
                    version = self._event(json.loads(line), version)
        return version

    def _event(self, event: dict[str, Any], version: str) -> str:
        item = event["object"]
        if event["type"] == "ERROR":
            if item.get("code") == 410:
                raise _Gone
            raise ApiError(int(item.get("code", 500)), str(item.get("reason", "")), str(item.get("message", "")))
        self._mark()
        version = str(item["metadata"]["resourceVersion"])
        if event["type"] == "BOOKMARK":
            return version
        gone = event["type"] == "DELETED"
        kept = self._slim(item)
        if gone:
            self.items.pop(_key(item), None)
        else:
            self.items[_key(item)] = kept
        self._on_change(kept, gone)
        return version

    def _mark(self) -> None:
        self.seen_at = datetime.now(UTC)
        self.last_error = ""
        self._told += 1


class _Gone(Exception):
    """The version is too old to watch from."""


def _key(item: Manifest) -> Key:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]
