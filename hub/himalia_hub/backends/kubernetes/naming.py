"""Names and labels of what the backend makes, and what of a plan could never run on a cluster.

Names come from keys, never from people's words: ``w12`` attempt 3 is ``w12-3`` everywhere.
"""

from __future__ import annotations

import re

from himalia_hub.backends.checks import check_mounts, check_ports, check_work
from himalia_hub.backends.protocol import BackendError, WorkloadPlan

PREFIX = "himalia/"
MANAGER = "himalia"
"""The field manager of everything applied; also ``app.kubernetes.io/managed-by``."""
RELEASE, TENANT, WORKLOAD, ATTEMPT, KIND, OWNER, HOME = (
    PREFIX + name for name in ("release", "tenant", "workload", "attempt", "kind", "owner", "home")
)
STOP = PREFIX + "stop-asked-at"
"""Annotation: when the platform asked for the end; RFC 3339."""
GRACE = PREFIX + "stop-grace-seconds"
PLANNED = PREFIX + "planned"
"""Annotation of a Job, Deployment or pod: how many replicas were asked for."""
INDEX = "batch.kubernetes.io/job-completion-index"

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_WORKLOAD = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")
_OWNER = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_KEY_SEGMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


def namespace(release: str, tenant: str) -> str:
    """``<release>-<code>``.

    Raises:
        BackendError: The code is no DNS label or the two together are longer than 63.
    """
    name = f"{release}-{tenant}"
    if not _LABEL.fullmatch(tenant) or not _LABEL.fullmatch(name):
        raise BackendError(f"tenant {tenant!r} cannot name a namespace {name!r}: a-z, 0-9 and '-'", retryable=False)
    return name


def object_name(workload: str, attempt: int) -> str:
    return f"{workload}-{attempt}"


def home_claim(key: str) -> str:
    """``u12/n3`` is the claim ``home-u12-n3``.

    Raises:
        BackendError: The key has another shape.
    """
    parts = key.split("/")
    if not all(_KEY_SEGMENT.fullmatch(part) for part in parts):
        raise BackendError(f"home key {key!r} is not made of safe segments", retryable=False)
    # '-' joins and 'x' begins an escape: with both escaped, two keys never meet in one name.
    escaped = [re.sub(r"[^a-wyz0-9]", lambda match: f"x{ord(match[0]):02x}x", part) for part in parts]
    name = "home-" + "-".join(escaped)
    if len(name) > 200:
        raise BackendError(f"home key {key!r} is too long for a claim's name", retryable=False)
    return name


def check_workload(workload: str) -> None:
    if not _WORKLOAD.fullmatch(workload):
        raise BackendError(f"workload {workload!r} is not a DNS label of at most 40 characters", retryable=False)


def check_plan(plan: WorkloadPlan) -> None:
    """Refuse what could never run.

    Raises:
        BackendError: Not retryable; names the value and the rule.
    """
    check_workload(plan.workload)
    if not _LABEL.fullmatch(plan.tenant):
        raise BackendError(f"tenant {plan.tenant!r} is not a DNS label", retryable=False)
    if not _OWNER.fullmatch(plan.owner):
        raise BackendError(f"owner {plan.owner!r} is not a label's value", retryable=False)
    check_work(plan)
    if plan.resources.cpu_millis < 1 or plan.resources.memory_bytes < 1:
        raise BackendError("cpu_millis and memory_bytes must be above 0", retryable=False)
    check_ports(plan)
    if plan.probe is not None and plan.probe.statuses:
        raise BackendError(
            f"the probe wants exactly {plan.probe.statuses}; a kubelet's probe is content with any status below 400",
            retryable=False,
        )
    check_mounts(plan, home_claim, forbidden="\0:")
