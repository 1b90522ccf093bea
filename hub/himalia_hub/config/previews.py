"""Where the platform has the hub's spawner draw a start that is not made (NB-3).

The traits of the spawner live in the hub alone, so only the hub can say what a start would hand to the
platform, and what pod it would make of the plan that it gets back. Values of secrets never leave it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from jupyterhub.apihandlers.base import APIHandler
from jupyterhub.scopes import needs_scope

from himalia_hub.audit.masking import MASK
from himalia_hub.backends.protocol import BackendError
from himalia_hub.config import profiles
from himalia_hub.config.unsaved import unsaved_spawner

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
        spawner = unsaved_spawner(user, body.get("user_options") or {})
        try:
            if body.get("plan") is None:
                self._answer(200, await drafted(spawner))
            else:
                made = await spawner.preview(body["plan"], body.get("prefer") or ())
                self._answer(200, {"objects": made})
        except profiles.ProfilesBroken as error:
            self._answer(409, profiles.broken(error))
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
        "profiles": await profiles.listed(spawner),
        "hooks": [hook for hook in ACTING_HOOKS if getattr(spawner, hook, None) is not None],
    }


def handlers() -> list[Any]:
    """Addresses below ``/hub``."""
    return [(r"/api/himalia/users/([a-z0-9]{1,32})/preview", PreviewHandler)]
