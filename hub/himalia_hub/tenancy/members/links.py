"""One-time sign-in links as administrators hand them out (TEN-6, TEN-19)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Session

from himalia_hub.core import clock
from himalia_hub.tenancy import service
from himalia_hub.tenancy.tables import User

if TYPE_CHECKING:
    from himalia_hub.platform.parts import Platform

INVITATION_LIFETIME = timedelta(days=3)
"""An invitation waits for a person to read a message; a forgotten password's link (15 minutes) does not."""


def invite(platform: Platform, session: Session, user: User) -> dict[str, Any]:
    """A new link; earlier unused ones end. A member who has a password gets a short-lived one."""
    lifetime = service.LINK_LIFETIME if user.password_hash is not None else INVITATION_LIFETIME
    token, expires = service.new_link(session, user.id, lifetime)
    return {
        "name": user.name,
        "url": f"{platform.config.public.hub_url}/hub/himalia/link?token={token}",
        "expires_at": clock.to_wire(expires),
    }
