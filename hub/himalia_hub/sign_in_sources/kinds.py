"""Which authenticators a source may use, and which of their settings.

``oidc`` is ours; every other kind is the name under which an installed package offers a JupyterHub
authenticator (entry points ``jupyterhub.authenticators``: ldap, pam, github, google …), so that a
setting sent through the API never names code. Settings that the platform decides itself (who is
an administrator, callback addresses, hooks) cannot be set.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points
from typing import Any

import traitlets

from himalia_hub.core.errors import InvalidInput

OURS = {"oidc": "himalia_hub.auth.oidc:OpenIDAuthenticator"}
NEVER = frozenset({"default", "dummy", "null", "shared-password", "ldapauthenticator", "mediawiki", "himalia"})
DENIED = frozenset(
    (
        "add_user_cmd",
        "admin_groups",
        "admin_users",
        "allow_existing_users",
        "any_allow_config",
        "auth_refresh_age",
        "auth_refresh_strict",
        "auto_login",
        "auto_login_oauth2_authorize",
        "create_system_users",
        "custom_html",
        "delete_invalid_users",
        "enable_auth_state",
        "http_request_kwargs",
        "manage_groups",
        "manage_roles",
        "oauth_callback_url",
        "open_sessions",
        "refresh_pre_spawn",
        "reset_managed_roles_on_startup",
        "request_otp",
        "uids",
        "username_map",
        "validate_server_cert",
    )
)
_PLAIN = (
    traitlets.Unicode,
    traitlets.Bool,
    traitlets.Integer,
    traitlets.Float,
    traitlets.List,
    traitlets.Set,
    traitlets.Dict,
    traitlets.Union,
    traitlets.UseEnum,
)


@cache
def _offered() -> dict[str, Any]:
    return {
        entry.name: entry
        for entry in entry_points(group="jupyterhub.authenticators")
        if entry.name not in NEVER and not entry.name.startswith("local-")
    }


def names() -> list[str]:
    """Every kind that this installation can use."""
    return sorted({*OURS, *_offered()})


@cache
def class_of(kind: str) -> type[Any]:
    """The authenticator's class of a kind, or :class:`InvalidInput`."""
    if kind in OURS:
        module, _, name = OURS[kind].partition(":")
        found: type[Any] = getattr(__import__(module, fromlist=[name]), name)
        return found
    entry = _offered().get(kind)
    if entry is None:
        raise InvalidInput(
            f"kind: {kind!r} is not installed; there are {', '.join(names())}.",
            zh=f"kind：未安装 {kind!r}；可用：{'、'.join(names())}。",
            field="kind",
            rule=f"one of {', '.join(names())}",
            value=kind,
        )
    loaded: type[Any] = entry.load()
    return loaded


def is_form(cls: type[Any]) -> bool:
    """Whether name and password are typed into our form; False for redirects to a provider."""
    from oauthenticator.oauth2 import OAuthenticator

    return not issubclass(cls, OAuthenticator)


def is_secret(name: str) -> bool:
    return "secret" in name or "password" in name


def settable(cls: type[Any]) -> dict[str, traitlets.TraitType[Any, Any]]:
    """The settings of an authenticator that a source may have."""
    traits = cls.class_traits(config=True)
    return {
        name: trait
        for name, trait in traits.items()
        if name not in DENIED and isinstance(trait, _PLAIN) and not name.endswith("_hook")
    }


def describe(kind: str) -> dict[str, Any]:
    """A kind with its settings, for a form."""
    cls = class_of(kind)
    rows = []
    for name, trait in sorted(settable(cls).items()):
        sentence = " ".join((trait.help or "").split("\n\n")[0].split())
        rows.append({"name": name, "type": type(trait).__name__, "secret": is_secret(name), "help": sentence})
    return {"kind": kind, "form": is_form(cls), "settings": rows}


def check(kind: str, settings: dict[str, Any], secrets: dict[str, str]) -> None:
    """Every name is a setting of this kind, every value one it takes; else :class:`InvalidInput`."""
    cls = class_of(kind)
    known = settable(cls)
    for part, given in (("settings", settings), ("secrets", secrets)):
        for name in given:
            field = f"{part}.{name}"
            if name not in known:
                raise InvalidInput(
                    f"{field}: {kind} has no setting of this name, or the platform decides it.",
                    zh=f"{field}：{kind} 没有此设置，或该设置由平台决定。",
                    field=field,
                    rule="a setting of this kind",
                    value=name,
                    hint="GET /sign-in-sources/kinds lists them.",
                    hint_zh="GET /sign-in-sources/kinds 可列出全部设置。",
                )
            if is_secret(name) != (part == "secrets"):
                right = "secrets" if part == "settings" else "settings"
                raise InvalidInput(
                    f"{field}: belongs into {right}.",
                    zh=f"{field}：应放在 {right} 中。",
                    field=field,
                    rule=f"in {right}",
                    value=name,
                )
    try:
        cls(**settings)
    except (traitlets.TraitError, ValueError, TypeError) as error:
        raise InvalidInput(
            f"settings: {error}", zh=f"settings：{error}", field="settings", rule=f"values that {kind} takes"
        ) from error
