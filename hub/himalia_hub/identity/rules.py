"""Passwords against the policy (TEN-13): pure, and told rule by rule so that a page can tick them.

A rule has a ``code`` with its numbers, which the page's script checks while somebody types, and a
sentence in both languages. What only the server knows (history, weak words) the script leaves open.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from himalia_hub.core.errors import InvalidInput
from himalia_hub.core.security_policy import SecurityPolicy

WEAK_WORDS = frozenset(
    """
    1314520 1q2w3e 1q2w3e4r 1qaz2wsx 5201314 abc abcabc abcd abcdef abcdefg abcdefgh admin administrator
    asdfgh asdfghjkl autumn azerty baseball batman beijing changeme charlie computer default dragon football
    freedom guest hello himalia iloveyou internet jordan jupyter jupyterhub letmein login master michael
    mima monkey nihao pass passwd password passwort princess qazwsx qwerty qwertyui qwertyuiop qwertz root
    secret server shadow shanghai spring summer sunshine superman test tester testing trustno welcome
    whatever winter woaini woaini1314 zhongguo zxcvbn zxcvbnm
    """.split()  # noqa: SIM905
)
_LEET = str.maketrans("@4310$5!7", "aaeiossit")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the policy."""

    code: str
    english: str
    chinese: str
    number: int = 0
    upper: int = 0

    def sentence(self, language: str) -> str:
        return self.chinese if language == "zh" else self.english

    def to_wire(self, language: str) -> dict[str, Any]:
        return {"code": self.code, "sentence": self.sentence(language), "number": self.number, "upper": self.upper}


def password_rules(policy: SecurityPolicy, *, changing: bool = False) -> list[Rule]:
    """The rules in force; ``changing`` adds those that compare with earlier passwords."""
    low, high = policy.password_minimum, policy.password_maximum
    rules = [Rule("length", f"{low}-{high} characters", f"{low}-{high} 个字符", low, high)]
    if policy.password_needs_special:
        rules.append(Rule("special", "at least one space or special character", "至少包含一个空格或特殊字符"))
    if policy.password_kinds:
        words = ("one", "two", "all")[policy.password_kinds - 1]
        chinese = "一二三"[policy.password_kinds - 1]
        rules.append(
            Rule(
                "kinds",
                f"at least {words} of lower case, upper case, digits",
                f"至少包含小写字母、大写字母、数字中的{chinese}类",
                policy.password_kinds,
            )
        )
    if policy.password_not_user_name:
        rules.append(Rule("not_name", "not the user name, forwards or backwards", "不能是用户名或其倒序"))
    rules.append(Rule("weak", "not a common password", "不能是常见密码"))
    if changing and policy.password_differs_in:
        n = policy.password_differs_in
        rules.append(
            Rule(
                "differs",
                f"differs from the present one in at least {n} positions",
                f"至少有 {n} 个位置与当前密码不同",
                n,
            )
        )
    if changing and policy.password_history:
        n = policy.password_history
        rules.append(Rule("history", f"not one of your last {n} passwords", f"不能是最近 {n} 个密码之一", n))
    return rules


def is_weak(password: str, more: list[str]) -> bool:
    """Whether a common word is all there is to it, however it is decorated (``P@ssw0rd!``, ``Qwerty 123``)."""
    folded = password.casefold()
    words = WEAK_WORDS | {word.casefold() for word in more}
    candidates = {folded, folded.translate(_LEET)}
    for form in (folded, folded.translate(_LEET)):
        candidates.add(re.sub(r"[\W\d_]+$", "", form))
        candidates.add(re.sub(r"^[\W\d_]+|[\W\d_]+$", "", form))
        candidates.add(re.sub(r"[\W_]+", "", form))
    stripped = re.sub(r"[\W\d_]+$", "", folded).translate(_LEET)
    candidates.add(stripped)
    digits = re.sub(r"\D", "", folded)
    straight = "01234567890123456789"
    only_digits = bool(digits) and not re.search(r"[^\W\d_]", folded)
    if only_digits and (digits in straight or digits in straight[::-1] or len(set(digits)) == 1):
        return True
    return any(candidate in words for candidate in candidates)


def differing_positions(old: str, new: str) -> int:
    """In how many positions two passwords differ; what one has beyond the other counts."""
    return sum(a != b for a, b in zip(old, new, strict=False)) + abs(len(old) - len(new))


def broken(policy: SecurityPolicy, password: str, user_name: str, *, old: str | None = None) -> list[Rule]:
    """The rules this password breaks; those about history need the database and are not here."""
    kinds = sum(any(kind(c) for c in password) for kind in (str.islower, str.isupper, str.isdigit))
    folded, name = password.casefold(), user_name.casefold()
    holds = {
        "length": policy.password_minimum <= len(password) <= policy.password_maximum,
        "special": any(unicodedata.category(c)[0] not in "LN" for c in password),
        "kinds": kinds >= policy.password_kinds,
        "not_name": not name or folded not in (name, name[::-1]),
        "weak": not is_weak(password, policy.weak_words),
        "differs": old is None or differing_positions(old, password) >= policy.password_differs_in,
        "history": True,
    }
    return [rule for rule in password_rules(policy, changing=old is not None) if not holds[rule.code]]


def refuse(rules: list[Rule]) -> InvalidInput:
    """Names every broken rule; never shows the password."""
    english = "; ".join(rule.english for rule in rules)
    chinese = "；".join(rule.chinese for rule in rules)
    return InvalidInput(
        f"password: {english}.",
        zh=f"password：{chinese}。",
        field="password",
        rule=english,
        broken=[rule.code for rule in rules],
    )


CONTACTS = {
    "email": (re.compile(r"[^@\s<>,;]{1,64}@[^@\s<>,;]{1,255}"), "name@host", "名称@主机"),
    "sms": (re.compile(r"\+?[0-9]{6,15}"), "6-15 digits, with + before a country's", "6-15 位数字，国家代码前加 +"),
    "wecom": (
        re.compile(r"[0-9A-Za-z_.@-]{1,64}"),
        "1-64 letters, digits, _, -, . or @",
        "1-64 个字母、数字、_、-、. 或 @",
    ),
}
"""What an address of each channel is: pattern, rule in English and Chinese."""


def check_contact(channel: str, to: str) -> str:
    """An address that codes can be sent to; a phone's number without the spaces and dashes people write."""
    address = re.sub(r"[ ()-]", "", to) if channel == "sms" else to.strip()
    pattern, english, chinese = CONTACTS[channel]
    if not pattern.fullmatch(address):
        raise InvalidInput(
            f"to: {to[:120]!r} is not {english}.",
            zh=f"to：{to[:120]!r} 不符合规则：{chinese}。",
            field="to",
            rule=english,
            value=to,
        )
    return address


def expires_at(policy: SecurityPolicy, changed_at: datetime | None) -> datetime | None:
    """When a password must be changed; None: never."""
    if not policy.password_expires_days or changed_at is None:
        return None
    return changed_at + timedelta(days=policy.password_expires_days)


def warns(policy: SecurityPolicy, changed_at: datetime | None, moment: datetime) -> bool:
    """Whether the person is to be told that the end is near."""
    end = expires_at(policy, changed_at)
    return end is not None and end - timedelta(days=policy.password_warning_days) <= moment
