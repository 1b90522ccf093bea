"""The jupyter-server extension: the Lab panels' way to the platform.

``<base>himalia/api/v1/…`` forwards to the platform with the notebook's token, ``<base>himalia/events``
shares one stream of changes among the browsers of this server, ``<base>himalia/context`` says
where this server stands. It decides nothing, keeps nothing, and is open to the server's owner
only. Imports tornado and jupyter-server, which are loaded anyway (PERF-3).
"""

from __future__ import annotations

import os
from typing import Any

from jupyter_server.utils import url_path_join
from traitlets import Float, Unicode, default
from traitlets.config import LoggingConfigurable

__all__ = ["HimaliaExtension"]


class HimaliaExtension(LoggingConfigurable):
    """Where the platform is and how long to wait for it."""

    api_url = Unicode(
        help="Base of the platform's API, without a slash at the end. Changed when the platform is "
        "reached another way than $HIMALIA_API_URL says.",
        config=True,
    )
    retry_seconds = Float(
        8.0,
        help="Seconds a request waits for a platform that restarts before it is answered 503. "
        "Longer hides longer restarts; panels show a pending state meanwhile.",
        config=True,
    )

    @default("api_url")
    def _api_url(self) -> str:
        return os.environ.get("HIMALIA_API_URL", "").rstrip("/")

    @property
    def token(self) -> str:
        """The notebook's own token; it never leaves this process but as a header to the platform."""
        return os.environ.get("HIMALIA_TOKEN") or os.environ.get("JUPYTERHUB_API_TOKEN") or ""

    @property
    def owner(self) -> str:
        """The only hub user that may use this extension; empty without a hub."""
        return os.environ.get("JUPYTERHUB_USER", "")


def _load_jupyter_server_extension(serverapp: Any) -> None:
    """Called by jupyter-server; adds the handlers."""
    from himalia.extension.events import EventsHandler, Relay
    from himalia.extension.handlers import ApiHandler, ContextHandler
    from himalia.extension.memory import keep_private
    from himalia.extension.sessions import Activity, CheckHandler, Connections
    from himalia.extension.upstream import Upstream

    keep_private()
    settings = HimaliaExtension(parent=serverapp)
    upstream = Upstream(settings.api_url, settings.retry_seconds)
    shared = {"extension": settings, "upstream": upstream}
    relay = Relay(upstream, lambda: settings.token)
    connections = Connections(getattr(getattr(serverapp, "identity_provider", None), "hub_auth", None))
    connections.watch()
    if upstream.configured and settings.owner:
        Activity(serverapp.web_app, serverapp.kernel_manager, upstream, lambda: settings.token).start()
    base = url_path_join(serverapp.web_app.settings["base_url"], "himalia")
    serverapp.web_app.add_handlers(
        ".*$",
        [
            (url_path_join(base, r"api/v1/(.*)"), ApiHandler, shared),
            (url_path_join(base, "events"), EventsHandler, shared | {"relay": relay}),
            (url_path_join(base, "context"), ContextHandler, shared),
            (url_path_join(base, "sessions/check"), CheckHandler, {"connections": connections}),
        ],
    )


load_jupyter_server_extension = _load_jupyter_server_extension


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "himalia.extension"}]
