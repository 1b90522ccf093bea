"""The hub's side of external sources: any JupyterHub authenticator, wrapped so that it only identifies.

The wrapped authenticator says who somebody is at its source, and its own ``allow_*`` and blocked
lists hold; the platform decides who that is here. Definitions come from the platform every few
seconds, so that a change of an administrator holds without a restart. Blocking authenticators
(LDAP, PAM) run in threads.
"""

from __future__ import annotations

import asyncio
import contextvars
import grp
import logging
import os
import pwd
import time
from pathlib import Path
from typing import Any

from tornado import web
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from himalia_hub.core.outbound import AddressRefused, GuardedResolver, addresses_of, check_url
from himalia_hub.sign_in_sources import kinds

log = logging.getLogger("himalia.sources")
KEPT_SECONDS, AGAIN_SECONDS = 2.0, 0.3
FORM_SECONDS = 20.0
_spelled: contextvars.ContextVar[list[str] | None] = contextvars.ContextVar("spelled", default=None)


class NotIdentified(Exception):
    """The source did not recognise the person, or its own rules do not allow them."""


class SourceUnusable(Exception):
    """The source cannot be asked: its settings, its secret's file or its address."""


class Source:
    """One source as the hub uses it.

    Args:
        definition: ``{name, title, kind, form, settings, secrets, mapping, allow_private, version}``.
        secrets_folder: Where ``file:`` secrets lie.
    """

    def __init__(self, definition: dict[str, Any], secrets_folder: Path) -> None:
        self.definition = definition
        self.name: str = definition["name"]
        self.title: str = definition["title"]
        self.form: bool = definition["form"]
        self.allow_private: bool = definition["allow_private"]
        settings = dict(definition["settings"])
        for key, value in definition["secrets"].items():
            settings[key] = resolve_secret(value, secrets_folder)
        cls = kinds.class_of(definition["kind"])
        if not self.form:
            settings.setdefault("enable_pkce", True)
        if definition["kind"] == "ldap":
            _ask_for_attributes(cls, settings, definition["mapping"])
        # Being listed by the source's own rules is what admits; without any, the directory itself does.
        if not any(settings.get(name) for name in cls.class_trait_names(config=True) if name.startswith("allowed_")):
            settings.setdefault("allow_all", True)
        self.inner: Any = _keeping_spelling(cls)(**settings)
        if not self.form:
            self.inner.http_client = guarded_client(self.allow_private)

    async def prepare(self) -> None:
        """Ready to send somebody to the provider: endpoints known, their addresses permitted."""
        if hasattr(self.inner, "discover"):
            await check_url(self.inner.issuer, allow_private=self.allow_private)
            await self.inner.discover()
        for name in ("token_url", "userdata_url"):
            url = getattr(self.inner, name, "")
            if url:
                await check_url(url, allow_private=self.allow_private)

    async def identify(self, handler: Any, data: dict[str, str] | None) -> dict[str, Any]:
        """``{name, subject, claims}`` of whoever proved to be somebody at this source.

        Raises:
            NotIdentified: wrong proof, unknown there, or not allowed by the source's own settings.
        """
        spelled: list[str] = []
        token = _spelled.set(spelled)
        try:
            if self.form:
                await self._check_server()
                model = await asyncio.wait_for(asyncio.to_thread(self._in_thread, handler, data), FORM_SECONDS)
            else:
                model = await self.inner.get_authenticated_user(handler, data)
        finally:
            _spelled.reset(token)
        if model is None:
            raise NotIdentified()
        claims = claims_of(self.inner, model, self.definition["kind"])
        name = _directory_spelling(self.inner, claims) or (spelled[0] if spelled else model["name"])
        return {"name": name, "subject": str(claims.get("sub") or ""), "claims": claims}

    def _in_thread(self, handler: Any, data: dict[str, str] | None) -> Any:
        return asyncio.run(self.inner.get_authenticated_user(handler, data))

    async def _check_server(self) -> None:
        host = getattr(self.inner, "server_address", "")
        if host:
            await addresses_of(host, int(self.inner.server_port), allow_private=self.allow_private)


class Sources:
    """All sources, asked of the platform again every few seconds."""

    def __init__(self, platform: Any, secrets_folder: Path) -> None:
        self._platform = platform
        self._folder = secrets_folder
        self._at = -1e9
        self._made: dict[tuple[str, int], Source] = {}
        self._listed: list[dict[str, Any]] = []

    async def listed(self, kept_seconds: float = KEPT_SECONDS) -> list[dict[str, Any]]:
        """Definitions of the enabled sources, in the order of their titles."""
        if time.monotonic() - self._at > kept_seconds:
            self._listed = await self._platform.get("sign-in/sources")
            self._at = time.monotonic()
            present = {(row["name"], row["version"]) for row in self._listed}
            self._made = {key: made for key, made in self._made.items() if key in present}
        return self._listed

    async def get(self, name: str) -> Source:
        """One enabled source, ready to be used.

        Raises:
            KeyError: there is none of this name.
            SourceUnusable: it cannot be used as it is set up.
        """
        row = next((row for row in await self.listed() if row["name"] == name), None)
        if row is None:  # just set up, perhaps
            row = next((row for row in await self.listed(AGAIN_SECONDS) if row["name"] == name), None)
        if row is None:
            raise KeyError(name)
        key = (name, row["version"])
        if key not in self._made:
            try:
                self._made[key] = Source(row, self._folder)
            except Exception as error:
                raise SourceUnusable(f"{name}: {error}") from error
        return self._made[key]


def resolve_secret(value: str, folder: Path) -> str:
    """A secret, or what ``file:NAME`` (in ``folder`` only) or ``env:HIMALIA_SOURCE_…`` refers to."""
    how, _, name = value.partition(":")
    if how == "file":
        if not name or "/" in name or name.startswith("."):
            raise SourceUnusable(f"a secret's file is a plain name inside {folder}")
        return (folder / name).read_text(encoding="utf-8").strip()
    if how == "env":
        if not name.startswith("HIMALIA_SOURCE_"):
            raise SourceUnusable("a secret's variable begins with HIMALIA_SOURCE_")
        return os.environ[name]
    return value


def guarded_client(allow_private: bool) -> SimpleAsyncHTTPClient:
    """An HTTP client of its own that connects to permitted addresses only."""
    return SimpleAsyncHTTPClient(
        force_instance=True,
        resolver=GuardedResolver(allow_private=allow_private),
        max_body_size=4 << 20,
        defaults={"connect_timeout": 10.0, "request_timeout": 20.0, "max_redirects": 3},
    )


def claims_of(inner: Any, model: dict[str, Any], kind: str) -> dict[str, Any]:
    """What the source said of the person, in one flat document; tokens are not part of it."""
    state = model.get("auth_state") or {}
    claims: dict[str, Any] = {}
    if "user_attributes" in state:
        claims.update({name: _texts(value) for name, value in (state["user_attributes"] or {}).items()})
        claims["ldap_groups"] = list(state.get("ldap_groups") or [])
    else:
        claims.update(state.get(getattr(inner, "user_auth_state_key", ""), None) or {})
    if model.get("groups"):
        claims.setdefault("groups", list(model["groups"]))
    if kind == "pam":
        claims["groups"] = system_groups(model["name"])
    return claims


def system_groups(name: str) -> list[str]:
    """The groups of a system account (NIS included), or none."""
    try:
        account = pwd.getpwnam(name)
    except KeyError:
        return []
    numbers = os.getgrouplist(name, account.pw_gid)
    found = []
    for number in numbers:
        try:
            found.append(grp.getgrgid(number).gr_name)
        except KeyError:
            continue
    return found


def _texts(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_texts(each) for each in value]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _directory_spelling(inner: Any, claims: dict[str, Any]) -> str:
    """LDAP answers a name in any case; the entry's own attribute is the name."""
    attribute = getattr(inner, "user_attribute", "")
    found = claims.get(attribute) if attribute else None
    return str(found[0]) if isinstance(found, list) and found else ""


def _ask_for_attributes(cls: type[Any], settings: dict[str, Any], mapping: dict[str, Any]) -> None:
    """What the mapping looks at, and the name itself, must be among the attributes that are read."""
    wanted = list(settings.get("auth_state_attributes") or [])
    wanted.append(settings.get("user_attribute") or "uid")
    for part in mapping.values():
        if isinstance(part, dict) and part.get("claim") and part["claim"] != "ldap_groups":
            wanted.append(part["claim"])
    settings["auth_state_attributes"] = list(dict.fromkeys(wanted))
    settings.setdefault("user_attribute", "uid")


def _keeping_spelling(cls: type[Any]) -> type[Any]:
    """The class, noting a name as the source spells it before the hub's rules fold it."""

    def normalize_username(self: Any, username: str) -> str:
        noted = _spelled.get()
        if noted is not None and not noted:
            noted.append(username)
        folded: str = cls.normalize_username(self, username)
        return folded

    return type(cls.__name__, (cls,), {"normalize_username": normalize_username, "__doc__": cls.__doc__})


def refusal(sentence: str, status: int = 403) -> web.HTTPError:
    """An error whose sentence the sign-in page shows as it is."""
    error: Any = web.HTTPError(status)
    error.jupyterhub_message = sentence
    return error  # type: ignore[no-any-return]


__all__ = ["AddressRefused", "NotIdentified", "Source", "SourceUnusable", "Sources", "refusal"]
