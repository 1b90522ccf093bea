"""The one table of permissions: what exists, who holds it, and how far.

A permission is ``area.kind.action``. Columns of a row: the reach each built-in role holds it with.
The API authorises by it, the panels show by it, the documentation and the matrix test are made
from it. Nothing here looks at the database.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from himalia_hub.auth.actor import Reach, TokenKind

OWN, DEPARTMENT, ORGANISATION, PLATFORM = Reach.OWN, Reach.DEPARTMENT, Reach.ORGANISATION, Reach.PLATFORM

MEMBER, DEPARTMENT_ADMIN, TENANT_ADMIN = "member", "department_administrator", "organisation_administrator"
ADMINISTRATOR, READ_ONLY, OPERATOR = "Administrator", "ReadOnly", "ServiceOperator"
OPEN_API, ANNOTATOR, AUDITOR = "OpenAPI", "annotator", "auditor"
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
)


@dataclass(frozen=True, slots=True)
class Permission:
    """One row: name, sentence, and the reach of each role that holds it."""

    name: str
    sentence: str
    roles: Mapping[str, Reach]


def _row(name: str, sentence: str, **roles: Reach) -> Permission:
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
        "hub": HUB,
        "workload": WORKLOAD,
        "local": LOCAL_ADMIN,
    }
    return Permission(name, sentence, {names[key]: reach for key, reach in roles.items()})


def _read(name: str, sentence: str) -> Permission:
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
    )


def _work(name: str, sentence: str) -> Permission:
    """Make and change own work only."""
    return _row(name, sentence, member=OWN, department=OWN, tenant=OWN, operator=OWN, api=OWN)


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
        workload=OWN,
    )


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
    ),
    _read("compute.workload.read", "See work that occupies resources, with its log and use"),
    _stop("compute.workload.stop", "Stop work that occupies resources"),
    _read("compute.quota.read", "See quotas and what is used of them"),
    _row(
        "compute.quota.manage",
        "Set quotas",
        department=DEPARTMENT,
        tenant=ORGANISATION,
        platform=PLATFORM,
        local=PLATFORM,
    ),
    _row("compute.spec.manage", "Create, edit and delete resource specs", platform=PLATFORM, local=PLATFORM),
    _read("compute.task.read", "See long operations and their progress"),
    _work("compute.task.cancel", "Cancel a long operation"),
    _read("develop.notebook.read", "See notebooks"),
    _work("develop.notebook.create", "Create, edit and start notebooks"),
    _stop("develop.notebook.stop", "Stop notebooks"),
    _stop("develop.notebook.delete", "Delete notebooks"),
    _read("develop.algorithm.read", "See algorithms"),
    _read("data.label_group.read", "See label groups"),
    _work("data.label_group.edit", "Create, edit, copy and delete label groups"),
    _read("data.dataset.read", "See datasets, their items, versions and statistics"),
    _work("data.dataset.create", "Create datasets"),
    _work("data.dataset.edit", "Edit datasets, import into them, delete and restore items"),
    _work("data.dataset.annotate", "Label items"),
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
        reader=OWN,
        operator=OWN,
        api=OWN,
    ),
    _row(
        "money.ledger.read",
        "See income and expense of the organisation",
        tenant=ORGANISATION,
        platform=PLATFORM,
        local=PLATFORM,
    ),
    _row("money.price.manage", "Set prices", platform=PLATFORM, local=PLATFORM),
    _row("money.recharge.create", "Recharge a balance", platform=PLATFORM, local=PLATFORM),
    _row("tenancy.organisation.read", "See organisations", platform=PLATFORM, local=PLATFORM),
    _row(
        "tenancy.organisation.manage",
        "Create, edit, enable and disable organisations",
        platform=PLATFORM,
        local=PLATFORM,
    ),
    _row(
        "tenancy.user.read",
        "See members",
        department=DEPARTMENT,
        tenant=ORGANISATION,
        platform=PLATFORM,
        local=PLATFORM,
    ),
    _row(
        "tenancy.user.manage",
        "Create, edit, enable, disable members and issue sign-in links",
        tenant=ORGANISATION,
        platform=PLATFORM,
        local=PLATFORM,
    ),
    _row(
        "audit.entry.read",
        "Read the audit log",
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
