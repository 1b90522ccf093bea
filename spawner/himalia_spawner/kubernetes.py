"""``HimaliaKubeSpawner``: notebooks as pods in their tenant's namespace.

A :class:`kubespawner.KubeSpawner` whose every trait stays usable. What a person starts is decided by the
platform: ``start`` hands it the variables of the single-user server, gets back the plan of one
attempt, and makes the pod from that plan laid over what the traits say. Nothing of an attempt is kept
in a trait, so nothing of a failed one reaches the next.

A refusal by the platform, the API server or the scheduler becomes a page with one sentence, in
English and Chinese, never a bare 500.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from jupyterhub.spawner import SpawnException
from jupyterhub.utils import maybe_future
from kubernetes_asyncio.client.rest import ApiException
from kubespawner import KubeSpawner
from traitlets import Any as AnyTrait
from traitlets import Dict, Float, default

from himalia_hub.backends.kubernetes import causes, facts, naming, objects
from himalia_hub.backends.kubernetes.causes import Cause
from himalia_hub.backends.kubernetes.facts import Surroundings
from himalia_hub.backends.kubernetes.options import KubernetesOptions
from himalia_hub.backends.kubernetes.pods import Preference
from himalia_hub.backends.protocol import BackendError, ExitReason, ReplicaState, WorkloadPlan
from himalia_hub.backends.wire import from_wire
from himalia_hub.config.platform_client import Refused, Unreachable
from himalia_spawner.attempts import RemembersAttempt
from himalia_spawner.local import ENDED, progress_events
from himalia_spawner.overlay import Manifest, lay_over

_CREATE_TRIES = 20


class HimaliaKubeSpawner(RemembersAttempt, KubeSpawner):  # type: ignore[misc]
    """Starts a named server as a pod from the platform's plan; see the module's docstring."""

    platform = AnyTrait(help="The platform's internal API; set at start.").tag(config=True)
    cluster = Dict(
        help="Options of the Kubernetes backend (release, uid, storage_class, accelerators ...), the same as the"
        " platform's. Change them together with the platform's."
    ).tag(config=True)
    namespace: str
    pod_name: str

    observe_seconds = Float(0.5, help="Seconds between two looks at a pod that starts.").tag(config=True)
    room_patience_seconds = Float(
        90.0,
        help="How long a start waits for the room in the organisation's quota that pods still hold while they end."
        " Keep it below the two minutes after which the platform takes an unconfirmed reservation back.",
    ).tag(config=True)
    room_settles_seconds = Float(
        5.0, help="How long the cluster may take to count the room of a pod that is gone as free."
    ).tag(config=True)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.plan: WorkloadPlan | None = None
        self._prefer: Preference | None = None
        self._ended_by_itself = False
        self._waits_for: Cause | None = None

    # Watches see every namespace with one stream each: the hub may look at pods and events everywhere.
    @default("enable_user_namespaces")
    def _every_namespace(self) -> bool:
        return True

    @default("user_namespace_template")
    def _namespace_until_planned(self) -> str:
        return "default"

    @default("automount_service_account_token")
    def _no_token(self) -> bool:
        return False

    async def _ensure_namespace(self) -> None:
        """The platform makes spaces; the hub has no right to."""

    @property
    def options(self) -> KubernetesOptions:
        return KubernetesOptions.from_mapping(self.cluster)

    # --- what the hub remembers -----------------------------------------------------------------

    def clear_state(self) -> None:
        super().clear_state()
        self.plan, self._prefer = None, None

    # --- start ----------------------------------------------------------------------------------

    def start(self) -> Any:
        """Have the platform plan an attempt and make its pod; answers the address once it answers."""
        self._start_future = asyncio.ensure_future(self._start_planned())
        return self._start_future

    async def _start_planned(self) -> Any:
        self.plan, self._prefer, self._ended_by_itself = None, None, False
        # Traits and the chosen profile first: they are part of what is asked.
        await self.load_user_options()
        await self._launch()
        watcher = asyncio.ensure_future(self._until_hopeless())
        made = asyncio.ensure_future(self._make_and_wait())
        try:
            done, _ = await asyncio.wait({watcher, made}, return_when=asyncio.FIRST_COMPLETED)
            if watcher in done:
                cause = watcher.result()
                self._ended_by_itself = True
                raise self._refusal(cause)
            return made.result()
        except ApiException as error:
            raise self._refusal(_api_cause(error)) from error
        except BackendError as error:
            raise self._refusal(Cause("plan", str(error), str(error))) from error
        finally:
            await _cancel(watcher, made)

    def _launch_request(self) -> dict[str, Any]:
        return {
            "environment": self.get_env(),
            "command": [*(self.cmd or ["jupyterhub-singleuser"]), *self.get_args()],
            "port": self.port,
            "path": self.server.base_url,
        }

    async def _launch(self) -> None:
        try:
            answer = await self.platform.post(self._path("launch"), self._launch_request())
        except Refused as error:
            problem = error.problem
            raise self._refusal(Cause(problem.code, problem.sentence, problem.sentence)) from error
        except Unreachable as error:
            text, zh = (
                "The platform is restarting. Start the notebook again in a moment.",
                "平台正在重启，请稍后再启动。",
            )
            raise self._refusal(Cause("backend_unavailable", text, zh)) from error
        self.attempt = int(answer["attempt"])
        self._take(from_wire(answer["plan"]), answer.get("prefer") or ())

    def _take(self, plan: WorkloadPlan, prefer: Sequence[str]) -> None:
        """Make what follows about this plan: where its pod lies, what it is called, where it would start sooner."""
        self.plan, self._prefer = plan, Preference(tuple(prefer)) if prefer else None
        self.namespace = naming.namespace(self.options.release, plan.tenant)
        self.pod_name = naming.object_name(plan.workload, plan.attempt)
        self.dns_name = self.dns_name_template.format(namespace=self.namespace, name=self.pod_name)

    def _companions(self) -> list[Manifest]:
        """What belongs to the pod and is made before it: secret, small files, the home's claim."""
        assert self.plan is not None
        return [item for item in objects.attempt_objects(self.plan, self.options) if item["kind"] != "Pod"]

    async def _make_and_wait(self) -> Any:
        """What belongs to the pod, then the pod, by the parent's own start."""
        for manifest in self._companions():
            await self._make(manifest)
        self.storage_pvc_ensure = False  # the plan's claims are the storage
        return await super()._start()

    async def _make(self, manifest: Manifest) -> None:
        """Create an object; one that is there is good, and a space on its way is waited for."""
        create = {
            "Secret": self.api.create_namespaced_secret,
            "ConfigMap": self.api.create_namespaced_config_map,
            "PersistentVolumeClaim": self.api.create_namespaced_persistent_volume_claim,
        }[manifest["kind"]]
        for tries in range(1, _CREATE_TRIES + 1):
            try:
                await create(self.namespace, manifest)
                return
            except ApiException as error:
                if error.status == 409:
                    return
                if error.status not in (403, 404) or tries == _CREATE_TRIES:
                    raise
            await asyncio.sleep(self.observe_seconds)

    async def _make_create_pod_request(self, pod: Any, request_timeout: float) -> bool:
        """As the parent, but room that ending pods still hold is waited for.

        The namespace's quota counts a pod until it has ended, while the platform gives its room away as
        soon as it was told to end; so a start right after a stop can come too early for the cluster.
        """
        began = freed = asyncio.get_running_loop().time()
        try:
            while True:
                try:
                    return bool(await super()._make_create_pod_request(pod, request_timeout))
                except ApiException as error:
                    cause = _api_cause(error)
                    if cause.code != "quota":
                        raise
                    ending = await self._ending()
                    moment = asyncio.get_running_loop().time()
                    freed = moment if ending else freed
                    if moment - began > self.room_patience_seconds or moment - freed > self.room_settles_seconds:
                        raise
                    self._waits_for = causes.held_by_ending(cause, ending)
                await asyncio.sleep(self.observe_seconds)
        finally:
            self._waits_for = None

    async def _ending(self) -> list[str]:
        """Names of the pods of the organisation that end and still count."""
        found = await self.api.list_namespaced_pod(self.namespace)
        pods: list[Manifest] = self.api.api_client.sanitize_for_serialization(found)["items"]
        return [pod["metadata"]["name"] for pod in pods if facts.holds_room_while_ending(pod)]

    async def get_pod_manifest(self) -> Any:
        """The traits' pod with the plan laid over it."""
        base = self.api.api_client.sanitize_for_serialization(await super().get_pod_manifest())
        if self.plan is None:
            return self._as_pod(base)
        return self._as_pod(lay_over(base, objects.pod(self.plan, self.options, prefer=self._prefer)))

    # --- a preview ------------------------------------------------------------------------------

    async def draft(self) -> dict[str, Any]:
        """What a start under the present traits and profile would hand to the platform; starts nothing."""
        await self.load_user_options()
        return self._launch_request()

    async def preview(self, plan: Mapping[str, Any], prefer: Sequence[str] = ()) -> list[Manifest]:
        """Every object that a start with this plan would make, the pod last; makes none (NB-3).

        Hooks that act (``pre_spawn_hook``, ``after_pod_created_hook``) are not run; ``modify_pod_hook`` is.
        """
        await self.load_user_options()
        self._take(from_wire(dict(plan)), prefer)
        pod = await self.get_pod_manifest()
        if self.modify_pod_hook:
            pod = await maybe_future(self.modify_pod_hook(self, pod))
        return [*self._companions(), self.api.api_client.sanitize_for_serialization(pod)]

    def _as_pod(self, manifest: Manifest) -> Any:
        answer = type("Answer", (), {"data": json.dumps(manifest)})()
        return self.api.api_client.deserialize(answer, "V1Pod")

    # --- how the start goes ---------------------------------------------------------------------

    def _pod(self) -> Manifest | None:
        reflector = self.pod_reflector
        found: Manifest | None = reflector.pods.get(f"{self.namespace}/{self.pod_name}") if reflector else None
        return found

    def _surroundings(self) -> Surroundings:
        moment = facts.now()
        return Surroundings(now=moment, seen_at=moment, events=tuple(self.events))

    async def _until_hopeless(self) -> Cause:
        """Returns why once the pod has ended, or cannot start however long one waits."""
        while True:
            await asyncio.sleep(self.observe_seconds)
            pod = self._pod()
            if pod is None:
                continue
            seen = facts.observe_pod(pod, 0, self._surroundings())
            if seen.state is ReplicaState.EXITED:
                known = facts.cause_of(pod, self._surroundings())
                reason = seen.exit_reason or ExitReason.START_FAILED
                return known or Cause(reason.value, seen.message, causes.ended_zh(seen))

    def cause(self) -> Cause | None:
        """Why the start does not come on at this moment."""
        pod = self._pod()
        if pod is None:
            return self._waits_for
        return facts.cause_of(pod, self._surroundings())

    async def progress(self) -> AsyncIterator[dict[str, Any]]:
        """The start-up tree as events, from the pod's own facts; a cause comes in both languages."""
        told: dict[str, str] = {}
        said = ""
        while True:
            pod = self._pod()
            if pod is not None:
                seen = facts.observe_pod(pod, 0, self._surroundings())
                steps = [{"name": s.name, "state": s.state, "detail": s.detail} for s in seen.steps]
                for event in progress_events(steps, told):
                    yield event
            cause = self.cause()
            if cause is not None and cause.text != said:
                said = cause.text
                yield {"progress": 10, "message": f"{cause.text} {cause.zh}"}
            if self._start_future is None or self._start_future.done():
                return
            await asyncio.sleep(self.observe_seconds)

    async def poll(self) -> int | None:
        """As the parent, but silence of the API server is no proof of an end."""
        try:
            code = await super().poll()
        except (ApiException, OSError, TimeoutError) as error:
            self.log.warning("%s cannot be looked at: %s", self._log_name, error)
            return None
        return int(code) if code is not None else None

    async def stop(self, now: bool = False) -> None:
        """Abort or stop at once: the start under way ends with it, then the pod and its secret."""
        running = self._start_future
        if running is not None and not running.done() and running is not asyncio.current_task():
            running.cancel()
        if not self._ended_by_itself:  # else the platform sees the end with its cause; "stopped" would hide it
            await self._tell("terminate", {"grace_seconds": 0 if now else int(self.delete_grace_period)})
        await super().stop(now=now)
        for delete in (self.api.delete_namespaced_secret, self.api.delete_namespaced_config_map):
            try:
                await delete(self.pod_name, self.namespace)
            except ApiException as error:
                if error.status not in (403, 404):
                    raise

    async def run_post_stop_hook(self) -> None:
        """Also tells the platform that the hub has let go of the server."""
        hook = super().run_post_stop_hook()
        if hook is not None:
            await hook
        await self._tell("stopped", None)

    async def _tell(self, verb: str, body: Mapping[str, Any] | None) -> None:
        try:
            await (self.platform.post(self._path(verb), body) if body else self.platform.post(self._path(verb)))
        except Refused as error:
            if error.problem.status != 404:
                self.log.warning("the platform refused %s of %s: %s", verb, self._log_name, error)
        except Unreachable:
            self.log.warning("the platform was not told %s of %s", verb, self._log_name)

    def _path(self, verb: str) -> str:
        return f"notebooks/{self.user.name}/{self.name}/{verb}"

    def _refusal(self, cause: Cause) -> SpawnException:
        sentence = cause.text if cause.text == cause.zh else f"{cause.text}\n{cause.zh}"
        return SpawnException(sentence, reason=cause.code, status_code=409)


def _api_cause(error: ApiException) -> Cause:
    """The API server's own words, without the request around them."""
    try:
        message = str(json.loads(error.body or "{}").get("message", "")) or str(error.reason)
    except ValueError:
        message = str(error.reason)
    return causes.refused(message)


async def _cancel(*tasks: asyncio.Future[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


__all__ = ["ENDED", "HimaliaKubeSpawner"]
