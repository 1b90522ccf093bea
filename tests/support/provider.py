"""A real OpenID Connect provider (oidc-provider-mock, on Authlib), made stricter and observable.

In front of the provider stands what it does not check itself: the PKCE verifier must fit the
challenge of the same code. ``tamper`` changes what the token endpoint answers, to prove that a
manipulated answer is refused.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import threading
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import oidc_provider_mock
import oidc_provider_mock._storage
import werkzeug.serving
from oidc_provider_mock import User


class Provider:
    """The provider on a free port; ``asked`` holds the authorisation requests it got."""

    def __init__(self) -> None:
        self.application = oidc_provider_mock.app(require_nonce=True)
        self.asked: list[dict[str, str]] = []
        self.exchanged: list[dict[str, str]] = []
        self.tamper: Callable[[dict[str, Any]], dict[str, Any]] | None = None
        self._challenges: dict[str, str] = {}
        self.server = werkzeug.serving.make_server("127.0.0.1", 0, self, threaded=True)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def person(self, subject: str, **claims: Any) -> None:
        """Make or change a person of the provider."""
        client = self.application.test_client()
        answer = client.put(f"/users/{subject}", json=claims)
        assert answer.status_code < 300, answer.get_data(as_text=True)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/oauth2/authorize":
            return self._authorize(environ, start_response)
        if path == "/oauth2/token":
            return self._token(environ, start_response)
        return self.application.wsgi_app(environ, start_response)

    def _authorize(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        query = {name: values[0] for name, values in parse_qs(environ["QUERY_STRING"]).items()}
        if environ["REQUEST_METHOD"] == "GET":
            self.asked.append(query)

        def started(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            place = dict(headers).get("Location", "")
            code = parse_qs(urlsplit(place).query).get("code")
            if code:
                self._challenges[code[0]] = query.get("code_challenge", "")
            return start_response(status, headers, *rest)

        return self.application.wsgi_app(environ, started)

    def _token(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        raw = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        form = {name: values[0] for name, values in parse_qs(raw.decode()).items()}
        self.exchanged.append(form)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if self._challenges.get(form.get("code", "")) != base64.urlsafe_b64encode(digest).decode().rstrip("="):
            start_response("400 Bad Request", [("Content-Type", "application/json")])
            return [b'{"error": "invalid_grant"}']
        environ["wsgi.input"] = io.BytesIO(raw)
        kept: list[Any] = []
        body = b"".join(self.application.wsgi_app(environ, lambda *given: kept.extend(given[:2])))
        if self.tamper is not None and kept[0].startswith("200"):
            body = json.dumps(self.tamper(json.loads(body))).encode()
            kept[1] = [(name, value) for name, value in kept[1] if name.lower() != "content-length"]
        start_response(kept[0], kept[1])
        return [body]

    def sign(self, claims: dict[str, Any]) -> str:
        """An ID token with the provider's own key and these claims."""
        with self.application.test_request_context("/"):
            self.application.preprocess_request()
            key = oidc_provider_mock._storage.storage.jwk
        private = key.as_dict(is_private=True)
        headers = {"kid": private["kid"]} if private.get("kid") else None
        return jwt.encode(claims, jwt.PyJWK.from_dict({**private, "alg": "RS256"}).key, "RS256", headers)

    def settings(self, client_id: str = "himalia") -> dict[str, Any]:
        return {"issuer": self.issuer, "client_id": client_id}

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)


__all__ = ["Provider", "User"]
