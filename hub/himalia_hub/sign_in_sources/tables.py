"""Configured sources, and what each external person's directory said at the last sign-in."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from himalia_hub.core.db import Base, BigId


class SignInSource(Base):
    """One source. ``name`` is half of its users' identity and never changes.

    ``settings`` are the authenticator's; ``sealed_secrets`` is sealed JSON of those that are secret.
    ``origin`` is ``api``, or ``file`` for what ``jupyterhub_config.py`` declares (read-only here).
    """

    __tablename__ = "sign_in_sources"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(32), unique=True)
    title: Mapped[str] = mapped_column(sa.String(64))
    kind: Mapped[str] = mapped_column(sa.String(200))
    origin: Mapped[str] = mapped_column(sa.String(8), default="api")
    enabled: Mapped[bool] = mapped_column(default=True)
    settings: Mapped[dict[str, Any]]
    sealed_secrets: Mapped[str] = mapped_column(sa.Text, default="")
    mapping: Mapped[dict[str, Any]]
    auto_provision: Mapped[bool] = mapped_column(default=False)
    allow_private: Mapped[bool] = mapped_column(default=False)
    case_sensitive: Mapped[bool] = mapped_column(default=True)
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
    """A deleted source keeps its row while it has users, so that nobody can take their names over."""


class ExternalIdentity(Base):
    """What a source said of a person: what it grants, it alone takes away again."""

    __tablename__ = "external_identities"
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"), primary_key=True)
    subject: Mapped[str] = mapped_column(sa.String(512), default="")
    """The provider's unchanging id, where it has one: a name given to somebody else is noticed."""
    roles: Mapped[list[Any]]
    groups: Mapped[list[Any]]
    department: Mapped[str] = mapped_column(sa.String(255), default="")
    at: Mapped[datetime]
