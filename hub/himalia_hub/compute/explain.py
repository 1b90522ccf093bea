"""Why work ended: from what the backend knows to a reason and a sentence in both languages. Pure.

Facts decide (exit code, signal, the limit that was reached); text of a log never does.
"""

from __future__ import annotations

import signal as signals
from collections.abc import Sequence
from dataclasses import dataclass

from himalia_hub.backends.protocol import ExitReason, ObservedReplica, ReplicaState, Resources
from himalia_hub.compute import resources as res
from himalia_hub.compute.phases import Reason


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why, in one reason and one sentence per language."""

    reason: Reason | None
    text: str = ""
    text_zh: str = ""
    exit_code: int | None = None


NOTHING = Explanation(None)
"""Nothing to explain."""


# The more a cause explains about the others, the earlier it stands: replicas of a gang that were
# stopped because one ran out of memory are explained by that one.
_ORDER = (
    ExitReason.OUT_OF_MEMORY,
    ExitReason.OUT_OF_DISK,
    ExitReason.START_FAILED,
    ExitReason.RUNNER_LOST,
    ExitReason.SIGNAL,
    ExitReason.EXIT_CODE,
    ExitReason.DEADLINE,
    ExitReason.STOPPED,
    ExitReason.COMPLETED,
)


def exit_reason(replica: ObservedReplica) -> ExitReason:
    """The replica's exit reason; a lost one has none of its own."""
    if replica.state is ReplicaState.LOST:
        return ExitReason.RUNNER_LOST
    return replica.exit_reason or ExitReason.RUNNER_LOST


def decisive(replicas: Sequence[ObservedReplica]) -> ObservedReplica:
    """The ended replica that explains why the attempt ended."""
    ended = [r for r in replicas if r.state in (ReplicaState.EXITED, ReplicaState.LOST)]
    return min(ended, key=lambda r: (_ORDER.index(exit_reason(r)), r.index))


def signal_name(number: int) -> str:
    try:
        return signals.Signals(number).name
    except ValueError:
        return f"signal {number}"


def explain(replica: ObservedReplica, resources: Resources, *, peak_memory: int = 0) -> Explanation:
    """The reason and sentence of one ended replica.

    Args:
        replica: The decisive replica.
        resources: What one replica was given.
        peak_memory: The most memory it was seen to use, bytes; 0 when unknown.
    """
    why = exit_reason(replica)
    code = replica.exit_code
    detail = replica.message.strip()
    used = max(peak_memory, replica.usage.memory_bytes if replica.usage else 0)
    if why is ExitReason.COMPLETED:
        return Explanation(None, "", "", code if code is not None else 0)
    if why is ExitReason.OUT_OF_MEMORY:
        limit = res.show(res.MEMORY, resources.memory_bytes)
        peak = min(used, resources.memory_bytes) if used else resources.memory_bytes
        return Explanation(
            Reason.OUT_OF_MEMORY,
            f"It ran out of memory: it needed more than its {limit} (seen at {res.show(res.MEMORY, peak)}) and was"
            " ended. Choose a size with more memory.",
            f"内存不足：所需内存超过上限 {limit}（曾达到 {res.show(res.MEMORY, peak)}），已被终止。"
            "请选择内存更大的规格。",
            code,
        )
    if why is ExitReason.OUT_OF_DISK:
        return Explanation(
            Reason.OUT_OF_DISK,
            f"It ran out of disk space and was ended. {detail}".strip(),
            f"磁盘空间不足，已被终止。{detail}".strip(),
            code,
        )
    if why is ExitReason.START_FAILED:
        image = any(step.name == "image" and step.state == "failed" for step in replica.steps)
        because = detail or "the backend gave no cause"
        failed = (step.detail_zh for step in replica.steps if step.state == "failed" and step.detail_zh)
        because_zh = next(failed, because)
        if image:
            return Explanation(
                Reason.IMAGE,
                f"Its runtime environment cannot be used: {because}",
                f"运行环境不可用：{because_zh}",
                code,
            )
        return Explanation(Reason.START_FAILED, f"It could not be started: {because}", f"无法启动：{because_zh}", code)
    if why is ExitReason.RUNNER_LOST:
        return Explanation(
            Reason.RUNNER_LOST,
            f"The process that supervised it on {replica.node or 'this machine'} ended, and the work with it."
            " What it had saved is kept; start it again.",
            f"{replica.node or '本机'}上的监护进程已结束，任务随之终止。已保存的内容仍在，请重新启动。",
            code,
        )
    if why is ExitReason.SIGNAL:
        name = signal_name(replica.signal or 0)
        return Explanation(
            Reason.SIGNAL,
            f"It was ended by {name}, sent from inside or outside the program; its memory limit was not reached.",
            f"被信号 {name} 终止；未达到内存上限。",
            code if code is not None else 128 + (replica.signal or 0),
        )
    if why is ExitReason.DEADLINE:
        return Explanation(
            Reason.DEADLINE, "It reached its longest allowed time and was ended.", "已达到最长运行时间，被终止。", code
        )
    if why is ExitReason.STOPPED:
        return Explanation(Reason.STOPPED_BY_USER, "It was stopped.", "已停止。", code)
    return Explanation(
        Reason.EXIT_CODE,
        f"The program ended with exit code {code}. The last lines of its log say more.",
        f"程序以退出码 {code} 结束。请查看日志的最后几行。",
        code,
    )
