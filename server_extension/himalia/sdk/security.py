"""Security in Python: one's own API tokens, and for administrators the policy, senders and sign-in sources.

``himalia.tokens.create("ci", expires_at="2027-01-31T00:00:00Z").token`` is a secret that nobody sees
again; secrets of senders and sources are sent and never answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from himalia.sdk.decode import decode
from himalia.sdk.errors import NotFound

if TYPE_CHECKING:
    from himalia.sdk.client import Client


@dataclass
class ApiToken:
    """``token`` is there right after it was made, never again; ``permissions`` None is all of one's own."""

    id: int = 0
    name: str = ""
    prefix: str = ""
    permissions: list[str] | None = None
    reach: str = "own"
    created_at: datetime | None = None
    expires_at: datetime | None = None
    token: str | None = field(default=None, repr=False)


class Tokens:
    """``client.tokens``: one's own API tokens."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def list(self) -> Sequence[ApiToken]:
        """Those in force or expired, not the revoked ones."""
        return [decode(ApiToken, raw) for raw in self._client.http.get("/api-tokens")]

    def create(
        self,
        name: str,
        *,
        permissions: Sequence[str] | None = None,
        reach: str = "own",
        expires_at: datetime | str | None = None,
    ) -> ApiToken:
        """A new token, shown this once.

        Args:
            permissions: Names from ``client.admin.roles.permissions()``; None gives all of one's own.
            reach: ``own``; wider ones are made on the account page, after proving one's presence.
        """
        moment = expires_at.isoformat() if isinstance(expires_at, datetime) else expires_at
        told = {
            "name": name,
            "permissions": None if permissions is None else [*permissions],
            "reach": reach,
            "expires_at": moment,
        }
        return decode(ApiToken, self._client.http.request("POST", "/api-tokens", json=told, keyed=False).json())

    def revoke(self, token: ApiToken | int) -> None:
        """End one at once."""
        number = token if isinstance(token, int) else token.id
        self._client.http.request("DELETE", f"/api-tokens/{number}")


class PolicyPage:
    """``client.admin.policy``: limits of names, passwords, sign-in and sessions."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def get(self) -> dict[str, Any]:
        """All limits, with the ``version`` that a change names."""
        found: dict[str, Any] = self._client.http.get("/security-policy")
        return found

    def change(self, seen: dict[str, Any] | None = None, **limits: Any) -> dict[str, Any]:
        """Change what is given, in force at once; refused when somebody changed the policy since ``seen``."""
        seen = seen or self.get()
        body = {name: value for name, value in seen.items() if name != "version"} | limits
        answer = self._client.http.request("PUT", "/security-policy", json=body, version=seen["version"])
        changed: dict[str, Any] = answer.json()
        return changed


@dataclass
class MessageSender:
    """How messages leave on a channel; the secret is set or not, and never shown."""

    channel: str = ""
    kind: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    secret_set: bool = False
    enabled: bool = True
    version: int = 1
    updated_at: datetime | None = None


class Senders:
    """``client.admin.senders``: e-mail, SMS and WeCom."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def list(self) -> Sequence[MessageSender]:
        return [decode(MessageSender, raw) for raw in self._client.http.get("/message-senders")["items"]]

    def channels(self) -> dict[str, Sequence[str]]:
        """Channel → kinds that can send on it."""
        found: dict[str, Sequence[str]] = self._client.http.get("/message-senders")["channels"]
        return found

    def set(
        self, channel: str, kind: str, settings: dict[str, Any], *, secret: str | None = None, enabled: bool = True
    ) -> MessageSender:
        """Set a channel up, or change it; without ``secret`` the present one stays."""
        present = next((one for one in self.list() if one.channel == channel), None)
        told: dict[str, Any] = {"kind": kind, "settings": settings, "enabled": enabled}
        if secret is not None:
            told["secret"] = secret
        version = present.version if present else None
        answer = self._client.http.request("PUT", f"/message-senders/{channel}", json=told, version=version)
        return decode(MessageSender, answer.json())

    def test(self, channel: str, to: str) -> None:
        """Send a test message; fails with what the server said."""
        self._client.http.post(f"/message-senders/{channel}/test", {"to": to})

    def remove(self, channel: str) -> None:
        self._client.http.request("DELETE", f"/message-senders/{channel}")


@dataclass
class TestStep:
    """One step of trying a source."""

    __test__ = False

    name: str = ""
    passed: bool = False
    detail: str = ""


@dataclass
class TestResult:
    """``mapped`` is what the mapping makes of the claims that were sent along."""

    __test__ = False

    passed: bool = False
    steps: list[TestStep] = field(default_factory=list)
    mapped: dict[str, Any] | None = None


@dataclass
class SignInSource:
    """An external source of people: OpenID Connect, LDAP, PAM, or any installed JupyterHub authenticator."""

    name: str = ""
    title: str = ""
    kind: str = ""
    form: bool = False
    origin: str = ""
    enabled: bool = True
    settings: dict[str, Any] = field(default_factory=dict)
    secrets: list[str] = field(default_factory=list)
    mapping: dict[str, Any] = field(default_factory=dict)
    auto_provision: bool = False
    allow_private: bool = False
    case_sensitive: bool = True
    users: int = 0
    callback_url: str | None = None
    version: int = 1

    _client: Any = field(default=None, init=False, repr=False, compare=False)

    def update(self, **changes: Any) -> Self:
        """Change ``title``, ``settings``, ``secrets``, ``mapping``, ``auto_provision``, ``enabled`` …"""
        path = f"/sign-in-sources/{self.name}"
        answer = self._client.http.request("PATCH", path, json=changes, version=self.version)
        fresh = decode(SignInSource, answer.json(), self._client)
        self.__dict__.update(fresh.__dict__)
        return self

    def enable(self) -> Self:
        return self.update(enabled=True)

    def disable(self) -> Self:
        """Its users' sessions end at once."""
        return self.update(enabled=False)

    def test(self, claims: dict[str, Any] | None = None) -> TestResult:
        """Reach the source as the hub would; with ``claims`` also see what the mapping makes of them."""
        told = {} if claims is None else {"claims": claims}
        return decode(TestResult, self._client.http.post(f"/sign-in-sources/{self.name}/test", told))

    def delete(self) -> None:
        """Its users stay, and cannot sign in."""
        self._client.http.request("DELETE", f"/sign-in-sources/{self.name}")


class Sources:
    """``client.admin.sources``."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def list(self) -> Sequence[SignInSource]:
        return [decode(SignInSource, raw, self._client) for raw in self._client.http.get("/sign-in-sources")]

    def get(self, name: str) -> SignInSource:
        for found in self.list():
            if found.name == name:
                return found
        raise NotFound(f"There is no sign-in source {name!r}.")

    def kinds(self) -> Sequence[dict[str, Any]]:
        """Kinds of sources with their settings."""
        found: Sequence[dict[str, Any]] = self._client.http.get("/sign-in-sources/kinds")
        return found

    def create(self, name: str, kind: str, *, title: str | None = None, **more: Any) -> SignInSource:
        """Set a source up; ``more``: ``settings``, ``secrets``, ``mapping``, ``auto_provision`` …"""
        told = {"name": name, "title": title or name, "kind": kind, **more}
        return decode(SignInSource, self._client.http.post("/sign-in-sources", told), self._client)
