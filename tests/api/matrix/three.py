"""The two roles that only an installation with separated duties gives, so that each has its column."""

from __future__ import annotations

from sqlalchemy.orm import Session

from himalia_hub.auth import permissions
from tests.support.service import PEOPLE, World, add_person

THREE = {"system": (permissions.SYSTEM_ADMIN,), "security": (permissions.SECURITY_ADMIN,)}
"""Word → roles of the people whom no ordinary world has; the auditor is among its people already."""
ROLES_OF = {**PEOPLE, **THREE}


def add_the_three(world: World) -> None:
    """Give *alpha* one person of each role that excludes others."""

    def work(session: Session) -> None:
        for word, roles in THREE.items():
            name = f"{world.alpha.code}{word}"
            made = add_person(world.live, session, world.alpha.tenant_id, name, roles, world.alpha.department_id)
            world.alpha.people[word] = made

    world.live.write(work)
