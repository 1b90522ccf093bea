"""Steps of signing in, second factor, recovery, senders, proofs of presence (TEN-14, TEN-16, TEN-17, TEN-19)."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from himalia_hub.audit.tables import AuditEntry
from himalia_hub.core import clock as platform_clock
from himalia_hub.identity import factors
from himalia_hub.identity.tables import MessageSender, RecoveryCode, SecondFactor
from himalia_hub.tenancy.tables import User
from tests.api.identity.people import PASSWORD, Clock, give_password, moving_clock, new_link, read_captcha, try_password
from tests.support.mailbox import Mailbox
from tests.support.service import Person, World

NEXT = "Cake and 77 more"


@pytest.fixture
def clock() -> Iterator[Clock]:
    with moving_clock() as made:
        yield made


@pytest.fixture
def mailbox(world: World) -> Iterator[Mailbox]:
    box = Mailbox()
    client = world.alpha.administrator.client(step_up=True)
    made = client.put("/message-senders/email", json={"kind": "smtp", "settings": box.settings()})
    assert made.status_code == 200, made.text
    yield box
    box.close()


def hub(world: World, path: str, **body: Any) -> Any:
    answer = world.live.internal().post(path, json=body)
    assert answer.status_code in (200, 201, 204), answer.text
    return answer.json() if answer.content else None


def refused(world: World, path: str, **body: Any) -> Any:
    answer = world.live.internal().post(path, json=body)
    assert answer.status_code >= 400, answer.text
    return answer.json()


def change(world: World, person: Person, **values: Any) -> None:
    world.live.write(lambda session: session.execute(sa.update(User).where(User.id == person.user_id).values(**values)))


def app_code(secret: str) -> str:
    key = base64.b32decode(secret.replace(" ", ""))
    return factors.totp_at(key, platform_clock.now().timestamp())


def set_up_app(world: World, person: Person) -> tuple[str, list[str]]:
    """An authenticator app in force; answers its secret and the recovery codes."""
    begun = hub(world, "/account/factors/begin", hub_user=person.hub_name, method="totp", password=PASSWORD)
    assert begun["qr"].startswith("data:image/svg+xml;base64,")
    done = hub(
        world, "/account/factors/confirm", hub_user=person.hub_name, method="totp", code=app_code(begun["secret"])
    )
    return begun["secret"], done["recovery_codes"]


def test_the_privacy_statement_is_accepted_once_and_recorded(world: World) -> None:
    """TEN-14."""
    member = world.alpha.member
    first = hub(world, "/sign-in/link", token=new_link(world.live, member.name), password=PASSWORD)["pending"]
    assert (first["step"], first["steps"]) == ("privacy", ["privacy"])
    again = hub(world, "/sign-in/continue", token=first["token"])
    assert again["pending"]["step"] == "privacy"  # looking is not accepting
    assert "hub_user" in hub(world, "/sign-in/continue", token=first["token"], accept_privacy=True)
    assert refused(world, "/sign-in/continue", token=first["token"], accept_privacy=True)["code"] == "challenge_over"
    assert "hub_user" in try_password(world.live, member.name).json()


def test_an_initial_password_is_changed_first(world: World) -> None:
    """TEN-13, TEN-14: nothing but the change is possible, and the old and earlier ones do not do."""
    member = world.alpha.member
    give_password(world.live, member)
    change(world, member, must_change_password=True)
    owed = try_password(world.live, member.name).json()["pending"]
    assert owed["step"] == "password"
    assert [rule["code"] for rule in owed["password_rules"]][-2:] == ["differs", "history"]

    def send(password: str, old: str = PASSWORD) -> Any:
        body = {"token": owed["token"], "old_password": old, "password": password}
        return world.live.internal().post("/sign-in/continue", json=body).json()

    assert send(NEXT, old="no")["code"] == "wrong_password"
    assert send(PASSWORD + "!")["details"]["broken"] == ["differs"]
    assert send("short")["field"] == "password"
    assert send(NEXT)["password_set"] is True
    assert try_password(world.live, member.name).json()["code"] == "wrong_password"
    assert "hub_user" in try_password(world.live, member.name, NEXT).json()
    back = {"hub_user": member.hub_name, "old_password": NEXT, "password": PASSWORD}
    assert refused(world, "/password", **back)["details"]["broken"] == ["history"]


def test_a_password_may_expire_and_is_announced(world: World, clock: Clock) -> None:
    """TEN-13."""
    member = world.alpha.member
    give_password(world.live, member)
    client = world.alpha.administrator.client(step_up=True)
    policy = client.get("/security-policy").json()
    body = {**policy, "password_expires_days": 30}
    version = body.pop("version")
    assert client.put("/security-policy", json=body, headers={"If-Match": f'"{version}"'}).status_code == 200
    assert try_password(world.live, member.name).json()["password_warning"] is None
    clock.forward(days=24)
    assert try_password(world.live, member.name).json()["password_warning"] is not None
    clock.forward(days=6)
    assert try_password(world.live, member.name).json()["pending"]["step"] == "password"


def test_an_app_is_asked_for_and_no_code_works_twice(world: World, clock: Clock) -> None:
    """TEN-16, SEC-4."""
    member = world.alpha.member
    give_password(world.live, member)
    secret, codes = set_up_app(world, member)
    assert len(set(codes)) == 10
    with world.live.platform.db.engine.connect() as db:
        stored = str(db.execute(sa.select(SecondFactor.__table__)).all()) + str(
            db.execute(sa.select(RecoveryCode.__table__)).all()
        )
    assert secret.replace(" ", "") not in stored and not any(code in stored for code in codes)
    owed = try_password(world.live, member.name).json()["pending"]
    assert owed["step"] == "second_factor"
    assert [row["method"] for row in owed["methods"]] == ["totp"]
    used = {"token": owed["token"], "method": "totp", "code": app_code(secret)}
    assert refused(world, "/sign-in/continue", **used)["code"] == "wrong_code"  # it set the app up
    clock.forward(seconds=30)
    fresh = {**used, "code": app_code(secret)}
    assert hub(world, "/sign-in/continue", **fresh)["hub_user"] == member.hub_name
    again = try_password(world.live, member.name).json()["pending"]
    assert refused(world, "/sign-in/continue", **{**fresh, "token": again["token"]})["code"] == "wrong_code"


def test_codes_are_guessed_three_times_and_a_recovery_code_works_once(world: World, clock: Clock) -> None:
    """TEN-15, TEN-16."""
    member = world.alpha.member
    give_password(world.live, member)
    _, codes = set_up_app(world, member)
    token = try_password(world.live, member.name).json()["pending"]["token"]
    body = {"token": token, "method": "totp", "code": "000000", "address": "192.0.2.1"}
    answers = [refused(world, "/sign-in/continue", **body)["code"] for _ in range(4)]
    assert answers == ["wrong_code"] * 3 + ["locked"]
    clock.forward(minutes=6)
    recovery = {"method": "recovery", "code": codes[0].upper(), "address": "192.0.2.1"}
    assert "hub_user" in hub(world, "/sign-in/continue", **recovery, token=token)
    token = try_password(world.live, member.name).json()["pending"]["token"]
    assert refused(world, "/sign-in/continue", **recovery, token=token)["code"] == "wrong_code"


def test_a_changed_password_ends_a_challenge(world: World) -> None:
    member = world.alpha.member
    give_password(world.live, member)
    set_up_app(world, member)
    token = try_password(world.live, member.name).json()["pending"]["token"]
    hub(world, "/password", hub_user=member.hub_name, old_password=PASSWORD, password=NEXT)
    assert refused(world, "/sign-in/look", token=token)["code"] == "challenge_over"


def test_a_link_does_not_go_round_the_second_factor(world: World) -> None:
    """TEN-19."""
    member = world.alpha.member
    give_password(world.live, member)
    set_up_app(world, member)
    answer = hub(world, "/sign-in/link", token=new_link(world.live, member.name), password=NEXT)
    assert answer["pending"]["step"] == "second_factor"


def confirm_email(world: World, mailbox: Mailbox, person: Person, to: str) -> None:
    begun = hub(world, "/account/contact", hub_user=person.hub_name, channel="email", to=to, password=PASSWORD)
    assert begun["sent_to"] == to[0] + "•••@" + to.partition("@")[2]
    hub(world, "/account/contact/confirm", hub_user=person.hub_name, channel="email", code=mailbox.code(to))


def test_codes_by_mail_are_a_second_factor(world: World, mailbox: Mailbox, clock: Clock) -> None:
    """TEN-16: through a real mail server."""
    member = world.alpha.member
    give_password(world.live, member)
    confirm_email(world, mailbox, member, "lee@example.org")
    hub(world, "/account/factors/begin", hub_user=member.hub_name, method="email", password=PASSWORD)
    code = mailbox.code("lee@example.org")
    done = hub(world, "/account/factors/confirm", hub_user=member.hub_name, method="email", code=code)
    assert len(done["recovery_codes"]) == 10
    owed = try_password(world.live, member.name).json()["pending"]
    assert owed["methods"] == [{"method": "email", "address": "l•••@example.org"}]
    assert refused(world, "/sign-in/send-code", token=owed["token"], method="email")["code"] == "too_soon"
    clock.forward(seconds=61)
    hub(world, "/sign-in/send-code", token=owed["token"], method="email")
    code = mailbox.code("lee@example.org")
    clock.forward(seconds=301)
    late = {"token": owed["token"], "method": "email", "code": code}
    assert refused(world, "/sign-in/continue", **late)["code"] == "wrong_code"
    hub(world, "/sign-in/send-code", token=owed["token"], method="email")
    body = {**late, "code": mailbox.code("lee@example.org")}
    assert hub(world, "/sign-in/continue", **body)["hub_user"] == member.hub_name


def ask_for_link(world: World, name: str, address: str = "192.0.2.1") -> Any:
    shown = hub(world, "/sign-in/captcha", name=name, address=address, force=True)["captcha"]
    answer = {"id": shown["id"], "letters": read_captcha(world.live, shown["id"])}
    return hub(world, "/sign-in/forgotten", name=name, address=address, captcha=answer)


def test_a_forgotten_password_comes_back_by_mail_once_within_fifteen_minutes(
    world: World, mailbox: Mailbox, clock: Clock
) -> None:
    """TEN-19."""
    member = world.alpha.member
    identity = give_password(world.live, member)
    confirm_email(world, mailbox, member, "lee@example.org")
    assert refused(world, "/sign-in/forgotten", name=member.name)["code"] == "captcha_needed"
    assert ask_for_link(world, "nobodyhere") == ask_for_link(world, member.name, "192.0.2.2") == {"sent": True}
    link = re.search(r"token=(\S+)", mailbox.next("lee@example.org"))
    assert link is not None
    clock.forward(minutes=16)
    assert refused(world, "/sign-in/link", token=link[1], password=NEXT)["code"] == "link_expired"
    ask_for_link(world, member.name, "192.0.2.3")
    link = re.search(r"token=(\S+)", mailbox.next("lee@example.org"))
    assert link is not None
    assert hub(world, "/sign-in/link", token=link[1], password=NEXT)["hub_user"] == member.hub_name
    assert refused(world, "/sign-in/link", token=link[1], password=PASSWORD)["code"] == "link_expired"
    asked = {"hub_user": member.hub_name, "session_epoch": identity["session_epoch"]}
    assert hub(world, "/sign-in/refresh", **asked)["valid"] is False  # other sessions ended
    with world.live.platform.db.engine.connect() as db:
        actions = set(db.execute(sa.select(AuditEntry.action)).scalars())
    assert {"password.forgotten", "password.reset", "contact.confirm", "code.send"} <= actions


def test_senders_are_kept_sealed_tested_and_taken_away(world: World, mailbox: Mailbox) -> None:
    """TEN-16, SEC-4."""
    client = world.alpha.administrator.client(step_up=True)
    secret = "mail password of the platform"
    body = {"kind": "smtp", "settings": mailbox.settings(), "secret": secret}
    assert client.put("/message-senders/email", json=body).status_code == 412  # somebody set it up already
    changed = client.put("/message-senders/email", json=body, headers={"If-Match": '"1"'})
    assert changed.json()["secret_set"] is True and secret not in changed.text
    with world.live.platform.db.engine.connect() as db:
        assert secret not in str(db.execute(sa.select(MessageSender.__table__)).all())
        assert secret not in str(db.execute(sa.select(AuditEntry.__table__)).all())
    assert client.post("/message-senders/email/test", json={"to": "me@example.org"}).json() == {"sent": True}
    assert "works" in mailbox.next("me@example.org")
    mailbox.close()
    failed = client.post("/message-senders/email/test", json={"to": "me@example.org"}).json()
    assert failed["code"] == "sending_failed" and f":{mailbox.port}" in failed["detail"]
    assert client.delete("/message-senders/email").status_code == 204
    assert client.post("/message-senders/email/test", json={"to": "me@example.org"}).json()["code"] == "no_sender"
    mailbox.__init__()  # type: ignore[misc]  # the fixture closes it again


def test_a_webhook_goes_to_no_private_address_unless_allowed(world: World) -> None:
    """SEC-3."""
    client = world.alpha.administrator.client(step_up=True)
    settings = {"url": "http://127.0.0.1:9/hook"}
    assert client.put("/message-senders/sms", json={"kind": "webhook", "settings": settings}).status_code == 200
    refusal = client.post("/message-senders/sms/test", json={"to": "+8613800001234"}).json()
    assert (refusal["code"], refusal["field"]) == ("invalid_input", "url")
    allowed = {"kind": "webhook", "settings": {**settings, "allow_private_address": True}}
    client.put("/message-senders/sms", json=allowed, headers={"If-Match": '"1"'})
    assert client.post("/message-senders/sms/test", json={"to": "+8613800001234"}).json()["code"] == "sending_failed"


def test_the_step_up_takes_the_second_factor_and_ends_without_input(world: World, clock: Clock) -> None:
    """TEN-17."""
    admin = world.alpha.tenant_admin
    give_password(world.live, admin)
    secret, _ = set_up_app(world, admin)
    clock.forward(seconds=30)
    body = {"hub_user": admin.hub_name, "session": "s1", "method": "totp"}
    assert refused(world, "/step-up", **body, code="000000")["code"] == "wrong_code"
    grant = hub(world, "/step-up", **body, code=app_code(secret))["grant"]
    client = admin.client(**{"Himalia-Step-Up": grant})
    assert client.get("/me").json()["step_up"]
    clock.forward(minutes=9, seconds=59)
    assert client.get("/me").json()["step_up"]
    clock.forward(seconds=2)
    assert client.get("/me").json()["step_up"] is None  # reading, as polling does, did not keep it alive


def test_no_cell_of_an_administrators_notebook_gets_at_the_step_up(world: World) -> None:
    """TEN-17: what a cell holds is the notebook's token; the control is the panel with the grant."""
    admin = world.alpha.administrator
    cell = admin.client()
    assert admin.client(step_up=True).get("/security-policy").status_code == 200
    give_password(world.live, admin)
    assert cell.get("/security-policy").json()["code"] == "step_up_required"
    for address in ("/step-up", "/sign-in/password", "/account/tokens"):
        body = {"hub_user": admin.hub_name, "session": "tests", "password": PASSWORD}
        for base in ("/services/himalia/internal/v1", "/services/himalia/api/v1"):
            answer = cell.post(f"{world.live.base_url}{base}{address}", json=body)
            assert answer.status_code == 404, answer.text
    wide = cell.post("/api-tokens", json={"name": "wide", "reach": "platform"})
    assert wide.json()["code"] == "step_up_required"
    own = cell.post("/api-tokens", json={"name": "own"}).json()["token"]
    assert world.live.client(own).get("/security-policy").status_code == 403
    forged = admin.client(**{"Himalia-Step-Up": world.beta.administrator.step_up_grant})
    assert forged.get("/security-policy").json()["code"] == "step_up_required"


def test_a_tokens_secret_is_never_kept_for_a_replay(world: World) -> None:
    """TEN-18, GEN-6."""
    client = world.alpha.member.client()
    answer = client.post("/api-tokens", json={"name": "ci"}, headers={"Idempotency-Key": "once"})
    assert (answer.status_code, answer.json()["field"]) == (422, "Idempotency-Key")
    assert "ci" not in {row["name"] for row in client.get("/api-tokens").json()}


def test_a_wide_token_of_the_account_page_needs_the_password(world: World) -> None:
    """TEN-17, TEN-18."""
    admin = world.alpha.tenant_admin
    give_password(world.live, admin)
    body = {"hub_user": admin.hub_name, "name": "wide", "reach": "organisation"}
    assert refused(world, "/account/tokens", **body)["code"] == "wrong_password"
    made = hub(world, "/account/tokens", **body, password=PASSWORD)
    assert made["reach"] == "organisation"
    assert world.live.client(made["token"]).get("/me").json()["permissions"]["data.dataset.read"] == "organisation"
    hub(world, "/account/tokens/revoke", hub_user=admin.hub_name, token=made["id"])
    assert world.live.client(made["token"]).get("/me").status_code == 401
