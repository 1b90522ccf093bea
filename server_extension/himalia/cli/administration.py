"""The groups of commands that administer: the same for a person with a token and for the machine."""

from __future__ import annotations

import argparse

from himalia.cli import roles, security, tenancy
from himalia.cli.tenancy import Way

HELP = {**tenancy.HELP, "roles": "list, create, delete and grant roles", **security.HELP}


def build(name: str, group: argparse.ArgumentParser, way: Way) -> None:
    """The parser of one of the groups."""
    if name in tenancy.HELP:
        tenancy.build(name, group, way)
    elif name == "roles":
        roles.build(group, way)
    else:
        security.build(name, group, way)
