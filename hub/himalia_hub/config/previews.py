"""Where the platform has the hub's spawner draw a start that is not made (NB-3).

The traits of the spawner live in the hub alone, so only the hub can say what a start would hand to the
platform, and what pod it would make of the plan that it gets back. Values of secrets never leave it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from jupyterhub import orm
from jupyterhub.apihandlers.base import APIHandler
from jupyterhub.scopes import needs_scope
from jupyterhub.utils import maybe_future, url_path_join

from himalia_hub.audit.masking import MASK
from himalia_hub.backends.protocol import BackendError

SERVER = "preview"
"""The server's name in a preview; the platform's own are ``n1``, ``n2``, ..."""
ACTING_HOOKS = ("pre_spawn_hook", "auth_state_hook", "after_pod_created_hook", "post_stop_hook")


class PreviewHandler(APIHandler):  # type: ignore[misc]
    """``POST /hub/api/himalia/users/<name>/preview`` by the platform's own service.

    Without a plan it answers what the spawner would hand over, with one the objects that it would make.
    """

    @needs_scope("admin:servers")  # type: ignore[untyped-decorator]
    async def post(self, name: str) -> None:
        user = self.find_user(name)
        body = self.get_json_body() or {}
        if user is None:
            self._answer(404, {"code": "not_found"})
            return
        spawner = unsaved_spawner(user, body.get("profile"))
        try:
            if body.get("plan") is None:
                self._answer(200, await drafted(spawner))
            else:
                made = await spawner.preview(body["plan"], body.get("prefer") or ())
                self._answer(200, {"objects": made})
        except ValueError as error:  # how KubeSpawner refuses a profile
            self._answer(409, refusal("profile", f"profile: {error}", f"profile：{error}"))
        except BackendError as error:
            self._answer(409, refusal("plan", str(error), str(error)))

    def _answer(self, status: int, body: Mapping[str, Any]) -> None:
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.write(json.dumps(body))


def refusal(code: str, text: str, zh: str) -> dict[str, str]:
    return {"code": code, "detail": text, "detail_zh": zh}


async def drafted(spawner: Any) -> dict[str, Any]:
    """What a start would hand over, with every value masked: all of them become the pod's secret."""
    launch = dict(await spawner.draft())
    launch["environment"] = {name: MASK if value else "" for name, value in launch["environment"].items()}
    return {
        "launch": launch,
        "profiles": await profiles(spawner),
        "hooks": [hook for hook in ACTING_HOOKS if getattr(spawner, hook, None) is not None],
    }


async def profiles(spawner: Any) -> list[dict[str, str]]:
    """The profiles of the configuration; none where the spawner has no such trait."""
    found = getattr(spawner, "profile_list", None) or []
    if callable(found):
        found = await maybe_future(found(spawner))
    complete = spawner._get_initialized_profile_list(found) if found else []
    return [{"slug": one["slug"], "name": str(one.get("display_name", one["slug"]))} for one in complete]


def unsaved_spawner(user: Any, profile: str | None) -> Any:
    """A spawner of this person as the hub would make it, over a server that no database has."""
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
        user_options={} if profile is None else {"profile": profile},
    )


def handlers() -> list[Any]:
    """Addresses below ``/hub``."""
    return [(r"/api/himalia/users/([a-z0-9]{1,32})/preview", PreviewHandler)]
