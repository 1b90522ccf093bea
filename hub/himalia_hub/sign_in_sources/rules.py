"""From what a directory says of a person to organisation, department, roles and groups; pure.

A mapping is a small document; each part names a claim (``a.b`` looks inside) and translates its
values. What is not translated is dropped for roles and groups, and is a refusal for the
organisation: nobody lands somewhere by accident.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from himalia_hub.core.errors import HimaliaError, InvalidInput

SOURCE_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}[a-z0-9]")
RESERVED_NAMES = frozenset({"local", "himalia", "link"})
NAME_LONGEST = 512


class IdentityRefused(HimaliaError):
    """The source knows the person; the platform does not take them in. The message says why."""

    code = "identity_refused"
    status = 403


@dataclass(frozen=True, slots=True)
class Mapped:
    """What the claims come to; ``None`` for the department: the mapping says nothing of departments."""

    organisation: str
    department: str | None
    roles: tuple[str, ...]
    groups: tuple[str, ...]
    display_name: str


def check_source_name(name: str) -> str:
    """2-32 of a-z, 0-9, -, beginning with a letter and not reserved, or :class:`InvalidInput`."""
    if not SOURCE_NAME.fullmatch(name) or name in RESERVED_NAMES:
        raise InvalidInput(
            f"name: {name!r} is not 2-32 characters of a-z, 0-9 and -, from a letter on, or is reserved.",
            zh=f"name：{name!r} 不符合规则：2-32 个字符（a-z、0-9、-），以字母开头，且不是保留名称。",
            field="name",
            rule="2-32 characters of a-z, 0-9, -; begins with a letter; not reserved",
            value=name,
        )
    return name


def check_external_name(name: str) -> str:
    """A name as the directory spells it: 1-512 characters, no control characters, else a refusal."""
    if not 1 <= len(name) <= NAME_LONGEST or any(unicodedata.category(c) in ("Cc", "Cf", "Cs") for c in name):
        raise IdentityRefused(
            f"The source's name for this account is not 1-{NAME_LONGEST} printable characters.",
            zh=f"该来源给出的账号名不是 1-{NAME_LONGEST} 个可打印字符。",
        )
    return name


def name_key(name: str, *, case_sensitive: bool) -> str:
    """What makes two spellings one account: nothing, or (LDAP) case, width and outer spaces."""
    if case_sensitive:
        return name
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def values_of(claims: Mapping[str, Any], path: str) -> list[str]:
    """A claim's values as texts: a list's members, one value, or nothing."""
    found: Any = claims
    if path in claims:
        found = claims[path]
    else:
        for part in path.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
    if found is None:
        return []
    many = found if isinstance(found, list | tuple | set) else [found]
    return [str(value) for value in many if isinstance(value, str | int) and not isinstance(value, bool)]


def _translated(part: Mapping[str, Any] | None, claims: Mapping[str, Any]) -> list[str]:
    """The translations of a claim's values, in the order of the table; all of them without a table."""
    if part is None:
        return []
    given = values_of(claims, part["claim"]) if part.get("claim") else []
    table: Mapping[str, Any] = part.get("values") or {}
    if not table:
        return given
    found: list[str] = []
    for value, target in table.items():
        if value in given:
            found.extend(target if isinstance(target, list) else [target])
    return found


def apply(mapping: Mapping[str, Any], claims: Mapping[str, Any]) -> Mapped:
    """What this person is to the platform, or :class:`IdentityRefused` without one organisation."""
    part = mapping.get("organisation") or {}
    organisations = list(dict.fromkeys(_translated(part, claims)))
    if len(organisations) > 1:
        raise IdentityRefused(
            "Your account belongs to more than one organisation here, and the mapping does not say which.",
            zh="您的账号对应多个组织，映射规则无法确定是哪一个。",
            hint="Ask a platform administrator to correct the mapping of this sign-in source.",
            hint_zh="请联系平台管理员修正该登录来源的映射规则。",
        )
    organisation = organisations[0] if organisations else str(part.get("default") or "")
    if not organisation:
        raise IdentityRefused(
            "Your account belongs to no organisation here.",
            zh="您的账号不属于此平台的任何组织。",
            hint="Ask a platform administrator to map your account to an organisation.",
            hint_zh="请联系平台管理员将您的账号映射到组织。",
        )
    department: str | None = None
    if mapping.get("department"):
        found = _translated(mapping["department"], claims)
        department = found[0] if found else str(mapping["department"].get("default") or "")
    roles_part = mapping.get("roles")
    roles = _translated(roles_part, claims)
    if not roles and roles_part:
        roles = list(roles_part.get("default") or [])
    shown = values_of(claims, (mapping.get("display_name") or {}).get("claim") or "name")
    return Mapped(
        organisation=organisation,
        department=department,
        roles=tuple(dict.fromkeys(roles)),
        groups=tuple(dict.fromkeys(_translated(mapping.get("groups"), claims))),
        display_name=shown[0][:64] if shown else "",
    )


def changes(before: set[str], now: set[str], held: set[str]) -> tuple[set[str], set[str]]:
    """``(gained, lost)`` roles: lost is only what this source had granted, never an administrator's grant."""
    return now - held, (before - now) & held
