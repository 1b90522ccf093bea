"""A real SMTP server that keeps what it is given."""

from __future__ import annotations

import re
import time
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller

from tests.support.ports import free_port


class Mailbox:
    """Listens on a free port of the loopback address until closed."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self._controller = Controller(self, hostname="127.0.0.1", port=free_port())
        self._controller.start()
        self.port: int = self._controller.port

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 OK"

    def settings(self) -> dict[str, Any]:
        """What a sender needs to reach it."""
        return {"host": "127.0.0.1", "port": self.port, "security": "none", "sender_address": "himalia@example.org"}

    def next(self, to: str, seconds: float = 15.0) -> str:
        """The text of the next mail to somebody, taken out."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for mail in list(self.mails):
                if mail["To"] == to:
                    self.mails.remove(mail)
                    return str(mail.get_content())
            time.sleep(0.05)
        raise AssertionError(f"no mail to {to} came; there are {[str(mail['To']) for mail in self.mails]}")

    def code(self, to: str) -> str:
        """The six digits of the next mail to somebody."""
        found = re.search(r"\b\d{6}\b", self.next(to))
        assert found is not None
        return found.group()

    def close(self) -> None:
        self._controller.stop()
