"""TEN-9, TEN-11, TEN-16: who decides where recovery links and codes go could sign in as anybody."""

from __future__ import annotations

import pytest

from himalia_hub.auth import permissions
from tests.api.guards.test_sources import separated, token_of
from tests.api.identity.people import give_password
from tests.api.identity.test_steps import ask_for_link, confirm_email
from tests.api.roles.test_roles import grant, make_role
from tests.support.data import ok, problem
from tests.support.mailbox import Mailbox
from tests.support.service import LiveService, World

__all__ = ["separated"]


def test_who_manages_senders_alone_gets_nobodys_recovery_link(world: World) -> None:
    right, wrong = Mailbox(), Mailbox()
    above, helper = world.alpha.administrator, world.alpha.reader
    smtp = {"kind": "smtp", "settings": right.settings()}
    redirected = {"kind": "smtp", "settings": wrong.settings()}
    try:
        with above.client(step_up=True) as client:
            some = {"tenancy.sender.manage": "platform"}
            grant(client, helper, make_role(client, "Sends", scope="platform", permissions=some)["key"])
            ok(client.put("/message-senders/email", json=smtp))
        give_password(world.live, above)
        confirm_email(world, right, above, "chief@example.org")
        with helper.api_client() as client:
            assert ok(client.get("/message-senders"))["items"][0]["channel"] == "email"
            ok(client.post("/message-senders/email/test", json={"to": "me@example.org"}))
            for change in (redirected, {**redirected, "settings": {**right.settings(), "user": "me"}}):
                answer = client.put("/message-senders/email", json=change, headers={"If-Match": '"1"'})
                problem(answer, 403, "beyond_own_permissions")
            # Off and on again is no way round: a new sender is set up by who may.
            ok(client.delete("/message-senders/email"), 204)
            problem(client.put("/message-senders/email", json=redirected), 403, "beyond_own_permissions")
        ask_for_link(world, above.name)
        assert not wrong.mails
        # The control: who may grant any role may, and then the link goes where they say.
        with above.api_client() as client:
            ok(client.put("/message-senders/email", json=redirected))
        ask_for_link(world, above.name, "192.0.2.2")
        assert "/hub/himalia/link?token=" in wrong.next("chief@example.org")
    finally:
        right.close()
        wrong.close()


@pytest.mark.parametrize(
    ("role", "may"),
    [(permissions.SECURITY_ADMIN, True), (permissions.SYSTEM_ADMIN, False), (permissions.AUDITOR, False)],
)
def test_in_separated_mode_senders_are_the_security_administrators(
    separated: LiveService, role: str, may: bool
) -> None:
    """With the system administrator they would join two powers: the link that signs in as another administrator."""
    body = {"kind": "smtp", "settings": {"host": "mail.example.org", "sender_address": "a@example.org"}}
    with separated.client(token_of(separated, role)) as client:
        for answer in (client.get("/message-senders"), client.put("/message-senders/email", json=body)):
            if may:
                ok(answer)
            else:
                problem(answer, 403, "not_permitted")
