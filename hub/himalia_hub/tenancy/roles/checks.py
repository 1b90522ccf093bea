"""What a role may be and who may give it: pure checks on names, reaches and separated powers.

A *set* here is ``{permission: reach}``. Nothing looks at the database; the caller brings sets.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence

from himalia_hub.auth import permissions
from himalia_hub.auth.actor import Reach
from himalia_hub.auth.permissions import BY_NAME, Duty
from himalia_hub.core.errors import Conflict, InvalidInput, NotPermitted

SHORTEST_NAME, LONGEST_NAME, LONGEST_DESCRIPTION, MOST_ROLES = 4, 32, 256, 200
NAME = re.compile(r"[0-9A-Za-z_\u4e00-\u9fff\u3400-\u4dbf](?:[0-9A-Za-z_ \u4e00-\u9fff\u3400-\u4dbf-]*\S)?")
NAME_RULE = "4-32 letters, digits, Chinese, -, _ and inner spaces"
NAME_RULE_ZH = "4-32 个字母、数字、汉字、-、_ 或中间的空格"
MACHINES = frozenset((permissions.HUB, permissions.WORKLOAD, permissions.LOCAL_ADMIN))
GRANT_ANY = "tenancy.role.grant_any"
POOLS = "compute.pool.manage"
Reaches = Mapping[str, Reach]


def check_name(name: str) -> str:
    """TEN-9: a custom role's name in normal form, or :class:`InvalidInput`."""
    name = unicodedata.normalize("NFKC", name)
    if SHORTEST_NAME <= len(name) <= LONGEST_NAME and NAME.fullmatch(name):
        if name.casefold() not in {role.casefold() for role in permissions.BUILT_IN_ROLES}:
            return name
        raise InvalidInput(
            f"name: {name!r} is the name of a built-in role.",
            zh=f"name：{name!r} 是内置角色的名称。",
            field="name",
            rule="not the name of a built-in role",
            value=name,
        )
    raise InvalidInput(
        f"name: {name[:80]!r} is not {NAME_RULE}.",
        zh=f"name：{name[:80]!r} 不符合规则：{NAME_RULE_ZH}。",
        field="name",
        rule=NAME_RULE,
        value=name,
    )


def limits(name: str) -> tuple[Reach, Reach] | None:
    """The narrowest and widest reach a custom role may hold a permission with; None for machines' own."""
    reaches = [reach for role, reach in BY_NAME[name].roles.items() if role not in MACHINES]
    return (min(reaches), max(reaches)) if reaches else None


def read_set(sent: Mapping[str, str], *, organisation: bool) -> dict[str, Reach]:
    """A custom role's permissions from the wire; every refusal names the permission at fault."""
    found: dict[str, Reach] = {}
    if not sent:
        raise InvalidInput(
            "permissions: a role permits at least one thing.",
            zh="permissions：角色至少需要包含一项权限。",
            field="permissions",
            rule="at least one",
        )
    for name, word in sent.items():
        span = limits(name) if name in BY_NAME else None
        if span is None:
            raise InvalidInput(
                f"permissions: {name[:80]!r} is not a permission that a role can hold.",
                zh=f"permissions：{name[:80]!r} 不是角色可包含的权限。",
                field="permissions",
                rule="names from the table of permissions",
                value=name,
            )
        low, high = span
        if organisation:
            high = min(high, Reach.ORGANISATION)
        words = [reach.word for reach in Reach if low <= reach <= high]
        if word not in words:
            allowed = ", ".join(words) or "none in an organisation's role"
            raise InvalidInput(
                f"permissions.{name}: the reach {word[:20]!r} is not offered; use {allowed}.",
                zh=f"permissions.{name}：不支持范围 {word[:20]!r}；可用：{allowed}。",
                field=f"permissions.{name}",
                rule=f"one of: {allowed}",
                value=word,
            )
        found[name] = Reach[word.upper()]
    return found


def beyond(wanted: Reaches, held: Reaches) -> list[str]:
    """The permissions of ``wanted`` that ``held`` does not cover."""
    return sorted(name for name, reach in wanted.items() if held.get(name, 0) < reach)


def check_covered(wanted: Reaches, held: Reaches, what: str) -> None:
    """TEN-9: nobody gives, makes or takes what goes beyond their own permissions."""
    if GRANT_ANY in held:
        return
    missing = beyond(wanted, held)
    if missing:
        name = missing[0]
        raise NotPermitted(
            f"{what} permits {name} with reach {wanted[name].word}, which goes beyond your own permissions.",
            zh=f"{what} 包含权限 {name}（范围 {wanted[name].word}），超出您自己的权限。",
            field="roles",
            rule="no more than your own permissions",
            hint="Ask somebody who holds it.",
            hint_zh="请联系拥有该权限的人员。",
            code="beyond_own_permissions",
            permissions=missing,
        )


def duties(held: Reaches) -> frozenset[Duty]:
    """The powers over the whole installation that a set contains."""
    found = {BY_NAME[name].duty for name, reach in held.items() if reach is Reach.PLATFORM}
    return frozenset(duty for duty in found if duty is not None)


def conflict(held: Reaches) -> tuple[str, str] | None:
    """Two permissions of a set that belong to powers which exclude each other, or None (TEN-11).

    Who holds a power over the whole installation holds no permission of another power, however far
    it reaches. Organisation administrators, who hold none, go on doing both in their organisation.
    """
    powers = duties(held)
    if not powers:
        return None
    by_duty: dict[Duty, str] = {}
    for name in sorted(held):
        duty = BY_NAME[name].duty
        if duty is not None and held[name] > Reach.OWN:
            by_duty.setdefault(duty, name)
    if len(by_duty) < 2:
        return None
    first = min(powers)
    other = next(duty for duty in by_duty if duty is not first)
    return by_duty[first], by_duty[other]


def check_separate(held: Reaches, whose: str) -> None:
    """TEN-11, or :class:`Conflict` naming one permission of each power."""
    found = conflict(held)
    if found is not None:
        raise Conflict(
            f"{whose} would hold two powers that exclude each other here: {found[0]} and {found[1]}.",
            zh=f"{whose} 将同时拥有两项互斥的权力：{found[0]} 与 {found[1]}。",
            field="roles",
            rule="separated duties: one power a person",
            hint="Take the other power first, or give this one to another person.",
            hint_zh="请先收回另一项权力，或授予其他人员。",
            code="duties_exclude_each_other",
        )


def offered(*, separated: bool) -> tuple[str, ...]:
    """The built-in roles of an installation's mode."""
    absent = (permissions.ADMINISTRATOR,) if separated else (permissions.SYSTEM_ADMIN, permissions.SECURITY_ADMIN)
    return tuple(role for role in permissions.BUILT_IN_ROLES if role not in absent)


def union(sets: Iterable[Reaches]) -> dict[str, Reach]:
    """A user's permissions: each at its widest reach (TEN-9)."""
    found: dict[str, Reach] = {}
    for one in sets:
        for name, reach in one.items():
            found[name] = max(reach, found.get(name, reach))
    return found


def policies(held: Reaches, *, organisation: bool) -> list[tuple[str, dict[str, Reach]]]:
    """The two ready policies, as wide as the asker may make them: full access, common operations."""
    full: dict[str, Reach] = {}
    for name in BY_NAME:
        span = limits(name)
        if span is None:
            continue
        low, high = span
        if organisation:
            high = min(high, Reach.ORGANISATION)
        own = high if GRANT_ANY in held else held.get(name)
        if own is not None and min(own, high) >= low:
            full[name] = min(own, high)
    return [("full_access", full), ("common_operations", {k: v for k, v in full.items() if k != POOLS})]


def needs_department(held: Reaches) -> bool:
    return any(reach is Reach.DEPARTMENT for reach in held.values())


def unknown_role(key: str, known: Collection[str] | Sequence[str]) -> InvalidInput:
    """One answer for roles that do not exist, are another organisation's, or are not of this mode."""
    return InvalidInput(
        f"roles: {key[:80]!r} is not a role here.",
        zh=f"roles：此处没有角色 {key[:80]!r}。",
        field="roles",
        rule="keys from the list of roles",
        value=key,
        hint=f"Built-in: {', '.join(known)}.",
    )
