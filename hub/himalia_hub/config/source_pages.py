"""The way to an external provider and back: ``/hub/himalia/source/<name>/login`` and ``…/callback``.

Each source has a callback address of its own (RFC 9700: no mix-up), and what must survive the way
(state, nonce, PKCE verifier, where to go) travels in one signed cookie that names the source, lives
ten minutes, is host-only and is used once.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from typing import Any
from urllib.parse import urlsplit

from oauthenticator.oauth2 import OAuthCallbackHandler, OAuthLoginHandler, _serialize_state
from tornado import web

from himalia_hub.auth.external import Source, SourceUnusable
from himalia_hub.config.language import language_of
from himalia_hub.config.pages import HimaliaPage
from himalia_hub.config.platform_client import Unreachable
from himalia_hub.config.texts import text
from himalia_hub.core.outbound import AddressRefused

ATTEMPT_SECONDS = 600
COOKIE = "himalia-source"


class SourcePage(HimaliaPage):
    """A page of one source; the cookie of the attempt."""

    source: Source

    async def prepare(self) -> None:
        await super().prepare()
        name = self.path_args[0]
        try:
            self.source = await self.authenticator_of_hub.sources.get(name)
            if self.source.form:
                raise web.HTTPError(404)
            self.source.inner.oauth_callback_url = self.callback_url
            await self.source.prepare()
        except KeyError:
            raise web.HTTPError(404) from None
        except Unreachable as error:
            raise self.sorry(503, "platform.restarting") from error
        except web.HTTPError:
            raise
        except Exception as error:
            if not isinstance(error, SourceUnusable | AddressRefused | OSError):
                self.log.exception("source %s", name)
            self.log.error("source %s cannot be used: %s", name, error)
            raise self.sorry(502, "sources.unusable") from error

    def sorry(self, status: int, key: str) -> web.HTTPError:
        error: Any = web.HTTPError(status)
        error.jupyterhub_message = text(key, language_of(self.request))
        return error  # type: ignore[no-any-return]

    @property
    def authenticator_of_hub(self) -> Any:
        return self.settings["authenticator"]

    @property
    def callback_url(self) -> str:
        from himalia_hub.config.pages import _hub_settings

        return f"{_hub_settings().hub_url}/hub/himalia/source/{self.source.name}/callback"

    @property
    def cookie_name(self) -> str:
        return f"__Host-{COOKIE}" if self.request.protocol == "https" else COOKIE

    def keep_attempt(self, attempt: dict[str, Any]) -> None:
        self._set_cookie(self.cookie_name, json.dumps(attempt), httponly=True, samesite="Lax", expires_days=1)

    def attempt(self) -> dict[str, Any]:
        """What was kept at the start, used up by being asked for; empty if it is not of this source."""
        raw = self.get_secure_cookie(self.cookie_name, max_age_days=1)
        self.clear_cookie(self.cookie_name)
        if raw is None:
            return {}
        found: dict[str, Any] = json.loads(raw)
        fresh = time.time() - found.get("at", 0) < ATTEMPT_SECONDS
        return found if fresh and found.get("source") == self.source.name else {}


class SourceLogin(SourcePage, OAuthLoginHandler):  # type: ignore[misc]
    """Sends the browser to the provider."""

    @property
    def _OAUTH_AUTHORIZE_URL(self) -> str:
        return str(self.source.inner.authorize_url)

    async def get(self, _name: str) -> None:
        inner = self.source.inner
        verifier, state, nonce = (secrets.token_urlsafe(32) for _ in range(3))
        self.keep_attempt(
            {
                "source": self.source.name,
                "state": state,
                "nonce": nonce,
                "verifier": verifier,
                "next": local_path(self.get_argument("next", "")),
                "at": int(time.time()),
            }
        )
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        extra = dict(inner.extra_authorize_params)
        extra["state"] = state
        if inner.enable_pkce:
            extra.update(code_challenge=challenge, code_challenge_method="S256")
        if "openid" in inner.scope:
            extra["nonce"] = nonce
        self.authorize_redirect(
            redirect_uri=self.callback_url,
            client_id=inner.client_id,
            scope=list(inner.scope),
            extra_params=extra,
            response_type="code",
        )


class SourceCallback(SourcePage, OAuthCallbackHandler):  # type: ignore[misc]
    """Takes the provider's answer, if it answers this browser's own question."""

    _attempt: dict[str, Any]

    async def get(self, _name: str) -> None:
        self._attempt = self.attempt()
        given = self.get_argument("state", "")
        if not self._attempt or not secrets.compare_digest(given.encode(), self._attempt["state"].encode()):
            raise self.sorry(400, "sources.state")
        if self.get_argument("error", ""):
            self.log.warning("source %s: %s", self.source.name, self.get_argument("error", "")[:200])
            raise self.sorry(403, "sources.cancelled")
        if not self.get_argument("code", ""):
            raise self.sorry(400, "sources.state")
        self.himalia_source = self.source
        user = await self.login_user({"source": self.source.name})
        if user is None:
            raise self.sorry(403, "sources.unknown")
        self._jupyterhub_user = user
        self.redirect(self._attempt.get("next") or "/hub/home")

    # What oauthenticator asks of its own callback handler.

    def get_state_cookie(self) -> str:
        return str(_serialize_state({"code_verifier": self._attempt["verifier"]}))

    def source_nonce(self) -> str:
        return str(self._attempt["nonce"])


def local_path(value: str) -> str:
    """A path on this host to return to, or nothing; never another host, in any browser's reading."""
    if not value.startswith("/") or "\\" in value or any(ord(c) < 32 for c in value):
        return ""
    parts = urlsplit(value)
    return value if not parts.scheme and not parts.netloc and not value.startswith("//") else ""


def handlers() -> list[Any]:
    """Addresses below ``/hub``."""
    name = r"([a-z][a-z0-9-]{0,30}[a-z0-9])"
    return [
        (rf"/himalia/source/{name}/login", SourceLogin),
        (rf"/himalia/source/{name}/callback", SourceCallback),
    ]
