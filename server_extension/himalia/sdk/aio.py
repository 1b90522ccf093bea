"""``himalia.AsyncClient``: the same objects, awaited.

Calls run in threads of their own pool, so that the event loop is never held up; attributes are
read directly, methods are awaited, lists are asynchronous iterators.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from himalia.sdk.admin import Admin
from himalia.sdk.base import Collection, Resource
from himalia.sdk.client import Client

_END = object()


class Awaited:
    """A client, collection or object whose methods are coroutines.

    >>> dataset = await client.datasets.get("digits")
    >>> async for item in dataset.iter_items(): ...
    """

    def __init__(self, inner: Any, pool: ThreadPoolExecutor) -> None:
        self._inner, self._pool = inner, pool

    def __repr__(self) -> str:
        return f"<async {self._inner!r}>"

    def __dir__(self) -> list[str]:
        return dir(self._inner)

    def __getattr__(self, name: str) -> Any:
        descriptor = inspect.getattr_static(type(self._inner), name, None)
        if isinstance(descriptor, (property, functools.cached_property)):
            return self._wrap(getattr(self._inner, name))
        value = getattr(self._inner, name)
        if not inspect.ismethod(value):
            return self._wrap(value)
        if _gives_iterator(value):
            return lambda *args, **kwargs: self._iterate(value, args, kwargs)

        async def call(*args: Any, **kwargs: Any) -> Any:
            plain = [_plain(arg) for arg in args]
            work = functools.partial(value, *plain, **{key: _plain(arg) for key, arg in kwargs.items()})
            return self._wrap(await asyncio.get_running_loop().run_in_executor(self._pool, work))

        return call

    def __aiter__(self) -> AsyncIterator[Any]:
        return self._iterate(lambda: iter(self._inner), (), {})

    async def _iterate(self, make: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> AsyncIterator[Any]:
        loop = asyncio.get_running_loop()
        source: Iterator[Any] = iter(await loop.run_in_executor(self._pool, functools.partial(make, *args, **kwargs)))
        while (item := await loop.run_in_executor(self._pool, next, source, _END)) is not _END:
            yield self._wrap(item)

    def _wrap(self, value: Any) -> Any:
        if isinstance(value, (Resource, Collection, Client, Admin)):
            return Awaited(value, self._pool)
        return value


def _plain(value: Any) -> Any:
    return value._inner if isinstance(value, Awaited) else value


def _gives_iterator(method: Any) -> bool:
    return str(inspect.signature(method).return_annotation).startswith("Iterator")


class AsyncClient(Awaited):
    """As :class:`himalia.Client`; the arguments are the same.

    >>> async with himalia.AsyncClient() as client:
    ...     run = await client.runs.get(3)
    ...     await run.wait(progress=False)
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(Client(*args, **kwargs), ThreadPoolExecutor(16, "himalia"))

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: Any) -> None:
        self._inner.close()
        self._pool.shutdown(wait=False)
