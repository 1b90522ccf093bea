"""Names, codes and passwords: pure checks that answer with the rule that was broken."""

from __future__ import annotations

import re
import unicodedata

from himalia_hub.core.errors import InvalidInput

CODE = re.compile(r"[a-z0-9](?:[a-z0-9-]{2,30})[a-z0-9]")
RESERVED_CODES = frozenset(
    ("admin", "default", "system", "kube-system", "platform", "public", "shared", "himalia", "serving", "hub")
)
USER_NAME = re.compile(r"[A-Za-z0-9]{6,32}")
USER_NAME_RULE = ("6-32 ASCII letters or digits", "6-32 个英文字母或数字")
PASSWORD_MINIMUM, PASSWORD_MAXIMUM = 8, 32
WEAK_PASSWORDS = frozenset(
    ("password", "passw0rd", "12345678", "123456789", "qwertyui", "iloveyou", "administrator", "letmein!", "abc123!!")
)
PASSWORD_RULES = (
    ("8-32 characters", "8-32 个字符"),
    ("at least one space or special character", "至少包含一个空格或特殊字符"),
    ("at least two of lower case, upper case, digits", "至少包含小写字母、大写字母、数字中的两类"),
    ("not the user name, forwards or backwards", "不能是用户名或其倒序"),
    ("not a common password", "不能是常见密码"),
)


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


def check_user_name(name: str) -> str:
    """TEN-6: a local account's name, or :class:`InvalidInput`."""
    if not USER_NAME.fullmatch(name):
        raise InvalidInput(
            f"name: {name!r} is not {USER_NAME_RULE[0]}.",
            zh=f"name：{name!r} 不符合规则：{USER_NAME_RULE[1]}。",
            field="name",
            rule=USER_NAME_RULE[0],
            value=name,
        )
    return name


def password_failures(password: str, user_name: str) -> list[int]:
    """Indexes into :data:`PASSWORD_RULES` of the rules that this password breaks."""
    failures = []
    if not PASSWORD_MINIMUM <= len(password) <= PASSWORD_MAXIMUM:
        failures.append(0)
    if not any(unicodedata.category(c)[0] not in "LN" for c in password):
        failures.append(1)
    kinds = (str.islower, str.isupper, str.isdigit)
    if sum(any(kind(c) for c in password) for kind in kinds) < 2:
        failures.append(2)
    folded, name = password.casefold(), user_name.casefold()
    if name and folded in (name, name[::-1]):
        failures.append(3)
    if folded in WEAK_PASSWORDS:
        failures.append(4)
    return failures


def check_password(password: str, user_name: str) -> str:
    """TEN-13, or :class:`InvalidInput` naming every broken rule; never shows the password."""
    failures = password_failures(password, user_name)
    if failures:
        rules = [PASSWORD_RULES[i] for i in failures]
        raise InvalidInput(
            "password: " + "; ".join(rule for rule, _ in rules) + ".",
            zh="password：" + "；".join(rule for _, rule in rules) + "。",
            field="password",
            rule="; ".join(rule for rule, _ in rules),
        )
    return password
