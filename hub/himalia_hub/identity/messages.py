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


def factor_reset(to: str, language: str) -> Message:
    """An administrator took the second factor away; whoever did not ask for it hears of it."""
    if language == "zh":
        return Message(
            to,
            "您的 Himalia 第二因素已被重置",
            "管理员已移除您的第二因素和恢复码，您的所有会话均已结束。请使用密码登录，并在账号页面重新设置第二因素。\n"
            "如果您没有要求重置，请立即更换密码，并联系组织管理员。\n",
        )
    return Message(
        to,
        "Your Himalia second factor was reset",
        "An administrator removed your second factor and your recovery codes; all your sessions ended. "
        "Sign in with your password and set up a new one on your account page.\n"
        "If you did not ask for it, change your password now and tell an administrator of your organisation.\n",
    )


def masked(address: str) -> str:
    """Enough of an address to recognise one's own: ``l•••@example.org``, ``•••4567``."""
    name, at, host = address.partition("@")
    if at:
        return f"{name[:1]}•••@{host}"
    return f"•••{address[-4:]}"
