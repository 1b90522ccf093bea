"""The rule for names of objects that do not say otherwise (GEN-3)."""

from __future__ import annotations

import re
import unicodedata

from pydantic import AfterValidator

from himalia_hub.core.errors import BrokenRule, InvalidInput

_NAME = re.compile(r"[0-9A-Za-z_\u4e00-\u9fff\u3400-\u4dbf-]+")


def check_name(name: str, longest: int, field: str = "name") -> str:
    """The name in normal form (NFC), or :class:`InvalidInput`.

    Letters, digits, Chinese, ``-`` and ``_``; no ``-`` at the ends; 1 to ``longest`` characters.
    """
    name = unicodedata.normalize("NFC", name)
    if _NAME.fullmatch(name) and len(name) <= longest and not (name.startswith("-") or name.endswith("-")):
        return name
    raise InvalidInput(
        f"{field}: {name[:120]!r} is not 1-{longest} letters, digits, Chinese characters, - or _, "
        "without - at the ends.",
        zh=f"{field}：{name[:120]!r} 不符合规则：1-{longest} 个字母、数字、汉字、- 或 _，首尾不能为 -。",
        field=field,
        rule=f"1-{longest} letters, digits, Chinese, -, _; no - at the ends",
        value=name,
        hint="Choose another name.",
        hint_zh="请更换名称。",
    )


def check_text(text: str, longest: int, field: str = "description") -> str:
    """A free text in normal form: at most ``longest`` characters, no control characters but new lines."""
    text = unicodedata.normalize("NFC", text)
    bad = next((c for c in text if unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t"), None)
    if bad is None and len(text) <= longest:
        return text
    rule = f"at most {longest} characters" if bad is None else "no control characters"
    shown = text if len(text) <= 40 else f"{text[:40]}…"
    raise InvalidInput(
        f"{field}: {rule}; {shown!r} has {len(text)}." if bad is None else f"{field}: {rule}, found {bad!r}.",
        zh=f"{field}：最多 {longest} 个字符，{shown!r} 有 {len(text)} 个。"
        if bad is None
        else f"{field}：不能包含控制字符 {bad!r}。",
        field=field,
        rule=rule,
        value=text if bad is None else bad,
    )


def form(pattern: str, rule: str, zh: str) -> AfterValidator:
    """For a schema's text field: the whole text matches, or the refusal says the rule in words."""
    compiled = re.compile(pattern)

    def check(text: str | None) -> str | None:
        if text is not None and not compiled.fullmatch(text):
            raise BrokenRule(rule, zh)
        return text

    return AfterValidator(check)


def visible(longest: int) -> AfterValidator:
    """For a schema's field that people read: 1 to ``longest`` characters of any script, none of them hidden.

    Answers the text in normal form without spaces at the ends.
    """

    def check(text: str | None) -> str | None:
        if text is None:
            return None
        text = unicodedata.normalize("NFC", text).strip()
        if not 1 <= len(text) <= longest or hides(text):
            raise BrokenRule(f"1-{longest} visible characters", f"1-{longest} 个可见字符")
        return text

    return AfterValidator(check)


def hides(text: str) -> bool:
    """Whether a text has characters that nobody sees or that change how others are shown."""
    return any(unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Zl", "Zp", "Co", "Cn") for letter in text)
