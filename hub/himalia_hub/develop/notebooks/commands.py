"""``himalia admin preview-pod``: what a start would make, from the machine."""

from __future__ import annotations

from typing import Any

from himalia.cli import preview
from himalia.cli.tenancy import Way
from himalia_hub.tenancy.commands import over_the_platform


def register_admin(commands: Any) -> None:
    """Add the commands of notebooks."""
    preview.build(commands.add_parser("preview-pod", help=preview.HELP), Way(over_the_platform, machine=True))
