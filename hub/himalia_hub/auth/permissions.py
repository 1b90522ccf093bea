"""The one table of permissions: what exists, who holds it, and how far.

A permission is ``area.kind.action``. Columns of a row: the reach each built-in role holds it with.
The API authorises by it, the panels show by it, the documentation and the matrix test are made
from it. Nothing here looks at the database.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from himalia_hub.auth.actor import Reach, TokenKind

OWN, DEPARTMENT, ORGANISATION, PLATFORM = Reach.OWN, Reach.DEPARTMENT, Reach.ORGANISATION, Reach.PLATFORM

MEMBER, DEPARTMENT_ADMIN, TENANT_ADMIN = "member", "department_administrator", "organisation_administrator"
ADMINISTRATOR, READ_ONLY, OPERATOR = "Administrator", "ReadOnly", "ServiceOperator"
OPEN_API, ANNOTATOR, AUDITOR = "OpenAPI", "annotator", "auditor"
SYSTEM_ADMIN, SECURITY_ADMIN = "SystemAdministrator", "SecurityAdministrator"
HUB, WORKLOAD, LOCAL_ADMIN = "hub", "workload", "local_admin"

BUILT_IN_ROLES = (
    ADMINISTRATOR,
    READ_ONLY,
    OPERATOR,
    OPEN_API,
    TENANT_ADMIN,
    DEPARTMENT_ADMIN,
    MEMBER,
    ANNOTATOR,
    AUDITOR,
    SYSTEM_ADMIN,
    SECURITY_ADMIN,
)
"""Roles of people, in the order they are shown. Which of them an installation has depends on its mode."""


class Duty(enum.StrEnum):
    """The three powers over a whole installation that exclude each other in separated mode (TEN-11)."""

    SYSTEM = "system"
    SECURITY = "security"
    AUDIT = "audit"


@dataclass(frozen=True, slots=True)
class Permission:
    """One row: name, sentence, the reach of each role that holds it, and the power it is part of."""

    name: str
    sentence: str
    roles: Mapping[str, Reach]
    duty: Duty | None = None


def _row(name: str, sentence: str, *, duty: Duty | None = None, **roles: Reach) -> Permission:
    names = {
        "member": MEMBER,
        "department": DEPARTMENT_ADMIN,
        "tenant": TENANT_ADMIN,
        "platform": ADMINISTRATOR,
        "reader": READ_ONLY,
        "operator": OPERATOR,
        "api": OPEN_API,
        "annotator": ANNOTATOR,
        "auditor": AUDITOR,
        "system": SYSTEM_ADMIN,
        "security": SECURITY_ADMIN,
        "hub": HUB,
        "workload": WORKLOAD,
        "local": LOCAL_ADMIN,
    }
    return Permission(name, sentence, {names[key]: reach for key, reach in roles.items()}, duty)


def _read(name: str, sentence: str, **more: Reach) -> Permission:
    """Read own work; administrators read their reach. Platform administrators read no content."""
    return _row(
        name,
        sentence,
        member=OWN,
        department=DEPARTMENT,
        tenant=ORGANISATION,
        reader=OWN,
        operator=OWN,
        api=OWN,
        duty=None,
        **more,
    )


def _work(name: str, sentence: str, **more: Reach) -> Permission:
    """Make and change own work only."""
    return _row(name, sentence, member=OWN, department=OWN, tenant=OWN, operator=OWN, api=OWN, duty=None, **more)


def _stop(name: str, sentence: str) -> Permission:
    """Stop or delete: own work, and administrators within their reach (TEN-10)."""
    return _row(name, sentence, member=OWN, department=DEPARTMENT, tenant=ORGANISATION, operator=OWN, api=OWN)


def _everyone(name: str, sentence: str) -> Permission:
    return _row(
        name,
        sentence,
        member=OWN,
        department=OWN,
        tenant=OWN,
        platform=OWN,
        reader=OWN,
        operator=OWN,
        api=OWN,
        annotator=OWN,
        auditor=OWN,
        system=OWN,
        security=OWN,
        workload=OWN,
    )


def _platform(name: str, sentence: str, duty: Duty) -> Permission:
    """What concerns the whole installation: the platform administrator's, in separated mode its duty's."""
    holder = {Duty.SYSTEM: "system", Duty.SECURITY: "security", Duty.AUDIT: "auditor"}[duty]
    return _row(name, sentence, duty=duty, platform=PLATFORM, local=PLATFORM, **{holder: PLATFORM})


def _administer(name: str, sentence: str, *, duty: Duty | None = None, **more: Reach) -> Permission:
    """What organisation administrators do in theirs, and platform administrators everywhere."""
    holder = "security" if duty is Duty.SECURITY else "system"
    reaches = {"tenant": ORGANISATION, "platform": PLATFORM, holder: PLATFORM, "local": PLATFORM, **more}
    return _row(name, sentence, duty=duty, **reaches)


PERMISSIONS: tuple[Permission, ...] = (
    _everyone("account.self.read", "See who you are, the installation, specs, environments and prices"),
    _everyone("account.event.read", "Receive the stream of changes to what you may see"),
    _row(
        "account.token.manage",
        "Create, list and revoke your own API tokens",
        member=OWN,
        department=OWN,
        tenant=OWN,
        platform=OWN,
        operator=OWN,
        api=OWN,
        auditor=OWN,
        reader=OWN,
        system=OWN,
        security=OWN,
    ),
    _row(
        "sharing.share.read",
        "See what was shared with you, and with whom you shared",
        member=OWN,
        department=OWN,
        tenant=OWN,
        reader=OWN,
        operator=OWN,
        api=OWN,
        annotator=OWN,
    ),
    _work("sharing.share.manage", "Share your own things, and take that back"),
    _read("compute.workload.read", "See work that occupies resources, with its log and use"),
    _stop("compute.workload.stop", "Stop work that occupies resources"),
    _everyone("compute.workload.load", "Fetch the read-only folders of the workload whose token asks"),
    _read("compute.quota.read", "See quotas and what is used of them"),
    _row(
        "compute.quota.manage",
        "Set quotas",
        duty=Duty.SYSTEM,
        department=DEPARTMENT,
        tenant=ORGANISATION,
        platform=PLATFORM,
        system=PLATFORM,
        local=PLATFORM,
    ),
    _platform("compute.spec.manage", "Create, edit and delete resource specs", Duty.SYSTEM),
    _platform("compute.pool.manage", "Create, edit and delete dedicated resource pools and node groups", Duty.SYSTEM),
    _read("compute.task.read", "See long operations and their progress", annotator=OWN),
    _work("compute.task.cancel", "Cancel a long operation"),
    _read("develop.notebook.read", "See notebooks"),
    _work("develop.notebook.create", "Create, edit and start notebooks"),
    _stop("develop.notebook.stop", "Stop notebooks"),
    _stop("develop.notebook.delete", "Delete notebooks"),
    _read("develop.algorithm.read", "See algorithms"),
    _read("data.label_group.read", "See label groups", annotator=OWN),
    _work("data.label_group.edit", "Create, edit, copy and delete label groups"),
    _read("data.dataset.read", "See datasets, their items, versions and statistics", annotator=OWN),
    _work("data.dataset.create", "Create datasets"),
    _work("data.dataset.edit", "Edit datasets, import into them, delete and restore items"),
    _work("data.dataset.annotate", "Label items", annotator=OWN),
    _work("data.dataset.publish", "Publish and manage dataset versions"),
    _work("data.dataset.export", "Export dataset versions"),
    _stop("data.dataset.delete", "Delete datasets"),
    _read("train.job.read", "See training jobs and runs"),
    _work("train.job.create", "Create training jobs, start and repeat runs"),
    _stop("train.job.stop", "Stop runs"),
    _stop("train.job.delete", "Delete jobs and runs"),
    _row("train.run.report", "Report metrics, progress and outputs of the run itself", workload=OWN),
    _read("model.model.read", "See models, versions and their files"),
    _work("model.model.edit", "Create and edit models, versions and aliases"),
    _stop("model.model.delete", "Delete models and versions"),
    _read("serve.service.read", "See online services, their revisions and monitoring"),
    _work("serve.service.edit", "Create, edit, start services and change weights"),
    _stop("serve.service.stop", "Stop services"),
    _stop("serve.service.delete", "Delete services"),
    _work("serve.service.predict", "Call a service from the panel"),
    _work("serve.key.manage", "Create and revoke service keys"),
    _read("money.bill.read", "See bills and spending"),
    _row(
        "money.balance.read",
        "See the organisation's balance",
        member=OWN,
        department=OWN,
        tenant=OWN,
        platform=PLATFORM,
        system=PLATFORM,
        reader=OWN,
        operator=OWN,
        api=OWN,
    ),
    _row(
        "money.ledger.read",
        "See income and expense of the organisation",
        tenant=ORGANISATION,
        platform=PLATFORM,
        system=PLATFORM,
        local=PLATFORM,
    ),
    _platform("money.price.manage", "Set prices", Duty.SYSTEM),
    _platform("money.recharge.create", "Recharge a balance", Duty.SYSTEM),
    _row(
        "tenancy.organisation.read",
        "See organisations",
        platform=PLATFORM,
        system=PLATFORM,
        security=PLATFORM,
        local=PLATFORM,
    ),
    _platform("tenancy.organisation.manage", "Create, edit, enable and disable organisations", Duty.SYSTEM),
    _administer("tenancy.department.read", "See departments", department=DEPARTMENT, security=PLATFORM),
    _administer("tenancy.department.manage", "Create, edit, enable, disable and delete departments", duty=Duty.SYSTEM),
    _administer("tenancy.user.read", "See members", department=DEPARTMENT, security=PLATFORM),
    _administer("tenancy.user.manage", "Create, import, edit, disable and delete members", duty=Duty.SYSTEM),
    _administer(
        "tenancy.user.activate",
        "Enable and unlock members, reset their second factor and issue one-time sign-in links",
        duty=Duty.SECURITY,
    ),
    _administer("tenancy.group.read", "See groups and who is in them", security=PLATFORM),
    _administer("tenancy.group.manage", "Create, edit and delete groups and change who is in them", duty=Duty.SECURITY),
    _administer("tenancy.role.read", "See roles and who holds them", department=DEPARTMENT, security=PLATFORM),
    _administer("tenancy.role.manage", "Create, edit and delete custom roles", duty=Duty.SECURITY),
    _administer("tenancy.role.grant", "Grant and take roles that permit no more than one's own", duty=Duty.SECURITY),
    _platform("tenancy.role.grant_any", "Grant, make and take roles beyond one's own permissions", Duty.SECURITY),
    _platform("tenancy.policy.manage", "See and change the security policy", Duty.SECURITY),
    _platform("tenancy.source.manage", "Set up sign-in sources and what their claims map to", Duty.SECURITY),
    _platform("tenancy.sender.manage", "Set up and test senders of messages", Duty.SECURITY),
    _administer("console.checklist.read", "See what an installation or organisation still lacks"),
    _row(
        "audit.entry.read",
        "Read the audit log",
        duty=Duty.AUDIT,
        tenant=ORGANISATION,
        platform=PLATFORM,
        auditor=PLATFORM,
        local=PLATFORM,
    ),
    _row("internal.hub.call", "What only the hub asks: sign-in, start page, notebooks' lives", hub=PLATFORM),
    _row("internal.admin.call", "What only the machine's administrator asks", local=PLATFORM),
)

BY_NAME: Mapping[str, Permission] = {permission.name: permission for permission in PERMISSIONS}


def held_by(roles: Iterable[str]) -> dict[str, Reach]:
    """The union of the roles' permissions, each at its widest reach (TEN-9)."""
    names = set(roles)
    held: dict[str, Reach] = {}
    for permission in PERMISSIONS:
        reaches = [reach for role, reach in permission.roles.items() if role in names]
        if reaches:
            held[permission.name] = max(reaches)
    return held


def clip(
    held: Mapping[str, Reach], kind: TokenKind, *, reach: Reach | None, scopes: Iterable[str] | None, stepped_up: bool
) -> dict[str, Reach]:
    """What a token leaves of its owner's permissions.

    A notebook's token keeps reach *own* and loses every permission that no member could hold at
    reach own (administration), until a step-up. An API token is clipped to its own reach and
    permissions for good.
    """
    if kind in (TokenKind.HUB, TokenKind.ADMIN, TokenKind.WORKLOAD, TokenKind.SYSTEM):
        return dict(held)
    if kind is TokenKind.API:
        widest = reach or Reach.OWN
        chosen = set(scopes) if scopes is not None else None
        return {
            name: min(value, widest)
            for name, value in held.items()
            if (chosen is None or name in chosen) and not (widest is Reach.OWN and is_administrative(name))
        }
    if stepped_up:
        return dict(held)
    return {name: Reach.OWN for name, value in held.items() if not is_administrative(name)}


def is_administrative(name: str) -> bool:
    """True when no role holds the permission at reach own: it concerns other people's things."""
    return min(BY_NAME[name].roles.values()) > Reach.OWN
