"""Names, codes and passwords: pure checks that answer with the rule that was broken."""

from __future__ import annotations

import re

from himalia_hub.core.errors import InvalidInput

CODE = re.compile(r"[a-z0-9](?:[a-z0-9-]{2,30})[a-z0-9]")
RESERVED_CODES = frozenset(
    ("admin", "default", "system", "kube-system", "platform", "public", "shared", "himalia", "serving", "hub")
)
USER_NAME = re.compile(r"[A-Za-z0-9]+")


def check_code(code: str) -> str:
    """TEN-1: a tenant's code, or :class:`InvalidInput`."""
    if not CODE.fullmatch(code) or not 4 <= len(code) <= 32:
        raise InvalidInput(
            f"code: {code!r} is not 4-32 characters of a-z, 0-9 and -, without - at the ends.",
            zh=f"code：{code!r} 不符合规则：4-32 个字符（a-z、0-9、-），首尾不能为 -。",
            field="code",
            rule="4-32 characters of a-z, 0-9, -; no - at the ends",
            value=code,
        )
    if code in RESERVED_CODES:
        raise InvalidInput(
            f"code: {code!r} is reserved.",
            zh=f"code：{code!r} 为保留代码。",
            field="code",
            rule="not reserved",
            value=code,
        )
    return code


def user_name_rule(minimum: int = 6, maximum: int = 32) -> tuple[str, str]:
    """The rule of local user names, in English and Chinese."""
    return f"{minimum}-{maximum} ASCII letters or digits", f"{minimum}-{maximum} 个英文字母或数字"


def check_user_name(name: str, minimum: int = 6, maximum: int = 32) -> str:
    """TEN-6: a local account's name, or :class:`InvalidInput`; the limits are the security policy's."""
    if not USER_NAME.fullmatch(name) or not minimum <= len(name) <= maximum:
        english, chinese = user_name_rule(minimum, maximum)
        raise InvalidInput(
            f"name: {name!r} is not {english}.",
            zh=f"name：{name!r} 不符合规则：{chinese}。",
            field="name",
            rule=english,
            value=name,
        )
    return name
