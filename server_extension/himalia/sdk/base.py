"""What all objects and collections share: pages, refreshing, deleting, waiting."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar

from himalia.sdk.decode import decode
from himalia.sdk.errors import NotFound, WaitedTooLong

if TYPE_CHECKING:
    from himalia.sdk.client import Client

T = TypeVar("T", bound="Resource")
POLL_SECONDS = 0.7


@dataclass
class Ref:
    """A named object by its number."""

    id: int = 0
    name: str = ""


@dataclass
class ObjectRef:
    kind: str = ""
    id: int = 0
    name: str = ""


@dataclass
class Resource:
    """An object of the platform as it was when it was read."""

    id: int = 0
    name: str = ""
    owner: Ref | None = None
    department: Ref | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    version: Any = None

    _client: ClassVar[Any] = None  # set by decode on the object; no field: neither compared nor shown
    _path: ClassVar[str] = ""

    @property
    def client(self) -> Client:
        client: Client = self._client
        return client

    @property
    def path(self) -> str:
        return f"{self._path}/{self.id}"

    def refresh(self) -> Self:
        """Read it again, in place; returns itself."""
        return self._become(self.client.http.get(self.path))

    def delete(self) -> None:
        """Delete it; refused with ``InUse`` while something depends on it."""
        self.client.http.request("DELETE", self.path)

    def _become(self, data: Any) -> Self:
        fresh = decode(type(self), data, self._client)
        for field in fields(self):
            setattr(self, field.name, getattr(fresh, field.name))
        return self

    def _update(self, **changes: Any) -> Self:
        told = {key: value for key, value in changes.items() if value is not None}
        answer = self.client.http.request("PATCH", self.path, json=told, version=self.version)
        return self._become(answer.json())

    def _repr_html_(self) -> str:
        from himalia.sdk.display import facts

        return facts(self)


class Collection(Generic[T]):
    """All objects of one kind: ``client.datasets``. Iterating pages through all of them."""

    def __init__(self, client: Client, path: str, kind: type[T], *, paged: bool = True) -> None:
        self._client, self._path, self._kind, self._paged = client, path, kind, paged

    def __iter__(self) -> Iterator[T]:
        return self.list()

    def __repr__(self) -> str:
        return f"<{self._path.strip('/')} of {self._client.settings.api_url}>"

    def list(
        self, *, q: str | None = None, sort: str | None = None, limit: int | None = None, **filters: Any
    ) -> Iterator[T]:
        """Objects page by page, read as they are used.

        Args:
            q: Free text in name or number.
            sort: ``name``, ``-created_at``, ….
            limit: Stop after so many.
            filters: What the list of this kind can filter by, such as ``state="annotated"``.
        """
        if self._paged:
            yield from self._client.pages(self._path, self._kind, limit, q=q, sort=sort, **filters)
            return
        whole = [decode(self._kind, raw, self._client) for raw in self._client.whole_list(self._path, **filters)]
        yield from [item for item in whole if not q or q in item.name][:limit]

    def get(self, which: int | str) -> T:
        """One object by number or exact name.

        Raises:
            NotFound: There is none that is yours to see.
        """
        numbered = isinstance(which, int) or str(which).isdecimal()
        if numbered and self._paged:
            return decode(self._kind, self._client.http.get(f"{self._path}/{int(which)}"), self._client)
        for found in self.list(q=None if numbered else str(which)):
            if not numbered and found.name == which:
                return self.get(found.id) if self._paged else found
            if numbered and found.id == int(which):
                return found
        raise NotFound(
            f"There is no {self._kind.__name__.lower()} called {which!r} that you may see.",
            hint=f"Names: {', '.join(item.name for item in self.list(limit=8)) or 'none yet'}.",
        )

    def first(self, **filters: Any) -> T | None:
        return next(self.list(limit=1, **filters), None)

    def to_pandas(self, **filters: Any) -> Any:
        """A DataFrame of all objects, one row each."""
        import pandas as pd

        raw = self._client.raw_pages if self._paged else self._client.whole_list
        return pd.json_normalize(list(raw(self._path, **filters)))


def wait_until(check: Callable[[], bool], *, timeout: float | None, what: str, poll: float = POLL_SECONDS) -> None:
    """Ask until ``check`` says yes.

    Raises:
        WaitedTooLong: After ``timeout`` seconds.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    while not check():
        if deadline is not None and time.monotonic() > deadline:
            raise WaitedTooLong(f"{what} did not end within {timeout:g} seconds; it goes on.")
        time.sleep(poll)
