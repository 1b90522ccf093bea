"""What a start would make, shown before it is made or saved: the rendered pod (NB-3).

The plan is drawn by the same code as a real start's, the pod by the hub's own spawner with its
traits; both know nothing of the other's part, so this module only carries between them. Secrets are
masked before they leave the hub. On one machine there is no pod: the sandbox's plan is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

import sqlalchemy as sa
import yaml

from himalia_hub.api.context import Context
from himalia_hub.audit.masking import MASK, SECRET_NAME, SECRET_VALUE
from himalia_hub.backends import wire as plan_wire
from himalia_hub.backends.kubernetes.pods import Preference
from himalia_hub.backends.protocol import Resources, WorkloadPlan
from himalia_hub.compute import limits, plans, quotas, specs
from himalia_hub.compute.engine import Engine
from himalia_hub.compute.environments import EnvironmentView
from himalia_hub.compute.tables import Workload
from himalia_hub.core.db import Db
from himalia_hub.core.errors import BackendUnavailable, Conflict, InvalidInput
from himalia_hub.develop.notebooks import profiles
from himalia_hub.develop.notebooks.hub import HubClient, HubRefused, HubUnavailable
from himalia_hub.develop.notebooks.kind import KIND, NotebookKind, home_key
from himalia_hub.develop.notebooks.schemas import Launch, PodPreviewAsk
from himalia_hub.platform.parts import Platform
from himalia_hub.tenancy.tables import User

NUMBER = 0
"""No notebook and no workload has this number: what is shown belongs to none."""


@runtime_checkable
class Preferring(Protocol):
    """A backend that knows where a plan would start sooner."""

    def preference(self, plan: WorkloadPlan) -> Preference | None: ...


def handed_over(platform: Platform, plan: WorkloadPlan) -> dict[str, Any]:
    """What the hub's spawner makes a pod from, in a start as in a preview."""
    backend: object = platform.backend
    found = backend.preference(plan) if isinstance(backend, Preferring) else None
    prefer = found.nodes if found is not None else ()
    return {"plan": plan_wire.to_wire(plan), "prefer": list(prefer)}


async def render(ctx: Context, body: PodPreviewAsk) -> dict[str, Any]:
    """The objects of a start that nobody makes.

    Raises:
        NotFound: No such member within reach.
        InvalidInput, Conflict: What was asked for can never be a pod; says why.
        BackendUnavailable: The hub does not answer.
    """
    person, resources, reference = ctx.read(lambda db: _asked(ctx, db, body))
    platform = ctx.platform
    options = await _user_options(platform, person.hub_name, body)
    drafted = await _ask(platform, person.hub_name, {"user_options": options})
    launch = _launch(drafted, person.hub_name)
    plan = ctx.read(lambda db: _plan(platform, db, person, resources, reference, launch))
    if profiles.on_a_cluster(platform):
        given = {"user_options": options, **handed_over(platform, plan)}
        made = (await _ask(platform, person.hub_name, given)).get("objects", [])
    else:
        made = [_sandbox(plan)]
    shown = [masked(item) for item in made]
    return {
        "backend": "kubernetes" if profiles.on_a_cluster(platform) else "local",
        "resources": specs.resources_to_wire(resources),
        "objects": shown,
        "yaml": yaml.safe_dump_all(shown, sort_keys=False, allow_unicode=True, width=110),
        "profiles": drafted.get("profiles", []),
        "hooks_not_run": drafted.get("hooks", []),
    }


async def _user_options(platform: Platform, hub_user: str, body: PodPreviewAsk) -> dict[str, str]:
    """What a start with this profile would hand to the spawner."""
    if body.profile is None and not body.profile_options:
        return {}
    found = await profiles.offered(platform, hub_user)
    return profiles.user_options(found, profiles.kept(found, body.profile, body.profile_options))


def _asked(ctx: Context, db: Db, body: PodPreviewAsk) -> tuple[Any, Resources, str]:
    """Whose notebook, of which size, in which exact environment."""
    user_id = ctx.actor.user_id
    if body.member is not None:
        found = limits.find_subject(
            db, ctx.actor, ctx.permission, quotas.USER, body.member, body.organisation, change=False
        )
        user_id = found.id
    person = db.execute(
        sa.select(User.id, User.number, User.tenant_id, User.hub_name).where(User.id == user_id)
    ).first()
    if person is None:
        raise InvalidInput(
            "member: say whose notebook it would be.",
            zh="member：请指定笔记本属于哪位成员。",
            field="member",
            rule="the name of a member",
            value=None,
        )
    environment = ctx.platform.get(EnvironmentView).exact(body.environment, use=KIND)  # type: ignore[type-abstract]
    return person, _size(db, body), environment


def _size(db: Db, body: PodPreviewAsk) -> Resources:
    """The named specs, with the unsaved one in place of the basic one or beside it."""
    draft = body.spec
    if draft is not None:
        specs.check_shape(draft.model_dump())
    saved = draft is None or draft.kind != specs.BASIC
    basic: Any = _basic(db, body.spec_id) if saved else draft
    if draft is not None and saved:
        return specs.Choice(basic, draft).resources
    if saved:
        return specs.choose(db, basic.id, body.accelerator_spec_id, scenario=KIND).resources
    card = body.accelerator_spec_id
    return specs.Choice(basic, specs.get(db, card, field="accelerator_spec_id") if card is not None else None).resources


def _basic(db: Db, spec_id: int | None) -> Any:
    """The basic spec that was named, else the smallest that notebooks are offered."""
    if spec_id is not None:
        return specs.get(db, spec_id, scenario=KIND)
    found = specs.offered(db, KIND, specs.BASIC)
    if not found:
        raise InvalidInput(
            "spec_id: there is no basic resource spec for notebooks yet.",
            zh="spec_id：尚无可用于笔记本的基础资源规格。",
            field="spec_id",
            rule="the id of a resource spec",
            value=None,
        )
    return found[0]


def _plan(
    platform: Platform, db: Db, person: Any, resources: Resources, reference: str, launch: Launch
) -> WorkloadPlan:
    """As for the first start of a new notebook, with a workload that is in no database."""
    kind = platform.get(Engine).translator(KIND)
    assert isinstance(kind, NotebookKind)
    workload = Workload(
        id=NUMBER,
        number=NUMBER,
        tenant_id=person.tenant_id,
        owner_id=person.id,
        kind=KIND,
        spec={"environment": reference, "bindings": [], "first": True},
        cpu_millis=resources.cpu_millis,
        memory_bytes=resources.memory_bytes,
        disk_bytes=resources.disk_bytes,
        accelerators=dict(resources.accelerators),
        replicas=1,
        deadline_seconds=None,
        grace_seconds=kind.policy.grace_seconds,
    )
    plan = kind.draw(db, workload, 1, launch, home_key(person.number, NUMBER))
    plan = replace(plan, secrets={**dict.fromkeys(plan.secrets, MASK), "HIMALIA_TOKEN": MASK})
    return plans.addressed(plan, NUMBER, platform.config.public.workloads_api)


def _launch(drafted: Mapping[str, Any], hub_user: str) -> Launch:
    """What the spawner would hand over; a platform without a hub shows what every spawner hands over at least."""
    given = drafted.get("launch")
    if given is not None:
        return Launch.model_validate(given)
    return Launch(environment={}, command=["jupyterhub-singleuser"], path=f"/user/{hub_user}/preview/")


async def _ask(platform: Platform, hub_user: str, body: Mapping[str, Any]) -> dict[str, Any]:
    hub = platform.get(HubClient)
    if not hub.configured:
        return {}
    try:
        return await hub.preview(hub_user, body)
    except HubRefused as error:
        raise Conflict(error.text, zh=error.zh, code=error.code) from error
    except HubUnavailable as error:
        raise BackendUnavailable(
            "The hub does not answer; it draws the pod. Try again in a moment.",
            zh="中心服务暂无响应，无法生成 Pod 预览，请稍后再试。",
        ) from error


def _sandbox(plan: WorkloadPlan) -> dict[str, Any]:
    """What one machine runs instead of a pod."""
    told = plan_wire.to_wire(plan)
    kept = ("image", "command", "resources", "environment", "secrets", "mounts", "ports", "probe", "working_directory")
    return {"kind": "Sandbox", "tenant": plan.tenant, "owner": plan.owner, **{name: told[name] for name in kept}}


def masked(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest with the values of secrets masked: by kind, by a variable's name, by how a value looks. Pure."""
    shown: dict[str, Any] = _masked(manifest)
    if shown.get("kind") == "Secret":
        for key in ("data", "stringData"):
            if key in shown:
                shown[key] = dict.fromkeys(shown[key], MASK)
    return shown


def _masked(value: Any) -> Any:
    if isinstance(value, Mapping):
        secret = isinstance(value.get("name"), str) and SECRET_NAME.search(value["name"]) is not None
        return {str(key): MASK if secret and key == "value" and item else _masked(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(item) for item in value]
    return SECRET_VALUE.sub(MASK, value) if isinstance(value, str) else value
