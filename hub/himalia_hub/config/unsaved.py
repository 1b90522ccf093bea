"""A spawner over a server that no database has: to ask what a start would do, and what may be chosen for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jupyterhub import orm
from jupyterhub.utils import url_path_join

SERVER = "preview"
"""Its server's name; the platform's own are ``n1``, ``n2``, ..."""


def unsaved_spawner(user: Any, options: Mapping[str, Any]) -> Any:
    """A spawner of this person as the hub would make it for these ``user_options``."""
    settings = user.settings
    base_url = url_path_join(user.base_url, SERVER, "/")
    made = orm.Spawner(name=SERVER)
    # What the database would fill in, because it never sees this one.
    made.server = orm.Server(proto="http", ip="", port=0, cookie_name="", base_url=base_url)
    return user.spawner_class(
        user=user,
        orm_spawner=made,
        hub=settings.get("hub"),
        authenticator=user.authenticator,
        config=settings.get("config"),
        proxy_spec=url_path_join(user.proxy_spec, SERVER, "/"),
        _deprecated_db_session=user.db,
        oauth_client_id=f"jupyterhub-user-{user.name}-{SERVER}",
        cookie_options=settings.get("cookie_options", {}),
        cookie_host_prefix_enabled=settings.get("cookie_host_prefix_enabled", False),
        public_url=user.public_url(SERVER) or "",
        user_options=dict(options),
    )
