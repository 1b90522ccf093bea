"""Every field of the policy, senders, passwords and contacts, a value on each side of its limit.

TEN-13, TEN-16, TEN-18, TEN-19, TEN-20. How a refusal has to look: ``tests/support/bad_input.py``.
"""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from himalia_hub.core.security_policy import SecurityPolicy
from tests.api.identity.people import PASSWORD, give_password, new_link
from tests.support.bad_input import Field, Wrong, check, placed, state
from tests.support.service import World

PAIRED = {
    "user_name_minimum": {"user_name_maximum": 64},
    "user_name_maximum": {"user_name_minimum": 1},
    "password_minimum": {"password_maximum": 128},
    "password_maximum": {"password_minimum": 6},
}
"""What has to move along so that a field can reach its own limits."""
SMTP = {"kind": "smtp", "settings": {"host": "mail.example.org", "sender_address": "platform@example.org"}}
HOOK = {"kind": "webhook", "settings": {"url": "https://example.org/hook"}}


def policy(name: str) -> Any:
    def send(client: httpx.Client, value: Any, _: int) -> httpx.Response:
        present = client.get("/security-policy").json()
        version = present.pop("version")
        body = SecurityPolicy().model_dump() | PAIRED.get(name, {}) | {name: value}
        return client.put("/security-policy", json=body, headers={"If-Match": f'"{version}"'})

    return send


def sender(channel: str, body: dict[str, Any], field: str) -> Any:
    def send(client: httpx.Client, value: Any, _: int) -> httpx.Response:
        rows = client.get("/message-senders").json()["items"]
        versions = [row["version"] for row in rows if row["channel"] == channel]
        headers = {"If-Match": f'"{versions[0]}"'} if versions else {}
        return client.put(f"/message-senders/{channel}", json=placed(body, field, value), headers=headers)

    return send


def bounds() -> list[Field]:
    found = []
    for name, field in SecurityPolicy.model_fields.items():
        if field.annotation is bool:
            found.append(Field(name, policy(name), [True, False], ["perhaps", 2], of="policy"))
        if field.annotation is not int:
            continue
        low, high = (next(getattr(m, side) for m in field.metadata if hasattr(m, side)) for side in ("ge", "le"))
        found.append(Field(name, policy(name), [low, high], [low - 1, high + 1, 1.5, "many"], of="policy"))
    return found


POLICY = [
    *bounds(),
    Field("weak_words", policy("weak_words"), [[], ["abc", "w" * 64]], [Wrong(["w"] * 10_001, "")], of="policy"),
    Field("weak_words[0]", policy("weak_words"), [], [Wrong(["ab"], "ab"), Wrong(["w" * 65], "w" * 20)], of="policy"),
    Field("colour", policy("colour"), [], ["red"], of="policy"),
]
SENDERS = [
    Field("kind", sender("email", SMTP, "kind"), ["smtp"], ["pigeon"], of="email"),
    Field("kind", sender("sms", SMTP, "kind"), [], ["smtp"], of="sms"),
    Field("settings.host", sender("email", SMTP, "settings.host"), ["h", "h" * 255], ["", "h" * 256], of="email"),
    Field("settings.port", sender("email", SMTP, "settings.port"), [1, 65535], [0, 65536, "smtp"], of="email"),
    Field("settings.security", sender("email", SMTP, "settings.security"), ["tls", "none"], ["some"], of="email"),
    Field("settings.user", sender("email", SMTP, "settings.user"), ["", "u" * 320], ["u" * 321], of="email"),
    Field(
        "settings.sender_address",
        sender("email", SMTP, "settings.sender_address"),
        ["a@b"],
        ["a", "@b", "a@", "a b@c", "a@b\r\nBcc: c@d", "A <a@b>"],
        of="email",
    ),
    Field(
        "settings.sender_name",
        sender("email", SMTP, "settings.sender_name"),
        ["", "n" * 64],
        ["n" * 65, "a\r\nBcc: b"],
        of="email",
    ),
    Field("settings.colour", sender("email", SMTP, "settings.colour"), [], ["red"], of="email"),
    Field("secret", sender("email", SMTP, "secret"), ["s" * 1024, ""], ["s3cret " * 147], secret=True, of="email"),
    Field("enabled", sender("email", SMTP, "enabled"), [False, True], ["perhaps"], of="email"),
    Field(
        "settings.url",
        sender("sms", HOOK, "settings.url"),
        ["https://example.org/x", "http://example.org"],
        ["ftp://example.org", "example.org", "https://", "https://a b", "https://" + "x" * 1020],
        of="sms",
    ),
    Field("settings.template", sender("sms", HOOK, "settings.template"), ["{code}"], ["t" * 501], of="sms"),
    Field(
        "to",
        lambda client, value, _: client.post("/message-senders/wecom/test", json={"to": value}),
        [],
        ["a", "t" * 321, "a b c"],
        of="test",
    ),
]


@pytest.fixture(scope="module")
def world(shared_world: World) -> World:
    for person in (shared_world.alpha.member, shared_world.alpha.colleague):
        give_password(shared_world.live, person)
    return shared_world


@pytest.mark.parametrize("field", [*POLICY, *SENDERS], ids=str)
def test_both_sides_of_every_limit(world: World, field: Field) -> None:
    changed = Field(field.name, field.send, field.inside, field.outside, "administrator", field.secret, field.of)
    try:
        check(world, changed)
    finally:
        with world.alpha.administrator.client(step_up=True) as client:
            assert policy("captcha_after_failure")(client, True, 0).status_code == 200  # all others as they began
            for row in client.get("/message-senders").json()["items"]:
                client.delete(f"/message-senders/{row['channel']}")


def test_a_minimum_above_its_maximum_is_refused(world: World) -> None:
    with world.alpha.administrator.client(step_up=True) as client:
        for name in ("user_name", "password"):
            version = client.get("/security-policy").json()["version"]
            body = SecurityPolicy().model_dump() | {f"{name}_minimum": 33, f"{name}_maximum": 32}
            refused = client.put("/security-policy", json=body, headers={"If-Match": f'"{version}"'})
            assert refused.status_code == 422
            found = refused.json()
            assert (found["field"], found["value"]) == (f"{name}_minimum", 33) and "32" in found["rule"]


PASSWORDS = [
    pytest.param("Tea 42x", "length", "8-32", id="7"),
    pytest.param("Tea 42" + "x" * 27, "length", "8-32", id="33"),
    pytest.param("Teatime42", "special", "special", id="no-special"),
    pytest.param("tea time now", "kinds", "two of", id="one-kind"),
    pytest.param("4711 0815!", "kinds", "two of", id="digits"),
    pytest.param("P@ssw0rd", "weak", "common", id="weak"),
    pytest.param("AlphaMember", "not_name", "user name", id="the-user-name"),
    pytest.param("rebmemahpla", "not_name", "backwards", id="the-user-name-backwards"),
    pytest.param(PASSWORD, "differs", "2 positions", id="the-present-one"),
    pytest.param(PASSWORD[:-1] + "3", "differs", "2 positions", id="one-position"),
]


@pytest.mark.parametrize(("password", "code", "rule"), PASSWORDS)
def test_ten_13_a_password_is_refused_by_rule_and_never_repeated(
    world: World, password: str, code: str, rule: str
) -> None:
    """In both languages; the present one stays in force, and the session too."""
    before = state(world.live)
    body = {"hub_user": world.alpha.member.hub_name, "old_password": PASSWORD, "password": password}
    for language in ("en", "zh-CN"):
        with world.live.internal() as hub:
            refused = hub.post("/password", json=body, headers={"Accept-Language": language})
        assert refused.status_code == 422, refused.text
        found = refused.json()
        assert found["field"] == "password" and code in found["details"]["broken"] and rule in found["rule"]
        assert found["detail"].startswith("password") and found["value"] is None
        assert password not in refused.text
        assert any("\u4e00" <= letter <= "\u9fff" for letter in found["detail"]) == (language != "en")
    assert state(world.live) == before


def test_a_refused_password_does_not_use_a_link_up(world: World) -> None:
    token = new_link(world.live, world.alpha.outsider.name)
    body = {"token": token, "password": "short", "accept_privacy": True}
    with world.live.internal() as hub:
        assert hub.post("/sign-in/link", json=body).json()["field"] == "password"
        assert hub.post("/sign-in/link", json={**body, "password": "Tea time 42!"}).status_code == 200


@pytest.mark.parametrize(
    ("channel", "right", "wrong"),
    [
        ("email", "lee@example.org", ["lee", "@example.org", "lee@", "a b@c", "a@b,c@d", "x" * 65 + "@b"]),
        ("sms", "+86 138-0000-1234", ["12345", "1" * 16, "phone", "+", "138+00001234"]),
        ("wecom", "Lee.Wu-1", ["w" * 65, "李", "a b"]),
    ],
)
def test_ten_16_contacts(world: World, channel: str, right: str, wrong: list[str]) -> None:
    """E-mail addresses, phone numbers and WeCom names: refused by rule before anything is sent."""
    body = {"hub_user": world.alpha.colleague.hub_name, "channel": channel, "password": PASSWORD}
    before = state(world.live)
    with world.live.internal() as hub:
        for to in wrong:
            for language in ("en", "zh-CN"):
                refused = hub.post("/account/contact", json={**body, "to": to}, headers={"Accept-Language": language})
                found = refused.json()
                assert (refused.status_code, found["field"], found["value"]) == (422, "to", to), (to, refused.text)
                assert to in found["detail"] and found["rule"]
        # The control: a right one gets as far as the sender, which this installation has not.
        taken = hub.post("/account/contact", json={**body, "to": right})
        assert taken.json()["code"] == "no_sender", taken.text
    assert state(world.live) == before
