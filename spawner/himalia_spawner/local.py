"""``HimaliaLocalSpawner``: notebooks on the platform's own machine, in its sandboxes.

``start`` hands the platform the variables that make a single-user server belong to this hub and
waits until the platform says that the server answered; ``poll`` and ``stop`` ask the platform.
A refusal or a failed start raises an error whose text is meant for the person.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from jupyterhub.spawner import Spawner, SpawnException
from traitlets import Any as AnyTrait
from traitlets import Float, Unicode

from himalia_hub.backends.local.addresses import HUB_PORT, LOOPBACK
from himalia_hub.config.platform_client import Refused, Unreachable
from himalia_spawner.attempts import RemembersAttempt

NOTEBOOK_PORT = 8888
ENDED = frozenset({"stopped", "failed", "succeeded", "timed_out"})
STEP_NAMES = ("admitted", "scheduled", "image", "mounts", "server")


class HimaliaLocalSpawner(RemembersAttempt, Spawner):  # type: ignore[misc]
    """Starts a named server as a workload of the platform; see the module's docstring."""

    platform = AnyTrait(help="The platform's internal API; set at start.").tag(config=True)
    hub_url = Unicode(help="The hub's public address, without a trailing slash.").tag(config=True)
    observe_seconds = Float(
        0.4, help="Seconds between two questions to the platform while a server starts or stops."
    ).tag(config=True)
    stop_grace_seconds = Float(10.0, help="Seconds a server is given to save and end before it is killed.").tag(
        config=True
    )

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._last_state: dict[str, Any] | None = None
        # Inside its network a server sees loopback only: there it listens, there is the hub's API.
        self.ip = LOOPBACK
        self.port = NOTEBOOK_PORT
        self.hub_connect_url = f"http://{LOOPBACK}:{HUB_PORT}"
        # Nothing of the hub's own environment reaches a person's server.
        self.env_keep: list[str] = []
        self.cmd = ["jupyterhub-singleuser"]
        self.default_url = "/lab"

    # What the hub remembers between its starts.

    def clear_state(self) -> None:
        super().clear_state()
        self._last_state = None

    # The three questions of the hub.

    async def start(self) -> str:
        """Have the platform run the server; answers its address once it is ready.

        Raises:
            SpawnException: refused, or the attempt ended first; the message says why.
        """
        try:
            answer = await self.platform.post(self._path("launch"), self._launch_request())
        except Refused as error:
            raise self._refusal(error.problem.sentence, error.problem.code) from error
        except Unreachable as error:
            raise self._refusal(
                "The platform is restarting. Start the notebook again in a moment.", "backend_unavailable"
            ) from error
        self.attempt = int(answer["attempt"])
        return await self._wait_ready()

    async def draft(self) -> dict[str, Any]:
        """What a start would hand to the platform; starts nothing."""
        return self._launch_request()

    def _launch_request(self) -> dict[str, Any]:
        return {
            "environment": self.get_env(),
            "command": [*self.cmd, *self.get_args()],
            "port": NOTEBOOK_PORT,
            "path": self.server.base_url,
        }

    async def _wait_ready(self) -> str:
        """Until the platform reports an address that answered, or an end."""
        while True:
            state = await self._state()
            if state is not None:
                if state["phase"] in ENDED:
                    raise self._refusal(_why(state), state.get("reason") or "start_failed")
                if state["ready"] and state.get("address"):
                    return f"http://{state['address']}"
            await asyncio.sleep(self.observe_seconds)

    async def poll(self) -> int | None:
        """None while the platform holds the attempt as alive, else its exit code."""
        try:
            state = await self.platform.get(self._path("state"), attempt=self.attempt)
        except Refused as error:
            return 0 if error.problem.status == 404 else None
        except Unreachable:
            # Silence is no proof of an end: servers outlive the platform's restarts.
            return None
        self._last_state = state
        if state["phase"] not in ENDED:
            return None
        code = state.get("exit_code")
        return int(code) if code is not None else (0 if state["phase"] in {"stopped", "succeeded"} else 1)

    async def stop(self, now: bool = False) -> None:
        """End the attempt and wait until it is gone."""
        grace = 0.0 if now else self.stop_grace_seconds
        try:
            await self.platform.post(self._path("terminate"), {"grace_seconds": int(grace)})
        except Refused as error:
            if error.problem.status != 404:
                self.log.warning("the platform refused to end %s: %s", self._log_name, error)
            return
        except Unreachable:
            self.log.warning("the platform does not answer; %s is ended by its reconciler", self._log_name)
            return
        deadline = time.monotonic() + grace + 20
        while time.monotonic() < deadline:
            if await self.poll() is not None:
                return
            await asyncio.sleep(self.observe_seconds)
        self.log.warning("%s has not ended in time", self._log_name)

    async def run_post_stop_hook(self) -> None:
        """Also tells the platform that the hub has let go of the server."""
        hook = super().run_post_stop_hook()
        if hook is not None:
            await hook
        try:
            await self.platform.post(self._path("stopped"))
        except (Refused, Unreachable) as error:
            self.log.warning("the platform was not told that %s ended: %s", self._log_name, error)

    async def progress(self) -> AsyncIterator[dict[str, Any]]:
        """The start-up tree as events: each step once when it begins and once when it ends."""
        told: dict[str, str] = {}
        while True:
            state = self._last_state
            for event in progress_events(state["steps"] if state else [], told):
                yield event
            await asyncio.sleep(self.observe_seconds)

    async def _state(self) -> dict[str, Any] | None:
        try:
            state: dict[str, Any] = await self.platform.get(self._path("state"), attempt=self.attempt)
        except Unreachable:
            return None
        except Refused as error:
            raise self._refusal(error.problem.sentence, error.problem.code) from error
        self._last_state = state
        return state

    def _path(self, verb: str) -> str:
        return f"notebooks/{self.user.name}/{self.name}/{verb}"

    def _refusal(self, sentence: str, reason: str) -> SpawnException:
        return SpawnException(sentence, reason=reason, status_code=409)


def progress_events(steps: list[dict[str, Any]], told: dict[str, str]) -> list[dict[str, Any]]:
    """What is new in ``steps`` since ``told``, which is brought up to date.

    An event is ``{"progress": 0-100, "message": str}``; the percentage counts finished steps.
    """
    events: list[dict[str, Any]] = []
    done = sum(1 for step in steps if step["state"] == "done")
    percent = min(95, round(100 * done / len(STEP_NAMES)))
    for step in steps:
        name, state = step["name"], step["state"]
        if state == "waiting" or told.get(name) == state:
            continue
        told[name] = state
        detail = f": {step['detail']}" if step.get("detail") else ""
        events.append({"progress": percent, "message": f"{name} {state}{detail}"})
    return events


def _why(state: dict[str, Any]) -> str:
    """One sentence and, where the server said something, its last lines."""
    sentence = state.get("message") or f"The notebook ended while starting ({state.get('reason')})."
    lines = [line for line in state.get("last_lines") or [] if line.strip()]
    return sentence if not lines else sentence + "\n" + "\n".join(lines[-5:])
