"""Provides the register of what follows from somebody's standing, and the keeper of organisations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from himalia_hub.core.belongings import Belongings
from himalia_hub.core.standing import Standing
from himalia_hub.tenancy.organisations.controller import OrganisationKeeper

if TYPE_CHECKING:
    from himalia_hub.platform.parts import Platform


def setup(platform: Platform) -> None:
    belongings = Belongings(apart=("notebooks",))
    platform.provide(Standing(owns=[belongings.owned], hand_overs=[belongings.hand_over]))
    platform.controllers.add(OrganisationKeeper(platform))
