"""OpenID Connect as a sign-in source: discovery, state, nonce, PKCE, and a verified ID token.

Builds on oauthenticator's generic class, which asks the userinfo endpoint; this one also verifies
the ID token's signature, issuer, audience, times and nonce, and that userinfo speaks of the same
subject. Only asymmetric signatures are taken: with a shared secret, whoever holds the client's
secret could write tokens.
"""

from __future__ import annotations

import time
from typing import Any

import jwt
from oauthenticator.generic import GenericOAuthenticator
from tornado import web
from traitlets import Float, Unicode

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
LEEWAY_SECONDS = 60
DISCOVERY_PATH = "/.well-known/openid-configuration"


class OpenIDAuthenticator(GenericOAuthenticator):  # type: ignore[misc]
    """An OpenID Connect provider, known by its issuer."""

    issuer = Unicode(
        help="The provider's issuer, an https address; its endpoints are read from "
        "<issuer>/.well-known/openid-configuration."
    ).tag(config=True)
    discovery_seconds = Float(3600.0, help="How long what the provider says of itself is kept, in seconds.").tag(
        config=True
    )

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("scope", ["openid", "profile", "email"])
        kwargs.setdefault("username_claim", "preferred_username")
        super().__init__(**kwargs)
        self._discovered_at = 0.0
        self._document: dict[str, Any] = {}

    async def discover(self) -> dict[str, Any]:
        """The provider's document; sets the endpoints.

        Raises:
            tornado.web.HTTPError: the document is not this issuer's, or lacks an endpoint.
        """
        if self._document and time.monotonic() - self._discovered_at < self.discovery_seconds:
            return self._document
        document: dict[str, Any] = await self.httpfetch(
            self.issuer.rstrip("/") + DISCOVERY_PATH, label="Reading the provider's configuration...", method="GET"
        )
        if str(document.get("issuer", "")).rstrip("/") != self.issuer.rstrip("/"):
            raise web.HTTPError(502, "the provider's configuration names another issuer")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            if not isinstance(document.get(name), str):
                raise web.HTTPError(502, f"the provider's configuration has no {name}")
        self.authorize_url = document["authorization_endpoint"]
        self.token_url = document["token_endpoint"]
        self.userdata_url = str(document.get("userinfo_endpoint") or "")
        self._document, self._discovered_at = document, time.monotonic()
        return document

    async def authenticate(self, handler: Any, data: Any = None, **kwargs: Any) -> dict[str, Any] | None:
        """The usual exchange, then the ID token against the nonce of this browser's attempt."""
        await self.discover()
        params = self.build_access_tokens_request_params(handler, data)
        token_info = await self.get_token_info(handler, params)
        claims = await self.verified_claims(token_info, nonce=handler.source_nonce())
        if self.userdata_url:
            told = await self.token_to_user(token_info)
            if told.get("sub") != claims["sub"]:
                raise web.HTTPError(403, "the provider's user information is about somebody else")
            claims = {**told, **claims}
        name = self.user_info_to_username(claims)
        model: dict[str, Any] = {
            "name": self.normalize_username(name),
            "admin": None,
            "auth_state": {self.user_auth_state_key: claims},
        }
        return await self.update_auth_model(model)  # type: ignore[no-any-return]

    async def verified_claims(self, token_info: dict[str, Any], *, nonce: str) -> dict[str, Any]:
        """The ID token's claims, or a 403 that says which check failed."""
        token = token_info.get("id_token")
        if not isinstance(token, str):
            raise web.HTTPError(403, "the provider sent no ID token")
        document = await self.discover()
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") not in ALGORITHMS:
                raise web.HTTPError(403, f"the ID token is signed with {header.get('alg')!r}, which is not taken")
            key = await self._key(document["jwks_uri"], header.get("kid"))
            claims: dict[str, Any] = jwt.decode(
                token,
                key=key,
                algorithms=[header["alg"]],
                audience=self.client_id,
                issuer=document["issuer"],
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iat", "iss", "sub", "aud"]},
            )
        except jwt.PyJWTError as error:
            raise web.HTTPError(403, f"the ID token is not valid: {error}") from error
        audience = claims["aud"]
        if isinstance(audience, list) and len(audience) > 1 and claims.get("azp") != self.client_id:
            raise web.HTTPError(403, "the ID token was made for another client")
        if not nonce or claims.get("nonce") != nonce:
            raise web.HTTPError(403, "the ID token belongs to another sign-in")
        return claims

    async def _key(self, url: str, key_id: str | None) -> Any:
        keys = jwt.PyJWKSet.from_dict(
            await self.httpfetch(url, label="Reading the provider's keys...", method="GET")
        ).keys
        for key in keys:
            if key_id is None or key.key_id == key_id:
                return key
        raise web.HTTPError(403, "the ID token is signed with a key that the provider does not list")
