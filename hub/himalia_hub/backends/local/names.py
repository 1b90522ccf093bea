"""Checks a plan before anything exists, and says which value broke which rule."""

from __future__ import annotations

import re

from himalia_hub.backends.checks import check_mounts, check_ports, check_work
from himalia_hub.backends.local.addresses import RESERVED_PORTS
from himalia_hub.backends.protocol import BackendError, WorkloadPlan

_SEGMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def check_segment(what: str, value: str) -> None:
    if not _SEGMENT.fullmatch(value):
        raise BackendError(f"{what} {value!r} is not a safe path segment", retryable=False)


def check_key(what: str, value: str) -> None:
    """A home's key: one or more safe segments joined by ``/``."""
    for part in value.split("/"):
        check_segment(what, part)


def check_plan(plan: WorkloadPlan) -> None:
    """Refuse what could never run or could leave its sandbox.

    Raises:
        BackendError: Not retryable; names the value and the rule.
    """
    for what, value in (("workload", plan.workload), ("tenant", plan.tenant), ("owner", plan.owner)):
        check_segment(what, value)
    check_work(plan)
    if not plan.image.startswith("/"):
        raise BackendError(f"image {plan.image!r} is not the path of a runtime environment", retryable=False)
    check_mounts(plan, lambda key: check_key("home key", key))
    check_ports(plan, RESERVED_PORTS)
