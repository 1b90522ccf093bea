"""The profiles of the spawner's configuration (``c.HimaliaKubeSpawner.profile_list``), for one person (NB-3).

KubeSpawner's own code evaluates and completes the list, so slugs and defaults are those that a start
knows. Which one a person may choose is what the list says for this person: a callable one is called
as them. What is kept of it for a few seconds is kept for each person apart.
"""

from __future__ import annotations

import html
import json
import re
import time
from collections.abc import Mapping
from typing import Any

from jupyterhub.apihandlers.base import APIHandler
from jupyterhub.scopes import needs_scope
from jupyterhub.utils import maybe_future

from himalia_hub.config.unsaved import unsaved_spawner

KEPT_SECONDS = 10.0
"""The start page asks more often than that while a notebook starts."""
_kept: dict[str, tuple[float, list[dict[str, Any]]]] = {}
_TAG = re.compile(r"<[^>]*>")


class ProfilesBroken(Exception):
    """The configuration's own code failed; says how, for its administrator."""


class ProfilesHandler(APIHandler):  # type: ignore[misc]
    """``GET /hub/api/himalia/users/<name>/profiles`` by the platform's own service."""

    @needs_scope("admin:servers")  # type: ignore[untyped-decorator]
    async def get(self, name: str) -> None:
        user = self.find_user(name)
        if user is None:
            self._answer(404, {"code": "not_found"})
            return
        try:
            self._answer(200, {"profiles": await offered(user)})
        except ProfilesBroken as error:
            self._answer(409, broken(error))

    def _answer(self, status: int, body: Mapping[str, Any]) -> None:
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.write(json.dumps(body))


def broken(error: ProfilesBroken) -> dict[str, str]:
    return {
        "code": "profiles_broken",
        "detail": f"The hub's configuration cannot list the profiles: {error}. Tell your administrator.",
        "detail_zh": f"中心服务的配置无法列出配置方案：{error}。请告知管理员。",
    }


async def offered(user: Any) -> list[dict[str, Any]]:
    """What this person can choose, the default first; nothing where the spawner has no profiles.

    Raises:
        ProfilesBroken: The configured list cannot be read.
    """
    # Only a spawner that has the trait is made for it.
    if not hasattr(user.spawner_class, "profile_list"):
        return []
    moment = time.monotonic()
    for name in [name for name, (at, _) in _kept.items() if moment - at > KEPT_SECONDS]:
        del _kept[name]
    if user.name not in _kept:
        _kept[user.name] = (moment, await listed(unsaved_spawner(user, {})))
    return _kept[user.name][1]


def forget() -> None:
    """Ask the configuration again at once."""
    _kept.clear()


async def listed(spawner: Any) -> list[dict[str, Any]]:
    """The profiles as this spawner's own code completes them, the default first.

    Raises:
        ProfilesBroken: The configured list cannot be read.
    """
    found = getattr(spawner, "profile_list", None) or []
    if not found:
        return []
    try:
        found = spawner._sorted_dict_values(found)
        if callable(found):
            found = await maybe_future(found(spawner))
        complete = [_profile(one) for one in spawner._get_initialized_profile_list(found) or ()]
    except Exception as error:  # the configuration's own code
        spawner.log.exception("profile_list of %s cannot be read", spawner.user.name)
        raise ProfilesBroken(f"{type(error).__name__}: {error}") from error
    default = next((at for at, one in enumerate(complete) if one["default"]), 0)
    for at, one in enumerate(complete):
        one["default"] = at == default
    return sorted(complete, key=lambda one: not one["default"])


def _profile(one: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "slug": str(one["slug"]),
        "name": _plain(one["display_name"]),
        "description": _plain(one.get("description") or ""),
        "default": bool(one.get("default")),
        "options": [_option(name, option) for name, option in (one.get("profile_options") or {}).items()],
    }


def _option(name: str, option: Mapping[str, Any]) -> dict[str, Any]:
    choices = option.get("choices") or {}
    default = next((key for key, choice in choices.items() if choice.get("default")), None)
    free = option["unlisted_choice"]
    pattern = free.get("validation_regex")
    re.compile(pattern or "")
    return {
        "name": str(name),
        "title": _plain(option.get("display_name") or name),
        "choices": [
            {"value": str(key), "name": _plain(choice.get("display_name") or key), "default": key == default}
            for key, choice in choices.items()
        ],
        "other": (
            {
                "title": _plain(free.get("display_name") or free["display_name_in_choices"]),
                "choice": _plain(free["display_name_in_choices"]),
                "pattern": pattern,
                "message": _plain(free.get("validation_message") or ""),
            }
            if free["enabled"]
            else None
        ),
    }


def _plain(text: Any) -> str:
    """KubeSpawner's own form takes these as HTML; here they are text."""
    return " ".join(html.unescape(_TAG.sub(" ", str(text))).split())


def handlers() -> list[Any]:
    """Addresses below ``/hub``."""
    return [(r"/api/himalia/users/([a-z0-9]{1,32})/profiles", ProfilesHandler)]
