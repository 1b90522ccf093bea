"""The tornado application: one handler, every route, nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tornado import web

from himalia_hub.api.dispatch import ApiHandler
from himalia_hub.api.routes import Router, RouteTable

if TYPE_CHECKING:
    from himalia_hub.platform.parts import Platform


def make_application(platform: Platform, tables: list[RouteTable]) -> web.Application:
    router = Router(tables)
    return web.Application(
        [(r"/.*", ApiHandler, {"platform": platform, "router": router})],
        log_function=lambda handler: None,
    )
