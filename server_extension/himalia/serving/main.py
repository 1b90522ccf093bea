"""Starts a replica: load, listen, answer a sample, be ready; on SIGTERM finish what is in hand."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from himalia.serving.app import Replica, application
from himalia.serving.model import LoadError, Model

MIB = 1024 * 1024


def parser() -> argparse.ArgumentParser:
    environment = os.environ.get
    result = argparse.ArgumentParser(prog="python -m himalia.serving", description="Serve one ONNX model over HTTP.")
    add = result.add_argument
    add("--model-dir", type=Path, default=Path("/usr/local/serving/models"))
    add("--port", type=int, default=8080, help="0 takes a free one")
    add("--address", default="0.0.0.0", help="where to listen; the network around a replica is the platform's")
    add("--name", default=environment("HIMALIA_MODEL_NAME") or "model")
    add("--version", default=environment("HIMALIA_MODEL_VERSION") or "V0001")
    add("--max-pixels", type=int, default=50_000_000, help="of one picture")
    add("--max-body-bytes", type=int, default=100 * MIB, help="of one request")
    add(
        "--threads",
        type=int,
        default=int(environment("HIMALIA_THREADS") or 0),
        help="0: by the CPUs in reach",
    )
    grace = float(environment("HIMALIA_GRACE_SECONDS") or 10)
    add("--grace-seconds", type=float, default=grace * 0.8, help="to finish requests after SIGTERM")
    return result


def _say(message: str, *, error: bool = False) -> None:
    stream = sys.stderr if error else sys.stdout
    stream.write(message + "\n")
    stream.flush()


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    try:
        model = Model(arguments.model_dir, threads=arguments.threads)
        return asyncio.run(_serve(arguments, model))
    except (LoadError, MemoryError) as error:
        _say(str(error) or "The model does not fit into the memory of this replica.", error=True)
        return 3
    except OSError as error:
        _say(f"Port {arguments.port} cannot be used: {error.strerror}.", error=True)
        return 4


async def _serve(arguments: argparse.Namespace, model: Model) -> int:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    with ThreadPoolExecutor(1, "model") as runner, ThreadPoolExecutor(2, "decode") as decoders:
        replica = Replica(model, arguments.name, arguments.version, arguments.max_pixels, runner, decoders)
        server = HTTPServer(
            application(replica),
            max_body_size=arguments.max_body_bytes,
            max_buffer_size=arguments.max_body_bytes + MIB,
        )
        sockets = bind_sockets(arguments.port, arguments.address)
        server.add_sockets(sockets)
        _say(f"Listening on port {sockets[0].getsockname()[1]}; answering a sample.")
        what = await loop.run_in_executor(runner, model.answer_sample, arguments.max_pixels)
        replica.ready = True
        _say(f"Ready: {arguments.name} {arguments.version} answered {what}.")
        await stopped.wait()
        replica.ready, replica.stopping = False, True
        server.stop()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(replica.quiet(), arguments.grace_seconds)
        await server.close_all_connections()
        _say("Stopped.")
    return 0
