"""The list of nouns: their routes, and what each one sets up when the platform starts.

A noun is a package with ``handlers.routes`` (and further tables in ``TABLES``) and, where it has
controllers or long-lived helpers, ``setup(platform)`` in ``setup.py``. Adding a noun is a line here.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from himalia_hub.account import handlers as account
from himalia_hub.account import page as account_page
from himalia_hub.api import events
from himalia_hub.api.routes import RouteTable
from himalia_hub.core.tasks import TaskRunner

if TYPE_CHECKING:
    from himalia_hub.platform.parts import Platform

NOUNS: tuple[str, ...] = (
    "himalia_hub.tenancy",
    "himalia_hub.tenancy.organisations",
    "himalia_hub.tenancy.departments",
    "himalia_hub.tenancy.members",
    "himalia_hub.tenancy.groups",
    "himalia_hub.tenancy.roles",
    "himalia_hub.audit",
    "himalia_hub.sign_in_sources",
    "himalia_hub.identity",
    "himalia_hub.metering",
    "himalia_hub.billing",
    "himalia_hub.compute",
    "himalia_hub.data.content",
    "himalia_hub.data.label_groups",
    "himalia_hub.data.imports",
    "himalia_hub.data.datasets",
    "himalia_hub.data.labelling",
    "himalia_hub.develop.notebooks",
    "himalia_hub.develop.algorithms",
    "himalia_hub.presence",
    "himalia_hub.registry",
    "himalia_hub.sharing",
    "himalia_hub.training",
    "himalia_hub.serving",
    "himalia_hub.search",
    "himalia_hub.console",
    "himalia_hub.demo",
)
"""Packages of nouns in the order of their layers."""

TABLE_MODULES: tuple[str, ...] = (
    "himalia_hub.core.tables",
    "himalia_hub.core.usage",
    "himalia_hub.tenancy.tables",
    "himalia_hub.audit.tables",
)


def _optional(name: str) -> Any | None:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name == name:
            return None
        raise


def import_tables() -> None:
    """Import every module that declares tables, so that the metadata is whole."""
    for name in TABLE_MODULES:
        importlib.import_module(name)
    for noun in NOUNS:
        _optional(f"{noun}.tables")


def route_tables() -> list[RouteTable]:
    """All routes of the platform."""
    tables = [account.routes, account_page.routes, events.routes]
    for noun in NOUNS:
        module = _optional(f"{noun}.handlers")
        if module is not None:
            tables.extend(getattr(module, "TABLES", None) or [module.routes])
    return tables


def setup(platform: Platform) -> None:
    """Wire the parts together; no I/O beyond local files happens here."""
    runner = TaskRunner(platform)
    platform.provide(runner)
    platform.controllers.add(runner)
    platform.controllers.add(events.ChangePruner(platform))
    for noun in NOUNS:
        module = _optional(f"{noun}.setup")
        if module is not None:
            function: Callable[[Platform], None] = module.setup
            function(platform)
