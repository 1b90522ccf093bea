"""Attack probes: each tries one class of REL-5 on a client and answers whether it got through.

A probe knows nothing of who answers, so the same probe runs against the platform, where it must
not hit, and against a deliberately broken stub, where it must.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from typing import Any

import httpx
from pydantic import BaseModel

Probe = Callable[..., bool]
FORGED_FIELDS: dict[str, Any] = {
    "id": 1,
    "owner_id": 1,
    "tenant_id": 1,
    "user_id": 1,
    "enabled": True,
    "epoch": 99,
    "is_admin": True,
    "version": 77,
}
EVIL_TARGETS = (
    "https://evil.example/",
    "//evil.example/",
    "///evil.example/",
    "/\\evil.example/",
    "\\\\evil.example",
    "/hub/\\evil.example",
    "javascript:alert(1)",
    "https:evil.example",
    "/\t/evil.example",
    "/hub/..//evil.example",
    " https://evil.example",
)


def forged_by_another_site(client: httpx.Client, secret: str) -> bool:
    """XSRF: a form of another site sends what the browser adds by itself, cookies, and nothing else."""
    headers = {
        "Cookie": f"jupyterhub-session-id=x; jupyterhub-user-u=x; token={secret}; Authorization=Bearer {secret}",
        "Origin": "https://evil.example",
        "Content-Type": "text/plain",
    }
    answer = client.post("/label-groups", content=b'{"name": "forged", "labels": [{"name": "a"}]}', headers=headers)
    return answer.status_code < 400


def tossed_cookie(client: httpx.Client, mine: str) -> bool:
    """Cookie tossing: a neighbouring host plants the attacker's cookies; they must not change who acts."""
    planted = {"Cookie": f"himalia-step-up={mine}; himalia-token={mine}; token={mine}"}
    answer = client.get("/me", headers=planted)
    return answer.status_code < 400 and bool(answer.json().get("step_up"))


def token_in_the_address(client: httpx.Client, secret: str) -> bool:
    """A secret that works from the address ends in histories, logs and referrers."""
    names = ("token", "access_token", "api_key", "authorization")
    return any(client.get("/me", params={name: secret}).status_code < 400 for name in names)


def secret_in_the_log(act: Callable[[], None], secrets: list[str]) -> bool:
    """Whatever is logged while acting, at any level, holds none of the secrets."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    # Clients of these tests log for themselves; what counts is what the platform writes.
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        act()
    finally:
        root.setLevel(level)
        root.removeHandler(handler)
    return any(secret in stream.getvalue() for secret in secrets)


def open_redirect(target_of: Callable[[str], str]) -> bool:
    """Whether any evil target is followed as a browser would read it."""
    for evil in EVIL_TARGETS:
        target = target_of(evil)
        read = target.replace("\\", "/").replace("\t", "").replace("\n", "").strip()
        if read and (not read.startswith("/") or read.startswith("//")):
            return True
    return False


def takes_unknown_fields(model: type[BaseModel]) -> bool:
    """Mass assignment: a body that swallows what it does not declare may one day assign it."""
    declared = set(model.model_fields)
    return any(name not in declared for name in FORGED_FIELDS) and model.model_config.get("extra") != "forbid"


def assigns_what_was_not_offered(client: httpx.Client, path: str, body: dict[str, Any], field: str) -> bool:
    answer = client.post(path, json={**body, field: FORGED_FIELDS[field]})
    return answer.status_code < 400


def answers_anothers_key(first: httpx.Client, second: httpx.Client, key: str) -> bool:
    """Idempotency keys are a person's own: another organisation's same key never shows the first's answer."""
    body = {"name": "by key", "permissions": {"data.dataset.read": "own"}}
    one = first.post("/roles", json=body, headers={"Idempotency-Key": key})
    two = second.post("/roles", json=body, headers={"Idempotency-Key": key})
    replayed = two.headers.get("Idempotency-Replayed") == "true"
    return replayed or (one.status_code < 400 and two.status_code < 400 and one.json()["id"] == two.json()["id"])


def confuses_names(client: httpx.Client, secret: str, name: str) -> list[str]:
    """Names that look like, fold to or begin like somebody's are nobody's; answers those that got in."""
    near = (
        name[:-1],
        name + "1",
        name + "\u200b",
        "\uff41" + name[1:],
        "\u0430" + name[1:],
        name + " ",
        name + "%",
        "",
    )
    return [wrong for wrong in near if client.get("/me", auth=(wrong, secret)).status_code < 400]


def link_works_twice(use: Callable[[], httpx.Response]) -> bool:
    """Session fixation: a link somebody else has seen or sent must not open a second session."""
    return use().status_code < 400 and use().status_code < 400


def guesses_go_on(guess: Callable[[str], httpx.Response], right: str, tries: int = 12) -> bool:
    """Brute force: after a row of wrong guesses even the right password waits."""
    for number in range(tries):
        guess(f"Wrong guess {number}")
    return guess(right).status_code < 400
