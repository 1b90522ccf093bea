"""``himalia preview-pod``: the pod that a start would make, as YAML, before anything is saved or started."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from himalia.cli.notebooks import profile_option, profile_options
from himalia.cli.tenancy import Way

if TYPE_CHECKING:
    from himalia.sdk.client import Client

HELP = "the pod that a start would make, as YAML; makes nothing"
GIB = 2**30


def build(group: argparse.ArgumentParser, way: Way) -> None:
    """The parser; the machine's administrator has no notebooks and so names a member."""
    way.command(group, _preview)
    group.add_argument("spec", nargs="?", help="basic resource spec (default: the smallest)")
    group.add_argument("--accelerator", help="accelerator spec, added to the basic one")
    group.add_argument("--cpu", type=float, help="CPUs of a spec that is not saved, with --memory instead of SPEC")
    group.add_argument("--memory", type=float, help="its memory in GiB")
    group.add_argument("--environment", default="", help="runtime environment (default: the first)")
    group.add_argument("--profile", help="slug of a profile of the hub's configuration")
    profile_option(group)
    group.add_argument("--member", required=way.machine, help="whose notebook (default: yours)")
    group.add_argument("--organisation", required=way.machine, help="the member's organisation (default: yours)")


def _preview(client: Client, arguments: argparse.Namespace) -> Any:
    draft = None
    if arguments.cpu is not None or arguments.memory is not None:
        draft = {
            "cpu_millis": round((arguments.cpu or 0) * 1000),
            "memory_bytes": round((arguments.memory or 0) * GIB),
        }
    found = client.admin.preview_pod(
        arguments.spec,
        accelerator=arguments.accelerator,
        draft=draft,
        environment=arguments.environment,
        profile=arguments.profile,
        profile_options=profile_options(arguments),
        member=arguments.member,
        organisation=arguments.organisation,
    )
    return found if arguments.json else found.yaml.rstrip("\n")
