"""``python -m himalia_hub.serving.keycheck --file keys.json --port N``: may this call go through?

Traefik asks before it forwards a call to an online service (forward-auth). Everything is in memory,
fed by a file that the platform writes; no database and no platform is asked, so that inference goes
on while both restart. What the file holds is written by ``serving/keyfile.py``.

Which service a call is for is in ``X-Himalia-Service``, set by the gateway for each route, and never
read from the path: the gateway has already decided where the call goes.

An unknown service, a foreign one and a wrong key give one and the same answer (SRV-5).
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import logging
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from tornado import httputil
from tornado.httpserver import HTTPServer

SERVICE_HEADER = "X-Himalia-Service"
WATCH_SECONDS = 0.2
SCHEMA = 1
log = logging.getLogger("himalia.keycheck")

TEXTS = {
    401: {
        "en": ("Sign in first", "There is no such service, or the key is not valid for it."),
        "zh": ("请先登录", "服务不存在，或密钥对其无效。"),
    },
    429: {
        "en": ("Too many calls", "This key has used up its calls per minute."),
        "zh": ("调用过于频繁", "该密钥的每分钟调用次数已用完。"),
    },
}
HINTS = {
    "en": {401: "Send Authorization: Bearer <key of the service>.", 429: "Try again in {seconds} s."},
    "zh": {401: "请发送 Authorization: Bearer <服务密钥>。", 429: "请在 {seconds} 秒后重试。"},
}
CODES = {401: "not_authenticated", 429: "rate_limited"}


def problem(status: int, language: str, seconds: int = 0) -> bytes:
    """The problem document of a refusal, in the caller's language."""
    title, detail = TEXTS[status][language]
    document = {
        "type": f"urn:himalia:error:{CODES[status]}",
        "title": title,
        "status": status,
        "code": CODES[status],
        "detail": detail,
        "hint": HINTS[language][status].format(seconds=seconds),
    }
    return json.dumps(document, ensure_ascii=False).encode()


@dataclass(frozen=True, slots=True)
class Credential:
    """One key or token that may call one service; ``expires`` in seconds since 1970."""

    caller: str
    expires: float | None
    per_minute: int | None


@dataclass(frozen=True, slots=True)
class Service:
    tenant: str
    credentials: Mapping[str, Credential]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is answered: 200 with who is calling, 401, or 429 with the seconds to wait."""

    status: int
    tenant: str = ""
    caller: str = ""
    retry_after: float = 0.0


class Bucket:
    """A token bucket: a minute's calls at once, then as fast as they refill."""

    __slots__ = ("_at", "_level", "per_minute")

    def __init__(self, per_minute: int, now: float) -> None:
        self.per_minute = per_minute
        self._level = float(per_minute)
        self._at = now

    def take(self, now: float) -> float:
        """0.0 when the call may go on, else the seconds until one may."""
        rate = self.per_minute / 60.0
        self._level = min(float(self.per_minute), self._level + max(0.0, now - self._at) * rate)
        self._at = now
        if self._level >= 1.0:
            self._level -= 1.0
            return 0.0
        return (1.0 - self._level) / rate


def parse(raw: bytes) -> dict[str, Service]:
    """The services of a key file; raises ``ValueError``, ``KeyError`` or ``TypeError`` when damaged."""
    document = json.loads(raw)
    if document["schema"] != SCHEMA:
        raise ValueError(f"schema {document['schema']!r} is not {SCHEMA}")
    people = {name: _credentials(entries) for name, entries in document["people"].items()}
    services = {}
    for name, entry in document["services"].items():
        keys = _credentials(entry["keys"])
        services[name] = Service(str(entry["tenant"]), {**people.get(str(entry["owner"]), {}), **keys})
    return services


def _credentials(entries: Mapping[str, Mapping[str, Any]]) -> dict[str, Credential]:
    return {
        digest: Credential(str(entry["caller"]), entry.get("expires"), entry.get("per_minute"))
        for digest, entry in entries.items()
    }


class Checker:
    """Decides; holds the services and the buckets. ``clock`` gives seconds since 1970."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._services: Mapping[str, Service] = {}
        self._buckets: dict[tuple[str, str], Bucket] = {}

    def load(self, services: Mapping[str, Service]) -> None:
        """Replace what is known. Limits that stay the same keep their level."""
        self._services = services
        live = {
            (name, digest): credential.per_minute
            for name, service in services.items()
            for digest, credential in service.credentials.items()
            if credential.per_minute is not None
        }
        self._buckets = {key: bucket for key, bucket in self._buckets.items() if live.get(key) == bucket.per_minute}

    def check(self, service_name: str, authorization: str) -> Verdict:
        scheme, _, secret = authorization.partition(" ")
        # The digest is taken in every case, so that no case answers sooner than another.
        digest = hashlib.sha256(secret.strip().encode("utf-8", "replace")).hexdigest()
        service = self._services.get(service_name)
        credential = service.credentials.get(digest) if service is not None else None
        if service is None or credential is None or scheme.lower() not in ("bearer", "token"):
            return Verdict(401)
        now = self._clock()
        if credential.expires is not None and credential.expires <= now:
            return Verdict(401)
        if credential.per_minute is not None:
            key = (service_name, digest)
            bucket = self._buckets.get(key)
            if bucket is None:
                bucket = self._buckets[key] = Bucket(credential.per_minute, now)
            wait = bucket.take(now)
            if wait > 0:
                return Verdict(429, service.tenant, credential.caller, wait)
        return Verdict(200, service.tenant, credential.caller)


class KeyFile:
    """Follows the file: a rename or a write is seen within 200 ms; a damaged file changes nothing."""

    def __init__(self, path: Path, checker: Checker) -> None:
        self._path = path
        self._checker = checker
        self._seen: tuple[int, int, int] | None = None

    def refresh(self) -> bool:
        """Read the file if it is another one than last time; True when its content is in force now."""
        try:
            status = self._path.stat()
            mark = (status.st_ino, status.st_mtime_ns, status.st_size)
            if mark == self._seen:
                return False
            self._seen = mark
            self._checker.load(parse(self._path.read_bytes()))
        except FileNotFoundError:
            return False
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            log.error("%s was not read, the keys before it stay in force: %s", self._path.name, error)
            return False
        return True

    async def follow(self) -> None:
        while True:
            self.refresh()
            await asyncio.sleep(WATCH_SECONDS)


def answer(checker: Checker, request: httputil.HTTPServerRequest) -> None:
    """Write the verdict straight to the connection: a handler class would cost as much as the check."""
    headers = request.headers
    verdict = checker.check(headers.get(SERVICE_HEADER, ""), headers.get("Authorization", ""))
    body = b""
    sent = httputil.HTTPHeaders()
    if verdict.status == 200:
        sent["X-Himalia-Tenant"] = verdict.tenant
        sent["X-Himalia-Caller"] = verdict.caller
    else:
        language = "zh" if headers.get("Accept-Language", "").lower().startswith("zh") else "en"
        seconds = math.ceil(verdict.retry_after)
        body = problem(verdict.status, language, seconds)
        sent["Content-Type"] = "application/problem+json"
        if verdict.status == 401:
            sent["WWW-Authenticate"] = 'Bearer realm="himalia"'
        else:
            sent["Retry-After"] = str(seconds)
    sent["Content-Length"] = str(len(body))
    connection = request.connection
    assert connection is not None
    line = httputil.ResponseStartLine("HTTP/1.1", verdict.status, HTTPStatus(verdict.status).phrase)
    connection.write_headers(line, sent, body)
    connection.finish()


async def serve(path: Path, port: int, ready: Callable[[int], None] | None = None) -> None:
    """Listen on loopback until SIGTERM or SIGINT."""
    checker = Checker()
    file = KeyFile(path, checker)
    file.refresh()
    server = HTTPServer(lambda request: answer(checker, request), max_body_size=65536)
    server.listen(port, "127.0.0.1")
    if ready is not None:
        ready(next(iter(server._sockets.values())).getsockname()[1])
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    following = asyncio.create_task(file.follow())
    await ended.wait()
    following.cancel()
    server.stop()


def main() -> int:
    parser = argparse.ArgumentParser(prog="himalia-keycheck")
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True, help="on 127.0.0.1; 0 takes a free one")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s %(levelname)s %(message)s")

    def say(port: int) -> None:
        log.info("listening on 127.0.0.1:%d, process %d", port, os.getpid())

    asyncio.run(serve(arguments.file, arguments.port, say))
    return 0


if __name__ == "__main__":
    sys.exit(main())
