"""Tenants, departments, users, roles, credentials.

A user belongs to exactly one tenant and at most one department. ``epoch`` counts up whenever what
they may do changes, ``session_epoch`` only when their sessions end too; both are read with every
request, the first by the platform, the second by the hub.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from himalia_hub.core.db import Base, BigId

_THERE: dict[str, Any] = {
    "sqlite_where": sa.text("deleted_at IS NULL"),
    "postgresql_where": sa.text("deleted_at IS NULL"),
}


class Tenant(Base):
    """An organisation. ``code`` never changes: it names the namespace, prefix and paths."""

    __tablename__ = "tenants"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    code: Mapped[str] = mapped_column(sa.String(32), unique=True)
    name: Mapped[str] = mapped_column(sa.String(255), unique=True)
    description: Mapped[str] = mapped_column(sa.Text, default="")
    enabled: Mapped[bool] = mapped_column(default=True)
    valid_until: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    """When its sessions and work were ended because it is disabled or past ``valid_until`` (TEN-2)."""
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
    """A deleted organisation's row stays: its code named places of data and is never given again."""


class Department(Base):
    __tablename__ = "departments"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    tenant_id: Mapped[int] = mapped_column(sa.ForeignKey("tenants.id"))
    number: Mapped[int]
    name: Mapped[str] = mapped_column(sa.String(255))
    description: Mapped[str] = mapped_column(sa.Text, default="")
    enabled: Mapped[bool] = mapped_column(default=True)
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
    """A deleted department's row stays for bills to name."""
    __table_args__ = (sa.UniqueConstraint("tenant_id", "number"), sa.UniqueConstraint("tenant_id", "name"))


class User(Base):
    """A member. ``name_key`` is the case-folded name, unique per source (TEN-12).

    ``hub_name`` is generated and is what JupyterHub sees; ``uid_index`` picks the local uid.
    """

    __tablename__ = "users"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    tenant_id: Mapped[int] = mapped_column(sa.ForeignKey("tenants.id"))
    department_id: Mapped[int | None] = mapped_column(sa.ForeignKey("departments.id"))
    number: Mapped[int]
    source: Mapped[str] = mapped_column(sa.String(64), default="local")
    name: Mapped[str] = mapped_column(sa.String(512))
    name_key: Mapped[str] = mapped_column(sa.String(512))
    hub_name: Mapped[str] = mapped_column(sa.String(32), unique=True)
    display_name: Mapped[str] = mapped_column(sa.String(255))
    language: Mapped[str] = mapped_column(sa.String(8), default="")
    enabled: Mapped[bool] = mapped_column(default=True)
    guest: Mapped[bool] = mapped_column(default=False)
    """Signs in by invitation, is an annotator and nothing else, and has no quota."""
    epoch: Mapped[int] = mapped_column(default=1)
    session_epoch: Mapped[int] = mapped_column(default=1)
    password_hash: Mapped[str | None] = mapped_column(sa.String(255))
    password_changed_at: Mapped[datetime | None]
    must_change_password: Mapped[bool] = mapped_column(default=False)
    last_sign_in_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
    """A deleted member's row stays, disabled, for bills and audit to name; ``name_key`` is freed."""
    __table_args__ = (
        sa.UniqueConstraint("source", "name_key"),
        sa.UniqueConstraint("tenant_id", "number"),
        sa.Index("ix_users_department", "department_id"),
        sa.Index("ix_users_updated", "tenant_id", "updated_at"),
        # The lists of all organisations' members, page by page.
        sa.Index("ix_users_all_updated", "updated_at", "id", **_THERE),
        sa.Index("ix_users_all_name", "name", "id", **_THERE),
    )


class UserRole(Base):
    """A role of a user: a built-in one by its name, a custom one as ``custom:<number>``.

    ``department_id`` is the department that a role with reach department names (TEN-6); without
    one such a reach means the user's own department.
    """

    __tablename__ = "user_roles"
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"), primary_key=True)
    role: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    department_id: Mapped[int | None] = mapped_column(sa.ForeignKey("departments.id"))
    __table_args__ = (sa.Index("ix_user_roles_role", "role"),)


class Group(Base):
    """Members of one organisation under a name, to grant roles to together (TEN-21).

    ``external_name`` is what a sign-in source calls the group that maps to this one; empty: none.
    """

    __tablename__ = "groups"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    tenant_id: Mapped[int] = mapped_column(sa.ForeignKey("tenants.id"))
    number: Mapped[int]
    name: Mapped[str] = mapped_column(sa.String(255))
    description: Mapped[str] = mapped_column(sa.Text, default="")
    external_name: Mapped[str] = mapped_column(sa.String(512), default="")
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    __table_args__ = (sa.UniqueConstraint("tenant_id", "number"), sa.UniqueConstraint("tenant_id", "name"))


class GroupMember(Base):
    """Who is in a group. Whoever changes rows here ends the members' cached roles: ``sessions.renew``."""

    __tablename__ = "group_members"
    group_id: Mapped[int] = mapped_column(sa.ForeignKey("groups.id"), primary_key=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"), primary_key=True)
    __table_args__ = (sa.Index("ix_group_members_user", "user_id"),)


class CustomRole(Base):
    """A set of permissions under a name; without a tenant it is the platform's, for all organisations.

    ``permissions`` is ``{name: reach}`` with the number of :class:`~himalia_hub.auth.actor.Reach`.
    """

    __tablename__ = "roles"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    tenant_id: Mapped[int | None] = mapped_column(sa.ForeignKey("tenants.id"))
    number: Mapped[int] = mapped_column(unique=True)
    name: Mapped[str] = mapped_column(sa.String(64))
    name_key: Mapped[str] = mapped_column(sa.String(64))
    description: Mapped[str] = mapped_column(sa.Text, default="")
    permissions: Mapped[dict[str, Any]]
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    __table_args__ = (
        sa.UniqueConstraint("tenant_id", "name_key"),
        sa.Index(
            "uq_roles_platform_name",
            "name_key",
            unique=True,
            sqlite_where=sa.text("tenant_id IS NULL"),
            postgresql_where=sa.text("tenant_id IS NULL"),
        ),
    )


class GroupRole(Base):
    """Roles granted to a group. A person's roles are ``user_roles`` and those of all their groups."""

    __tablename__ = "group_roles"
    group_id: Mapped[int] = mapped_column(sa.ForeignKey("groups.id"), primary_key=True)
    role: Mapped[str] = mapped_column(sa.String(64), primary_key=True)


class Token(Base):
    """A bearer credential, kept as SHA-256 of a 256-bit secret; found by one indexed read."""

    __tablename__ = "tokens"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    digest: Mapped[str] = mapped_column(sa.String(64), unique=True)
    prefix: Mapped[str] = mapped_column(sa.String(16))
    kind: Mapped[str] = mapped_column(sa.String(16))
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    number: Mapped[int] = mapped_column(default=0)
    name: Mapped[str] = mapped_column(sa.String(64), default="")
    scopes: Mapped[list[Any] | None]
    reach: Mapped[int] = mapped_column(default=1)
    workload_id: Mapped[int | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    __table_args__ = (sa.Index("ix_tokens_user", "user_id", "kind"), sa.Index("ix_tokens_workload", "workload_id"))


class SignInLink(Base):
    """A one-time sign-in link; used once, short-lived, hashed."""

    __tablename__ = "sign_in_links"
    digest: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class StepUp(Base):
    """A proof of presence bound to a user and one browser session (TEN-17)."""

    __tablename__ = "step_ups"
    digest: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    session: Mapped[str] = mapped_column(sa.String(128))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class SignInAttempt(Base):
    """Failed sign-ins, for the limits of TEN-15; held here so that they survive restarts."""

    __tablename__ = "sign_in_attempts"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    account: Mapped[str] = mapped_column(sa.String(600))
    address: Mapped[str] = mapped_column(sa.String(64))
    at: Mapped[datetime]
    outcome: Mapped[str] = mapped_column(sa.String(16))
    __table_args__ = (
        sa.Index("ix_sign_in_attempts_account", "account", "address", "at"),
        sa.Index("ix_sign_in_attempts_address", "address", "at"),
    )


class MemberImport(Base):
    """A file of members being brought in, or tried (``dry_run``); ``rows`` are its lines as read (TEN-6)."""

    __tablename__ = "member_imports"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    tenant_id: Mapped[int] = mapped_column(sa.ForeignKey("tenants.id"))
    number: Mapped[int]
    task_id: Mapped[int] = mapped_column(sa.ForeignKey("tasks.id"))
    dry_run: Mapped[bool]
    encoding: Mapped[str] = mapped_column(sa.String(16))
    rows: Mapped[list[Any]]
    created_at: Mapped[datetime]
    __table_args__ = (sa.UniqueConstraint("tenant_id", "number"),)


class MemberImportLine(Base):
    """What became of one line; written with its effect, so that a restart goes on behind the last one."""

    __tablename__ = "member_import_lines"
    import_id: Mapped[int] = mapped_column(sa.ForeignKey("member_imports.id"), primary_key=True)
    line: Mapped[int] = mapped_column(primary_key=True)
    outcome: Mapped[str] = mapped_column(sa.String(16))
    name: Mapped[str] = mapped_column(sa.String(512), default="")
    problems: Mapped[list[Any]]
