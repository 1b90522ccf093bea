"""What is missing in a new installation or organisation (CON-6). Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

INSTALLATION, ORGANISATION = "installation", "organisation"


@dataclass(frozen=True, slots=True)
class Facts:
    """Counted once; of one organisation and of the installation."""

    organisations: int
    specs: int
    unpriced: tuple[str, ...]
    """Resources without a price; unset is 0, which may be meant."""
    priced: int
    all_free: bool
    administrators: int
    without: tuple[str, ...]
    """Of CPU, memory, storage and image storage, what the organisation has none of."""
    balance_micros: int
    departments: int
    members: int
    """People other than the organisation's administrators."""
    members_without_quota: int
    """Members whom neither a limit of their own nor one of their department holds back."""


@dataclass(frozen=True, slots=True)
class Item:
    key: str
    done: bool
    have: int = 0
    missing: tuple[str, ...] = ()


PERMISSIONS: Mapping[str, str] = {
    "organisation": "tenancy.organisation.manage",
    "specs": "compute.spec.manage",
    "prices": "money.price.manage",
    "administrator": "tenancy.user.manage",
    "quota": "compute.quota.manage",
    "recharge": "money.recharge.create",
    "departments": "tenancy.department.manage",
    "members": "tenancy.user.manage",
    "member_quota": "compute.quota.manage",
}
"""What each item takes."""
OF_THE_PLATFORM = frozenset({"organisation", "specs", "prices", "administrator", "quota", "recharge"})
"""Items that take the permission at reach platform; the others at reach organisation."""

_EN: Mapping[str, tuple[str, str, str]] = {
    # title, what to do, what is there
    "organisation": (
        "Organisation",
        "Create the first organisation with its administrator.",
        "Organisations: {have}.",
    ),
    "specs": (
        "Resource specs",
        "Create a basic spec; nothing can be started without one.",
        "Basic specs: {have}.",
    ),
    "prices": ("Prices", "Not set, so free: {missing}.", "Resources with a price: {have}."),
    "administrator": (
        "Administrator",
        "Give the organisation an administrator who is enabled.",
        "Administrators: {have}.",
    ),
    "quota": (
        "Quota",
        "Nothing can run without a quota of {missing}.",
        "CPU, memory, storage and image storage are set.",
    ),
    "recharge": (
        "Balance",
        "Recharge the balance: what has a price cannot start without.",
        "There is a balance, or everything is free.",
    ),
    "departments": ("Departments", "Create a department.", "Departments: {have}."),
    "members": ("Members", "Create or import members.", "Members: {have}."),
    "member_quota": (
        "Members' quota",
        "Members who may use all that the organisation has: {have}. Set their quota or their department's.",
        "A quota holds for every member.",
    ),
}
_ZH: Mapping[str, tuple[str, str, str]] = {
    "organisation": ("组织", "创建第一个组织及其管理员。", "{have} 个组织。"),
    "specs": ("资源规格", "创建基础规格；没有规格则无法启动任何任务。", "{have} 个基础规格。"),
    "prices": ("价格", "尚未设置，按免费计：{missing}。", "{have} 项资源已定价。"),
    "administrator": ("管理员", "为组织指定一名已启用的管理员。", "{have} 名管理员。"),
    "quota": ("配额", "缺少以下配额，无法运行任何任务：{missing}。", "CPU、内存、存储和镜像存储均已设置。"),
    "recharge": ("余额", "请充值：余额不足时收费任务无法启动。", "已有余额，或所有资源免费。"),
    "departments": ("部门", "创建部门。", "{have} 个部门。"),
    "members": ("成员", "创建或导入成员。", "{have} 名成员。"),
    "member_quota": (
        "成员配额",
        "{have} 名成员可使用组织的全部资源：请设置其个人或部门配额。",
        "所有成员均受配额限制。",
    ),
}


def installation(facts: Facts) -> list[Item]:
    return [
        Item("organisation", facts.organisations > 0, facts.organisations),
        Item("specs", facts.specs > 0, facts.specs),
        Item("prices", not facts.unpriced, facts.priced, facts.unpriced),
    ]


def organisation(facts: Facts) -> list[Item]:
    return [
        Item("administrator", facts.administrators > 0, facts.administrators),
        Item("quota", not facts.without, 4 - len(facts.without), facts.without),
        Item("prices", not facts.unpriced, facts.priced, facts.unpriced),
        Item("recharge", facts.balance_micros > 0 or facts.all_free),
        Item("departments", facts.departments > 0, facts.departments),
        Item("members", facts.members > 0, facts.members),
        Item("member_quota", not facts.members_without_quota, facts.members_without_quota),
    ]


def words(item: Item, names: Sequence[str], language: str) -> tuple[str, str]:
    """Title and detail; ``names`` are those of what is missing."""
    zh = language == "zh"
    title, to_do, there = (_ZH if zh else _EN)[item.key]
    joined = ("、" if zh else ", ").join(names)
    return title, (there if item.done else to_do).format(have=item.have, missing=joined)
