"""The shim's Unix socket, by which the platform runs a command inside. Standard library only.

One request a connection: a line of JSON ``{"command": […], "timeout_seconds": n}``; the answer is
a line ``{"exit_code": n, "bytes": n}`` and that many bytes of output.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket

from himalia_hub.backends.local import journal, sandbox
from himalia_hub.backends.local.loop import IN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from himalia_hub.backends.local.shim import Shim

OUTPUT_BYTES_MAX = 1 << 20


def address(directory_fd: int) -> str:
    """A name for the socket that is short whatever the state directory is called."""
    return f"/proc/self/fd/{directory_fd}/{journal.CONTROL}"


class ControlServer:
    def __init__(self, shim: Shim) -> None:
        self._shim = shim
        directory = os.open(shim.directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(address(directory))
        os.close(directory)
        self._listener.listen(16)
        self._listener.setblocking(False)
        shim.loop.watch(self._listener.fileno(), IN, self._accept)

    def _accept(self, _events: int) -> None:
        with contextlib.suppress(BlockingIOError):
            client, _ = self._listener.accept()
            client.setblocking(False)
            data = b""

            def readable(_events: int) -> None:
                nonlocal data
                piece = client.recv(65536)
                data += piece
                if not piece or b"\n" in data:
                    self._shim.loop.forget(client.fileno())
                    if piece:
                        self._execute(client, json.loads(data))
                    else:
                        client.close()

            self._shim.loop.watch(client.fileno(), IN, readable)

    def _execute(self, client: socket.socket, request: dict[str, object]) -> None:
        shim = self._shim
        if shim.space is None or not shim.command_pid or shim.wait_status is not None:
            _answer(client, 126, b"himalia: it is not running\n")
            return
        command = [str(word) for word in request["command"]]  # type: ignore[attr-defined]
        pid, output = sandbox.execute_inside(
            shim.level,
            shim.command_pid,
            shim.space,
            shim.group,
            command,
            shim.environment,
            shim.spec["working_directory"],
        )
        collected = bytearray()
        timed_out = False

        def expire() -> None:
            nonlocal timed_out
            timed_out = True
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

        timer = shim.loop.later(float(str(request.get("timeout_seconds", 60))), expire)

        def readable(_events: int) -> None:
            piece = os.read(output, 65536)
            room = OUTPUT_BYTES_MAX - len(collected)
            collected.extend(piece[:room])
            if not piece:
                shim.loop.forget(output)
                os.close(output)
                timer.cancel()
                _, status = os.waitpid(pid, 0)
                code = os.waitstatus_to_exitcode(status)
                _answer(client, 124 if timed_out else code if code >= 0 else 128 - code, bytes(collected))

        shim.loop.watch(output, IN, readable)


def _answer(client: socket.socket, code: int, output: bytes) -> None:
    client.setblocking(True)
    client.settimeout(2.0)
    with contextlib.suppress(OSError):
        client.sendall(json.dumps({"exit_code": code, "bytes": len(output)}).encode() + b"\n" + output)
    client.close()
