"""Profiles of the hub's configuration: what a person may choose, what of it is kept, what a start hands over (NB-3).

The hub says which profiles there are for a person (``config/profiles.py``); this module checks a
choice against that answer. What a profile changes is the spawner's business: no size, no price and
no environment follows from it. Where the configuration has none, none can be chosen.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from himalia_hub.core.errors import BackendUnavailable, Conflict, HimaliaError, InvalidInput
from himalia_hub.develop.notebooks.hub import HubClient, HubRefused, HubUnavailable
from himalia_hub.platform.parts import Platform

Offered = Sequence[Mapping[str, Any]]
Kept = dict[str, Any]
UNLISTED = "{}--unlisted-choice"
"""How KubeSpawner names a value that is none of an option's choices."""


class ProfileGone(Conflict):
    """What was chosen once is not offered to this person any longer; ``details['known']`` names what is."""

    code = "profile_gone"


def on_a_cluster(platform: Platform) -> bool:
    """Only the spawner of a cluster has profiles."""
    return platform.backend is not None and platform.backend.name == "kubernetes"


async def offered(platform: Platform, hub_user: str) -> Offered:
    """What this person can choose, the default first.

    Raises:
        Conflict: The configuration's list cannot be read; says why.
        BackendUnavailable: The hub does not answer.
    """
    hub = platform.get(HubClient)
    if not hub.configured or not on_a_cluster(platform):
        return ()
    try:
        return await hub.profiles(hub_user)
    except HubRefused as error:
        raise Conflict(error.text, zh=error.zh, code=error.code) from error
    except HubUnavailable as error:
        raise BackendUnavailable(
            "The hub does not answer; it knows the profiles. Try again in a moment.",
            zh="中心服务暂无响应，无法获取配置方案，请稍后再试。",
        ) from error


async def asked(platform: Platform, hub_user: str) -> Offered | HimaliaError:
    """As :func:`offered`, with the refusal as a value: for whoever raises it later, or can do without."""
    try:
        return await offered(platform, hub_user)
    except HimaliaError as error:
        return error


def chosen(told: Offered | HimaliaError, slug: str | None, options: Mapping[str, str]) -> Kept | None:
    """As :func:`kept`, for what :func:`asked` answered."""
    if isinstance(told, HimaliaError):
        raise told
    return kept(told, slug, options)


def require(told: Offered | HimaliaError, chosen: Kept | None) -> None:
    """What was kept is offered still. A hub that does not answer is asked again before the start is made.

    Raises:
        ProfileGone: It is not.
    """
    if not isinstance(told, HimaliaError):
        user_options(told, chosen)


def kept(found: Offered, slug: str | None, options: Mapping[str, str]) -> Kept | None:
    """What a notebook keeps of a choice; None: the configuration's default, whatever it is at each start.

    Raises:
        InvalidInput: It is not offered to this person.
    """
    if slug is None:
        if options:
            raise InvalidInput(
                "profile_options: options belong to a profile; name it in profile.",
                zh="profile_options：选项属于某个配置方案，请在 profile 中指定方案。",
                field="profile_options",
                rule="with a profile",
                value=sorted(options),
            )
        return None
    profile = next((one for one in found if one["slug"] == slug), None)
    if profile is None:
        known = ", ".join(one["slug"] for one in found)
        raise InvalidInput(
            f"profile: there is no profile {slug!r} for you." + (f" There are: {known}." if known else ""),
            zh=f"profile：没有可供您使用的配置方案 {slug!r}。" + (f"可用方案：{known}。" if known else ""),
            field="profile",
            rule=f"one of: {known}" if known else "none: the hub's configuration has no profiles",
            value=slug,
            hint="Choose one of them, or leave it out for the default.",
            hint_zh="请选择其中之一；留空则使用默认方案。",
            known=[one["slug"] for one in found],
        )
    by_name = {one["name"]: one for one in profile["options"]}
    for name, value in options.items():
        _check(by_name, name, value)
    return {"slug": slug, "name": profile["name"], "options": dict(options)}


def _check(by_name: Mapping[str, Mapping[str, Any]], name: str, value: str) -> None:
    field = f"profile_options.{name}"
    option = by_name.get(name)
    if option is None:
        known = ", ".join(by_name) or "none"
        raise InvalidInput(
            f"{field}: the profile has no such option; it has: {known}.",
            zh=f"{field}：该配置方案没有此选项；可用选项：{known}。",
            field=field,
            rule=f"one of: {known}",
            value=name,
            known=list(by_name),
        )
    if fits(option, value):
        return
    known = ", ".join(choice["value"] for choice in option["choices"])
    other = option["other"]
    rule = f"one of: {known}" if known else ""
    if other is not None:
        free = other["message"] or (f"matches {other['pattern']}" if other["pattern"] else "not empty")
        rule = f"{rule}; or {free}" if rule else free
    raise InvalidInput(
        f"{field}: {value!r} is not a choice; {rule}.",
        zh=f"{field}：{value!r} 不是可选值；{rule}。",
        field=field,
        rule=rule,
        value=value,
        known=[choice["value"] for choice in option["choices"]],
    )


def fits(option: Mapping[str, Any], value: str) -> bool:
    """A choice of the option, or a value of its own where the option takes one. Pure."""
    if _listed(option, value):
        return True
    other = option["other"]
    return bool(value) and other is not None and re.match(other["pattern"] or "", value) is not None


def _listed(option: Mapping[str, Any], value: str) -> bool:
    return any(choice["value"] == value for choice in option["choices"])


def user_options(found: Offered, chosen: Kept | None) -> dict[str, str]:
    """What the hub's spawner is started with. Where the configuration has no profiles any longer, nothing.

    Raises:
        ProfileGone: The profile, or a choice of it, is not offered any longer.
    """
    if chosen is None or not found:
        return {}
    profile = next((one for one in found if one["slug"] == chosen["slug"]), None)
    if profile is None:
        raise _gone(found, chosen, f"the profile {chosen['name']}", f"配置方案“{chosen['name']}”")
    told = {}
    by_name = {one["name"]: one for one in profile["options"]}
    for name, value in chosen["options"].items():
        option = by_name.get(name)
        if option is None or not fits(option, value):
            raise _gone(
                found,
                chosen,
                f"{name} = {value} of the profile {chosen['name']}",
                f"配置方案“{chosen['name']}”的选项 {name} = {value} ",
            )
        told[name if _listed(option, value) else UNLISTED.format(name)] = value
    return {**told, "profile": chosen["slug"]}


def _gone(found: Offered, chosen: Kept, what: str, zh: str) -> ProfileGone:
    known = [one["slug"] for one in found]
    return ProfileGone(
        f"It cannot start: {what} is not offered any longer.",
        zh=f"无法启动：{zh}已不再提供。",
        field="profile",
        rule=f"one of: {', '.join(known)}",
        value=chosen["slug"],
        hint="Choose another profile for it.",
        hint_zh="请为其选择其他配置方案。",
        known=known,
    )
