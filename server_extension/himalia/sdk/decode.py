"""JSON to dataclasses: unknown fields are ignored, missing ones take the default.

A client must go on working with a newer platform that says more, and with an older one that
says less; so nothing here fails on shape. What the platform promises its own tests check.
"""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from datetime import datetime
from typing import Any, TypeVar, cast

T = TypeVar("T")


def decode(kind: type[T], data: Any, client: Any = None) -> T:
    """An instance of a dataclass from a JSON object; objects that act get the client."""
    values: dict[str, Any] = {}
    hints = _hints(cast(Any, kind))
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        if field.name.startswith("_") or not isinstance(data, dict):
            continue
        key = field.metadata.get("key", field.name)
        if key in data:
            values[field.name] = _value(hints[field.name], data[key], client)
    made = kind(**values)
    if hasattr(kind, "_client"):
        object.__setattr__(made, "_client", client)
    return made


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _value(hint: Any, value: Any, client: Any) -> Any:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None:
            return None
        return _value(next(part for part in typing.get_args(hint) if part is not type(None)), value, client)
    if value is None:
        return [] if origin is list else {} if origin is dict else None
    if origin is list and isinstance(value, list):
        (inner,) = typing.get_args(hint)
        return [_value(inner, item, client) for item in value]
    if origin is dict and isinstance(value, dict):
        inner = typing.get_args(hint)[1]
        return {key: _value(inner, item, client) for key, item in value.items()}
    if hint is datetime:
        return moment(value)
    if dataclasses.is_dataclass(hint):
        return decode(cast(Any, hint), value, client)
    return value


def moment(text: Any) -> datetime | None:
    """A UTC moment from RFC 3339 text."""
    try:
        return datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        return None
