"""A command inside a running container, over the API server's WebSocket."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import aiohttp

from himalia_hub.backends.kubernetes.api import Cluster
from himalia_hub.backends.protocol import BackendError

_PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
_STDOUT, _STDERR, _ERROR = 1, 2, 3
OUTPUT_MAX = 1 << 20


async def execute(
    cluster: Cluster, namespace: str, pod: str, container: str, command: Sequence[str]
) -> tuple[int, bytes]:
    """Run a command; answers its exit code and both streams in the order they came, 1 MiB at most.

    A command that cannot be started answers 127 with the runtime's words, as a shell would.

    Raises:
        BackendError: The container does not run, or the connection broke.
    """
    query = [("container", container), ("stdout", "true"), ("stderr", "true")]
    query += [("command", part) for part in command]
    socket = await cluster.socket(f"/api/v1/namespaces/{namespace}/pods/{pod}/exec", query, _PROTOCOLS)
    output = bytearray()
    try:
        async for message in socket:
            if message.type is not aiohttp.WSMsgType.BINARY or not message.data:
                continue
            channel, data = message.data[0], message.data[1:]
            if channel in (_STDOUT, _STDERR):
                output += data[: OUTPUT_MAX - len(output)]
            elif channel == _ERROR:
                code, said = _outcome(json.loads(data))
                return code, bytes(output) + said
    except aiohttp.ClientError as error:
        raise BackendError(f"the connection to the command broke: {error}", retryable=True) from error
    finally:
        await socket.close()
    raise BackendError("the replica ended while the command ran", retryable=False)


def _outcome(status: dict[str, Any]) -> tuple[int, bytes]:
    if status.get("status") == "Success":
        return 0, b""
    for cause in (status.get("details") or {}).get("causes", ()):
        if cause.get("reason") == "ExitCode":
            return int(cause["message"]), b""
    message = str(status.get("message", ""))
    if "executable file not found" in message or "no such file or directory" in message:
        return 127, message.encode()
    if "permission denied" in message:
        return 126, message.encode()
    raise BackendError(f"the command could not be run: {message}", retryable=False)
