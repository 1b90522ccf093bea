"""BEY-2: why a start does not come on, in one sentence of each language, from facts of the pod alone."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from himalia_hub.backends.kubernetes import causes, facts
from himalia_hub.backends.kubernetes.causes import Cause
from himalia_hub.backends.kubernetes.facts import Surroundings
from himalia_hub.backends.kubernetes.fit import Shortage
from himalia_hub.backends.protocol import ExitReason, ObservedWorkload, ReplicaState
from himalia_hub.compute.change import steps_of

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
GIB = 1 << 30
IMAGE = "registry.example/team/science:1"
CHINESE = re.compile("[一-鿿]")


def pod(status: dict[str, Any], *, node: str = "", events: Any = None) -> dict[str, Any]:
    container = {"name": "main", "image": IMAGE, "resources": {"limits": {"memory": "1Gi"}}, "command": ["jupyterhub"]}
    spec = {"containers": [container], "restartPolicy": "Never", **({"nodeName": node} if node else {})}
    return {
        "metadata": {"name": "w1-1", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": spec,
        "status": {"phase": "Pending", **status},
    }


def unschedulable(message: str) -> dict[str, Any]:
    return pod({"conditions": [{"type": "PodScheduled", "status": "False", "message": message}]})


PLACED = {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-01-01T00:00:01Z"}


MOUNTED = {"type": "PodReadyToStartContainers", "status": "True", "lastTransitionTime": "2026-01-01T00:00:03Z"}


def waiting(reason: str, message: str = "", *conditions: dict[str, str]) -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": message}}
    return pod({"conditions": [PLACED, *conditions], "containerStatuses": [{"name": "main", "state": state}]}, node="n")


def around(**more: Any) -> Surroundings:
    return Surroundings(now=BEGAN + timedelta(seconds=30), seen_at=BEGAN, **more)


def short(*, never: bool = False) -> Surroundings:
    return around(shortage=Shortage("nvidia.com/gpu", 4, 1, "a100-2", never))


NOT_MOUNTED = ({"reason": "FailedMount", "message": "timed out waiting for home-0"},)
TABLE = [
    pytest.param(
        unschedulable("0/3 nodes are available: 3 Insufficient nvidia.com/gpu."),
        short(),
        (
            "unschedulable",
            "scheduled",
            "4 × nvidia.com/gpu",
            "3 × nvidia.com/gpu is missing",
            "还差 3 × nvidia.com/gpu",
        ),
        id="resource short",
    ),
    pytest.param(
        unschedulable("0/3 nodes are available: 3 Insufficient nvidia.com/gpu."),
        short(never=True),
        ("never_fits", "scheduled", "No node is large enough", "largest node has 1 ×", "没有足够大的节点"),
        id="never",
    ),
    pytest.param(
        unschedulable("pod has unbound immediate PersistentVolumeClaims"),
        around(),
        ("volume", "scheduled", "a claim waits for a volume", "", "正在等待卷"),
        id="claim",
    ),
    pytest.param(
        unschedulable("0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector."),
        around(),
        ("no_such_node", "scheduled", "labels", "", "标签"),
        id="labels",
    ),
    pytest.param(
        unschedulable("0/2 nodes are available: 2 node(s) had untolerated taint {team: x}."),
        around(),
        ("reserved", "scheduled", "reserved for other work", "", "保留给其他任务"),
        id="taint",
    ),
    pytest.param(
        waiting("ErrImagePull", "manifest unknown"),
        around(),
        ("image_missing", "image", f"no image {IMAGE}", "", "没有镜像"),
        id="image missing",
    ),
    pytest.param(
        waiting("ImagePullBackOff", "unauthorized: authentication required"),
        around(),
        ("image_denied", "image", "does not let this cluster pull", IMAGE, "不允许"),
        id="image denied",
    ),
    pytest.param(
        waiting("ErrImagePull", "dial tcp: lookup registry.example: no such host"),
        around(),
        ("registry_unreachable", "image", "cannot be reached", IMAGE, "无法连接"),
        id="registry away",
    ),
    pytest.param(
        waiting("InvalidImageName"),
        around(),
        ("image_name", "image", "is not an image's name", IMAGE, "不是合法的镜像名"),
        id="image name",
    ),
    pytest.param(
        waiting("CreateContainerConfigError", 'secret "w1-1" not found', MOUNTED),
        around(),
        ("config", "server", 'secret "w1-1" not found', "", "缺少所需配置"),
        id="secret missing",
    ),
    pytest.param(
        waiting("ContainerCreating"),
        around(events=NOT_MOUNTED),
        ("volume", "mounts", "timed out waiting for home-0", "", "无法挂载"),
        id="mount",
    ),
]


@pytest.mark.parametrize(("found", "where", "expected"), TABLE)
def test_a_start_that_does_not_come_on_says_why(
    found: dict[str, Any], where: Surroundings, expected: tuple[str, str, str, str, str]
) -> None:
    """The sentence stands at the step that waits, in both languages."""
    code, step, first, second, zh = expected
    cause = facts.cause_of(found, where)
    assert cause is not None and cause.code == code
    assert first in cause.text and second in cause.text and zh in cause.zh
    seen = facts.observe_pod(found, 0, where)
    (told,) = [item for item in seen.steps if item.detail == cause.text]
    assert (told.name, told.detail_zh) == (step, cause.zh)
    assert told.state in ("active", "failed")
    kept = steps_of(ObservedWorkload("w1", 1, (seen,)))
    assert next(item for item in kept if item["name"] == step)["detail"] == cause.text, "whole, also with a path in it"


def ended(why: str, code: int, **more: Any) -> dict[str, Any]:
    state = {
        "reason": why,
        "exitCode": code,
        "startedAt": "2026-01-01T00:00:05Z",
        "finishedAt": "2026-01-01T00:00:09Z",
    }
    status = {"name": "main", "state": {"terminated": state}}
    return pod({"phase": "Failed", "conditions": [PLACED], "containerStatuses": [status], **more}, node="n")


@pytest.mark.parametrize(
    ("found", "reason", "said", "zh"),
    [
        pytest.param(
            ended("OOMKilled", 137), ExitReason.OUT_OF_MEMORY, "the limit is 1.0 GiB", "内存不足", id="memory"
        ),
        pytest.param(ended("Error", 3), ExitReason.EXIT_CODE, "exit code 3", "程序异常退出。（3）", id="crash"),
        pytest.param(ended("Error", 139), ExitReason.SIGNAL, "SIGSEGV", "信号", id="signal"),
        pytest.param(
            ended("StartError", 128),
            ExitReason.START_FAILED,
            "jupyterhub could not be started",
            "无法启动",
            id="command",
        ),
        pytest.param(
            ended("Error", 137, reason="Evicted", message="Usage of EmptyDir volume tmp exceeds the limit"),
            ExitReason.OUT_OF_DISK,
            "ran out of disk space",
            "磁盘空间不足",
            id="disk",
        ),
    ],
)
def test_a_start_that_ended_says_why(found: dict[str, Any], reason: ExitReason, said: str, zh: str) -> None:
    seen = facts.observe_pod(found, 0, around())
    assert seen.state is ReplicaState.EXITED and seen.exit_reason is reason
    assert said in seen.message and zh in causes.ended_zh(seen)


def test_a_refusal_of_the_quota_names_the_numbers() -> None:
    full = "requested: requests.cpu=4, used: requests.cpu=7, limited: requests.cpu=8"
    told = f'pods "w1-1" is forbidden: exceeded quota: himalia, {full}'
    cause = causes.refused(told)
    assert cause == Cause(
        "quota",
        "The organisation's quota is full: requests.cpu=4 is asked for, requests.cpu=7 of requests.cpu=8 is used.",
        "机构配额不足：申请 requests.cpu=4，已用 requests.cpu=7，上限 requests.cpu=8。",
    )
    waits = causes.held_by_ending(cause, ["b-1", "a-1"])
    assert waits.text.endswith("is used; a-1, b-1 still hold it while ending. The start is tried again by itself.")
    assert "a-1, b-1 正在结束" in waits.zh
    assert "still being counted" in causes.held_by_ending(cause, []).text


@pytest.mark.parametrize(("found", "where", "_expected"), TABLE)
def test_each_cause_is_one_sentence_in_each_language(
    found: dict[str, Any], where: Surroundings, _expected: Any
) -> None:
    cause = facts.cause_of(found, where)
    assert cause is not None and "\n" not in cause.text + cause.zh
    assert not CHINESE.search(cause.text) and CHINESE.search(cause.zh)
    assert cause.text[-1] in ".:" or ": " in cause.text
