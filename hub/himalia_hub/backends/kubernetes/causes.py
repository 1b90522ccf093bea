"""Why a start does not come on: one sentence, in English and Chinese, from facts of the pod. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from himalia_hub.backends.kubernetes.fit import Shortage
from himalia_hub.backends.protocol import ObservedReplica


@dataclass(frozen=True, slots=True)
class Cause:
    """A stable code and the sentence in both languages."""

    code: str
    text: str
    zh: str


_IMAGE_FOREVER = ("InvalidImageName", "ErrImageNeverPull")
IMAGE_WAITING = ("ErrImagePull", "ImagePullBackOff", "ImageInspectError", "RegistryUnavailable", *_IMAGE_FOREVER)
CONTAINER_WAITING = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")


def forever(reason: str) -> bool:
    """Waiting cannot help."""
    return reason in _IMAGE_FOREVER


def image(reason: str, message: str, image_name: str) -> Cause:
    """Why an image cannot be had."""
    low = message.lower()
    if reason == "InvalidImageName":
        return Cause("image_name", f"{image_name} is not an image's name.", f"{image_name} 不是合法的镜像名。")
    if reason == "ErrImageNeverPull":
        return Cause(
            "image_absent",
            f"The image {image_name} is not on the node, and pulling is switched off.",
            f"节点上没有镜像 {image_name}，且已关闭拉取。",
        )
    if "not found" in low or "manifest unknown" in low:
        return Cause("image_missing", f"The registry has no image {image_name}.", f"镜像仓库中没有镜像 {image_name}。")
    if "unauthorized" in low or "denied" in low or "forbidden" in low:
        return Cause(
            "image_denied",
            f"The registry does not let this cluster pull {image_name}.",
            f"镜像仓库不允许本集群拉取 {image_name}。",
        )
    if any(word in low for word in ("no such host", "timeout", "refused", "unreachable", "tls", "x509", "dial tcp")):
        return Cause(
            "registry_unreachable",
            f"The registry of {image_name} cannot be reached from the node.",
            f"节点无法连接 {image_name} 所在的镜像仓库。",
        )
    return Cause(
        "image_pull", f"The image {image_name} cannot be pulled: {message}", f"无法拉取镜像 {image_name}：{message}"
    )


def container(reason: str, message: str) -> Cause:
    if "secret" in message or "configmap" in message:
        return Cause("config", f"What it is configured with is missing: {message}.", f"缺少所需配置：{message}。")
    return Cause(
        "container", f"The container could not be made: {message or reason}.", f"无法创建容器：{message or reason}。"
    )


def unschedulable(message: str, shortage: Shortage | None) -> Cause:
    """Why no node takes the pod; with numbers where a resource is short."""
    if shortage is not None:
        most = f" ({shortage.node})" if shortage.node else ""
        if shortage.never:
            return Cause(
                "never_fits",
                f"No node is large enough: {shortage.show(shortage.asked)} is asked for and the largest node has"
                f" {shortage.show(shortage.most)}{most}.",
                f"没有足够大的节点：申请 {shortage.show(shortage.asked)}，最大的节点只有"
                f" {shortage.show(shortage.most)}{most}。",
            )
        return Cause(
            "unschedulable",
            f"No node has {shortage.show(shortage.asked)} free: the most on one node is"
            f" {shortage.show(shortage.most)}{most}, {shortage.show(shortage.missing)} is missing.",
            f"没有节点空闲 {shortage.show(shortage.asked)}：单节点最多空闲 {shortage.show(shortage.most)}{most}，"
            f"还差 {shortage.show(shortage.missing)}。",
        )
    if "unbound immediate PersistentVolumeClaims" in message or "persistentvolumeclaim" in message:
        return Cause(
            "volume", "Its storage is not there yet: a claim waits for a volume.", "存储尚未就绪：正在等待卷。"
        )
    if "node affinity" in message or "node selector" in message:
        return Cause("no_such_node", "No node has the labels that it asks for.", "没有节点带有所要求的标签。")
    if "untolerated taint" in message:
        return Cause(
            "reserved", "Every node that would fit is reserved for other work.", "所有合适的节点均保留给其他任务。"
        )
    return Cause("unschedulable", f"No node takes it: {message}", f"没有节点可以运行：{message}")


def mounts(events: Sequence[Mapping[str, Any]]) -> Cause | None:
    """Why volumes are not attached or mounted, from the newest event that says so."""
    for event in reversed(events):
        if event.get("reason") in ("FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox"):
            said = str(event.get("message", ""))
            return Cause("volume", f"A volume cannot be mounted: {said}", f"无法挂载存储卷：{said}")
    return None


_QUOTA = re.compile(r"exceeded quota: (\S+), requested: (\S+), used: (\S+), limited: (\S+)")


def refused(message: str) -> Cause:
    """Why the API server did not let a pod be made."""
    match = _QUOTA.search(message)
    if match:
        _name, asked, used, limit = match.groups()
        asked, used, limit = (text.rstrip(",") for text in (asked, used, limit))
        return Cause(
            "quota",
            f"The organisation's quota is full: {asked} is asked for, {used} of {limit} is used.",
            f"机构配额不足：申请 {asked}，已用 {used}，上限 {limit}。",
        )
    if "violates PodSecurity" in message:
        return Cause(
            "restricted", f"The cluster's rules forbid this pod: {message}", f"集群安全规则不允许该 Pod：{message}"
        )
    return Cause("refused", f"The cluster refused it: {message}", f"集群拒绝了该任务：{message}")


def held_by_ending(quota: Cause, ending: Sequence[str]) -> Cause:
    """A full quota that empties by itself: pods that were told to end still count."""
    names = ", ".join(sorted(ending)[:3]) + (" …" if len(ending) > 3 else "")
    held = f"{names} still holds it while ending" if len(ending) == 1 else f"{names} still hold it while ending"
    if not ending:
        held = "what ended is still being counted"
    held_zh = f"{names} 正在结束，尚未释放" if ending else "已结束的任务仍在计数"
    return Cause(
        "quota_ending",
        f"{quota.text.rstrip('.')}; {held}. The start is tried again by itself.",
        f"{quota.zh.rstrip('。')}；{held_zh}，系统会自动重试启动。",
    )


_ENDED_ZH = {
    "out_of_memory": "内存不足，已被终止。",
    "out_of_disk": "磁盘空间不足，已被终止。",
    "deadline": "已达到最长运行时间。",
    "stopped": "已停止。",
    "signal": "被信号终止。",
    "exit_code": "程序异常退出。",
    "completed": "服务器启动后立即退出。",
    "runner_lost": "所在节点失联或被回收。",
    "start_failed": "无法启动。",
}


def ended_zh(seen: ObservedReplica) -> str:
    """The Chinese of an ended replica's sentence, with its number where it has one."""
    reason = seen.exit_reason.value if seen.exit_reason is not None else "start_failed"
    number = f"（{seen.exit_code}）" if seen.exit_code else ""
    return f"{_ENDED_ZH[reason]}{number}"
