"""Why a replica ended, from facts: wait status, the kernel's counters, what the shim itself did.

Standard library only: shims load this.
"""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from himalia_hub.backends.local.shim import Shim

_OOM_RECENT_SECONDS = 10.0


class Ending:
    """A reason of ``ExitReason`` with its sentence and whatever numbers belong to it."""

    __slots__ = ("exit_code", "message", "reason", "signal")

    def __init__(
        self, reason: str, message: str, exit_code: int | None = None, signal_number: int | None = None
    ) -> None:
        self.reason = reason
        self.message = message
        self.exit_code = exit_code
        self.signal = signal_number


def size(count: int) -> str:
    """A byte count as people read it, in binary units: ``512.0 MiB``."""
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} B"


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def split_status(shim: Shim) -> tuple[int | None, int | None]:
    """(exit code, signal) of the command itself.

    bubblewrap folds a signal into 128 + n. The kernel is asked first (Linux 6.15); where it cannot
    tell, the code is read back as shells do.
    """
    from himalia_hub.backends.local import linux

    status = shim.wait_status or 0
    if shim.level != "unsafe" and shim.command_pidfd >= 0:
        exact = linux.exit_status(shim.command_pidfd)
        if exact is not None:
            status = exact
            return (None, os.WTERMSIG(status)) if os.WIFSIGNALED(status) else (os.WEXITSTATUS(status), None)
    if os.WIFSIGNALED(status):
        return None, os.WTERMSIG(status)
    code = os.WEXITSTATUS(status)
    if shim.level != "unsafe" and 128 < code < 128 + signal.NSIG:
        return None, code - 128
    return code, None


def judge(shim: Shim) -> Ending:
    """The one reason for the end of a workload that had been started."""
    code, number = split_status(shim)
    if shim.ending is not None:
        return Ending(shim.ending.reason, shim.ending.message, code, number)
    executed = shim.level == "unsafe" or b'"exit-code"' in shim._status_bytes
    if not executed and not os.WIFSIGNALED(shim.wait_status or 0):
        return Ending("start_failed", _start_message(shim))
    if (number is not None or code) and _ran_out_of_memory(shim, code, number):
        limit, peak = shim.spec["memory_bytes"], shim.meter.peak
        text = f"It ran out of memory: the limit is {size(limit)}, the highest use was {size(peak)}."
        return Ending("out_of_memory", text, code, number)
    if number is not None:
        return Ending("signal", f"It was ended by {signal_name(number)}.", None, number)
    if code:
        problem = shim.disk.final_problem()
        if problem is not None:
            return Ending("out_of_disk", problem, code, None)
        return Ending("exit_code", f"It ended with exit code {code}.", code, None)
    return Ending("completed", "It completed.", 0, None)


def _ran_out_of_memory(shim: Shim, code: int | None, number: int | None) -> bool:
    """Whether the kernel killed for memory and that is what ended the command.

    The command itself was killed, or a child of it was (a shell then answers 137, a launcher 1)
    a moment before it failed.
    """
    if shim.meter.oom_kills == 0:
        return False
    killed = number == signal.SIGKILL or code == 128 + signal.SIGKILL
    return killed or shim.ended_at - shim.meter.last_oom_at < _OOM_RECENT_SECONDS


def _start_message(shim: Shim) -> str:
    said = shim.log.tail.decode(errors="replace").strip().splitlines()
    detail = said[-1].removeprefix("bwrap: ") if said else "no reason given"
    return f"The command {shim.spec['command'][0]} could not be started: {detail}."
