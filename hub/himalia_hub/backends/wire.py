"""A plan as JSON and back: how the platform hands a launch to the hub's spawner on a cluster."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from himalia_hub.backends.protocol import (
    FileMount,
    FolderMount,
    HomeMount,
    HttpProbe,
    Mount,
    NodeTerm,
    Placement,
    Port,
    Resources,
    ScratchMount,
    WorkloadPlan,
)

_MOUNTS: dict[str, type[Mount]] = {
    "home": HomeMount,
    "folder": FolderMount,
    "file": FileMount,
    "scratch": ScratchMount,
}
_NAMES = {kind: name for name, kind in _MOUNTS.items()}


def to_wire(plan: WorkloadPlan) -> dict[str, Any]:
    """Everything of a plan, secrets too: for the internal API only."""
    found = asdict(plan)
    found["mounts"] = [{"is": _NAMES[type(mount)], **asdict(mount)} for mount in plan.mounts]
    return found


def from_wire(data: dict[str, Any]) -> WorkloadPlan:
    """The plan that :func:`to_wire` wrote.

    Raises:
        KeyError, TypeError: Something else wrote it.
    """
    given = dict(data)
    mounts = [dict(mount) for mount in given["mounts"]]
    probe, wanted = given["probe"], dict(given["placement"])
    wanted["terms"] = tuple(NodeTerm(**{**term, "values": tuple(term["values"])}) for term in wanted["terms"])
    wanted["tolerated"] = tuple(wanted["tolerated"])
    return WorkloadPlan(
        **{
            **given,
            "command": tuple(given["command"]),
            "resources": Resources(**given["resources"]),
            "mounts": tuple(_MOUNTS[mount.pop("is")](**mount) for mount in mounts),
            "ports": tuple(Port(**port) for port in given["ports"]),
            "probe": HttpProbe(**{**probe, "statuses": tuple(probe["statuses"])}) if probe is not None else None,
            "placement": Placement(**wanted),
        }
    )
