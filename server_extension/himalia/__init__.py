"""Himalia in Python: ``import himalia`` in notebooks, runs and anywhere with a token.

Names are imported when they are first used (PEP 562), so that a notebook server that loads only
``himalia.extension`` pays for nothing else, and a training script that only calls
:func:`himalia.log` never imports an HTTP client.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from himalia.sdk import errors
    from himalia.sdk.accelerators import Accelerator
    from himalia.sdk.aio import AsyncClient
    from himalia.sdk.client import Client, connect
    from himalia.sdk.errors import HimaliaError
    from himalia.sdk.local import dataset
    from himalia.sdk.tracking import log, logged, progress

_WHERE = {
    **dict.fromkeys(("log", "progress", "logged"), "himalia.sdk.tracking"),
    **dict.fromkeys(("Client", "connect"), "himalia.sdk.client"),
    "Accelerator": "himalia.sdk.accelerators",
    "AsyncClient": "himalia.sdk.aio",
    "dataset": "himalia.sdk.local",
    "HimaliaError": "himalia.sdk.errors",
    "errors": "himalia.sdk",
}

_COLLECTIONS = frozenset(
    {
        "admin",
        "algorithms",
        "audit",
        "bills",
        "datasets",
        "jobs",
        "label_groups",
        "ledger",
        "models",
        "notebooks",
        "prices",
        "quotas",
        "runs",
        "services",
        "shares",
        "specs",
        "tasks",
        "tokens",
        "workloads",
    }
)
"""``himalia.models`` is ``himalia.connect().models``: the collections of this process's client."""

__all__ = [
    "Accelerator",
    "AsyncClient",
    "Client",
    "HimaliaError",
    "__version__",
    "connect",
    "dataset",
    "errors",
    "log",
    "logged",
    "progress",
]


def __getattr__(name: str) -> Any:
    if name in _COLLECTIONS:
        return getattr(import_module("himalia.sdk.client").connect(), name)
    module = _WHERE.get(name)
    if module is None:
        raise AttributeError(f"module 'himalia' has no attribute {name!r}")
    value = import_module("himalia.sdk.errors") if name == "errors" else getattr(import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, *_COLLECTIONS, *globals()})


def load_ipython_extension(shell: InteractiveShell) -> None:
    """``%load_ext himalia``."""
    from himalia.magics import load

    load(shell)


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "himalia.extension"}]
