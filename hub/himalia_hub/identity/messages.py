"""The words of the messages that sign-in sends, in both languages; the numbers and links come from the caller."""

from __future__ import annotations

from himalia_hub.identity.senders import Message


def code(to: str, digits: str, language: str) -> Message:
    """Six digits: confirm an address, or prove presence."""
    if language == "zh":
        return Message(
            to,
            f"Himalia 验证码：{digits}",
            f"您的验证码是 {digits}，5 分钟内有效，仅可使用一次。\n"
            "如果不是您本人操作，请忽略此消息，并考虑更换密码。\n",
            digits,
        )
    return Message(
        to,
        f"Your Himalia code: {digits}",
        f"Your code is {digits}. It is valid for 5 minutes and works once.\n"
        "If you did not ask for it, ignore this message and consider changing your password.\n",
        digits,
    )


def recovery(to: str, link: str, name: str, language: str) -> Message:
    """A forgotten password: the one-time link."""
    if language == "zh":
        return Message(
            to,
            "重置您的 Himalia 密码",
            f"{name}，您好：\n\n请在 15 分钟内打开以下链接设置新密码，链接仅可使用一次：\n\n{link}\n\n"
            "设置后其他会话都会结束。如果不是您本人操作，请忽略此消息。\n",
        )
    return Message(
        to,
        "Set a new Himalia password",
        f"Hello {name},\n\nopen this link within 15 minutes to set a new password; it works once:\n\n{link}\n\n"
        "All your other sessions end then. If you did not ask for it, ignore this message.\n",
    )


def masked(address: str) -> str:
    """Enough of an address to recognise one's own: ``l•••@example.org``, ``•••4567``."""
    name, at, host = address.partition("@")
    if at:
        return f"{name[:1]}•••@{host}"
    return f"•••{address[-4:]}"
