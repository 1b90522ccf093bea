"""Where the platform tells the hub that somebody's sessions ended (TEN-2, TEN-6, TEN-17).

The platform has already refused that person's sessions; this makes the hub and the person's
running notebook servers forget them now, rather than when they next ask.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from jupyterhub import orm
from jupyterhub.apihandlers.base import APIHandler
from jupyterhub.scopes import needs_scope
from tornado.httpclient import AsyncHTTPClient, HTTPRequest

from himalia_hub.auth.authenticator import auth_model, end_sessions

TOLD_SECONDS = 3.0


class EndSessionsHandler(APIHandler):  # type: ignore[misc]
    """``POST /hub/api/himalia/users/<name>/sessions-ended`` by the platform's own service."""

    @needs_scope("admin:users")  # type: ignore[untyped-decorator]
    async def post(self, name: str) -> None:
        user = self.find_user(name)
        told = 0
        if user is not None:
            body = self.get_json_body() or {}
            identity = body.get("identity")
            state = await user.get_auth_state()
            # A session begun after the change carries the new epoch and stays.
            if state is not None and (identity is None or state.get("epoch") != identity["session_epoch"]):
                end_sessions(user)
                if identity is not None:
                    await user.save_auth_state(auth_model(identity)["auth_state"])
            if identity is None:
                revoke_all(user)
            user._auth_refreshed = None
            told = await tell_servers(user)
        self.set_header("Content-Type", "application/json")
        self.write(json.dumps({"servers": told}))


def revoke_all(user: Any) -> None:
    """Take the tokens of somebody who may not go on; a running server keeps the one it reports with."""
    user.db.query(orm.APIToken).filter(
        orm.APIToken.user_id == user.orm_user.id, ~orm.APIToken.note.like("Server at %")
    ).delete(synchronize_session=False)
    user.db.commit()


async def tell_servers(user: Any) -> int:
    """Have each running server ask the hub again about everybody connected to it."""
    urls = [spawner.server.url for spawner in user.spawners.values() if spawner.ready and spawner.server is not None]
    client = AsyncHTTPClient()

    async def tell(url: str) -> int:
        request = HTTPRequest(
            f"{url.rstrip('/')}/himalia/sessions/check", method="POST", body="", request_timeout=TOLD_SECONDS
        )
        answer = await client.fetch(request, raise_error=False)
        return int(answer.code == 204)

    return sum(await asyncio.gather(*(tell(url) for url in urls)))


def handlers() -> list[Any]:
    """Addresses below ``/hub``."""
    return [(r"/api/himalia/users/([a-z0-9]{1,32})/sessions-ended", EndSessionsHandler)]
