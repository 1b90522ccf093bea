"""The life of an installation: prepare, start everything, say where it is, watch, stop in order."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from himalia.sdk.errors import HimaliaError
from himalia_hub.supervisor import demo, objects
from himalia_hub.supervisor.administration import Administration
from himalia_hub.supervisor.console import ISOLATION_SENTENCES, Console
from himalia_hub.supervisor.errors import SupervisorError
from himalia_hub.supervisor.options import DEFAULT_PORT, Options
from himalia_hub.supervisor.part import NotReady, Part, PartPlan, PartState
from himalia_hub.supervisor.plan import (
    HEALTH_PATH,
    INNER_PORTS,
    Layout,
    parts,
    program,
    write_settings,
)
from himalia_hub.supervisor.ports import choose_ports, is_free
from himalia_hub.supervisor.probes import http_probe
from himalia_hub.supervisor.state import StateDirectory

WORKLOADS_STOP_SECONDS = 30.0


def prepare(options: Options, state: StateDirectory, *, isolation: str, environments: Path) -> Layout:
    """Decide the ports and write every configuration file; the state directory is held.

    Raises:
        SupervisorError: the public port is taken, or a bundled program is missing.
    """
    earlier = state.installation()
    port = options.port or (earlier.port if earlier else None) or DEFAULT_PORT
    if not is_free(options.host, port):
        free = choose_ports(["public"], avoid={port})["public"]
        raise SupervisorError(
            f"Port {port} on {options.host} is taken by another program.",
            f"Choose another one, for example --port {free} (`make up PORT={free}`).",
        )
    installation = state.settle(INNER_PORTS, port=port)
    layout = Layout(options, state, installation, isolation, environments)
    write_settings(layout)
    # Hub and platform write their routes anew; a broken or outdated file would outlive its reason.
    for name in ("hub.toml", "gateway.yml"):
        state.path("traefik", "dyn", name).unlink(missing_ok=True)
    objects.format_once(program("juicefs"), state.root)
    return layout


class Supervisor:
    """Runs the parts of one prepared installation until a signal or a failure ends it."""

    def __init__(self, layout: Layout, console: Console, *, plans: list[PartPlan] | None = None) -> None:
        self.layout = layout
        self.console = console
        self._stop = asyncio.Event()
        self._stopping = False
        self._keepers: dict[str, asyncio.Task[None]] = {}
        logs = layout.state.path("logs")
        self.parts = [Part(plan, logs, self._changed) for plan in (plans if plans is not None else parts(layout))]

    async def run(self, announce: Callable[[], Coroutine[Any, Any, None]] | None = None) -> int:
        """Start everything, announce, watch. Answers the process's exit code.

        Raises:
            SupervisorError: a part could not be kept running.
        """
        self._catch_signals()
        for part in self.parts:
            self._keepers[part.plan.name] = asyncio.create_task(part.keep(), name=part.plan.name)
        try:
            if await self._until(self._all_ready()) and await self._until((announce or self.announce)()):
                await self._until(self._stop.wait())
        finally:
            await self.shut_down()
        return 0

    async def _all_ready(self) -> None:
        await asyncio.gather(*(part.became_ready.wait() for part in self.parts))
        through = http_probe(
            f"http://{self.layout.options.probe_host}:{self.layout.port}{HEALTH_PATH}",
            headers={"Host": self.layout.options.api_host},
        )
        deadline = time.monotonic() + 20
        while True:
            try:
                return await through()
            except NotReady:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.2)

    async def _until(self, work: Coroutine[Any, Any, Any]) -> bool:
        """Do the work; False when a stop was asked for first; a failed part raises here."""
        task = asyncio.ensure_future(work)
        stop = asyncio.ensure_future(self._stop.wait())
        watched = [task, stop, *self._keepers.values()]
        try:
            await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
            for keeper in self._keepers.values():
                if keeper.done() and not keeper.cancelled():
                    keeper.result()
            if task.done():
                task.result()
            return task.done() and not self._stop.is_set()
        except NotReady as error:
            raise SupervisorError(f"The installation does not answer through its gateway: {error}") from error
        finally:
            for pending in (task, stop):
                pending.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await pending

    async def announce(self) -> None:
        """Print what runs and how to get in."""
        layout = self.layout
        administration = Administration(layout.state.root, timeout_seconds=120.0)
        self.console.good("address", layout.hub_url)
        self.console.fact("programs", f"{layout.api_url}{HEALTH_PATH.removesuffix('/health')}")
        if not layout.options.loopback_only and layout.options.domain.endswith(".localhost"):
            self.console.fact("note", "other machines need a domain of yours: --domain and --api-host")
        for title, link in await asyncio.to_thread(administration.first_links):
            self.console.link(f"Sign in as the {title} with this link; it works once:", link)
        if layout.options.demo:
            await self._announce_demo(administration)
        self.console.fact("stop", "Ctrl-C ends all that was started; the next start continues")

    async def _announce_demo(self, administration: Administration) -> None:
        """The demo is an extra: without it the installation is as good, so a failure is a line."""
        layout = self.layout
        try:
            pictures = await asyncio.to_thread(demo.write_pictures, layout.environments_root, layout.state.root)
            self.console.fact("pictures", str(pictures))
            made = await asyncio.to_thread(demo.make_demo, administration)
            said = await asyncio.to_thread(demo.import_pictures, layout.api_url, made["token"], pictures)
        except (SupervisorError, HimaliaError) as error:
            self.console.bad("demo", str(error))
            return
        self.console.fact("demo", f"organisation {made['tenant']}; data set {said}")
        for user in made["users"]:
            if user.get("link_token"):
                address = administration.link_address(user["link_token"])
                self.console.link(f"Sign in as {user['name']} ({user['role']}) of the demo, once:", address)

    async def shut_down(self) -> None:
        """Workloads first (unless kept), then the parts from the last to the first."""
        self._stopping = True
        self.console.fact("stopping", "workloads are kept" if self.layout.options.keep_workloads else "…")
        with contextlib.suppress(SupervisorError):
            await asyncio.to_thread(self._end_workloads)
        for part in reversed(self.parts):
            await part.stop()
            keeper = self._keepers.get(part.plan.name)
            if keeper is not None:
                keeper.cancel()
                with contextlib.suppress(asyncio.CancelledError, SupervisorError):
                    await keeper
        self.console.fact("stopped", f"state is kept in {self.layout.state.root}")

    def _end_workloads(self) -> None:
        platform = next((part for part in self.parts if part.plan.name == "platform"), None)
        if platform is None or platform.state is not PartState.READY:
            return
        administration = Administration(self.layout.state.root, timeout_seconds=10.0)
        keep = self.layout.options.keep_workloads
        administration.call("POST", "admin/shutdown", {"keep_workloads": keep})
        deadline = time.monotonic() + WORKLOADS_STOP_SECONDS
        while not keep and time.monotonic() < deadline:
            counts = administration.call("GET", "admin/status").get("workloads", {})
            if not sum(counts.get(phase, 0) for phase in ("starting", "running", "stopping")):
                return
            time.sleep(0.3)

    def _catch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._on_signal, number)

    def _on_signal(self, number: signal.Signals) -> None:
        if self._stop.is_set():
            # Asked twice: the parts die with this process.
            os._exit(128 + number)
        self._stop.set()

    def _changed(self, part: Part, message: str) -> None:
        name = part.plan.name
        if part.state is PartState.READY:
            again = f", started {part.restarts + 1} times" if part.restarts else ""
            took = time.monotonic() - (part.started_at or time.monotonic())
            self.console.good(name, f"ready in {took:.1f} s{again}")
        elif (part.state is PartState.WAITING and not self._stopping) or (message and not self._stopping):
            self.console.bad(name, message)


def describe_isolation(level: str) -> str:
    return ISOLATION_SENTENCES.get(level, level)
