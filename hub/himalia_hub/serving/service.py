"""Online services: create, edit, start, stop, weigh, delete, keys; what the controller acts on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.auth import tokens
from himalia_hub.auth.actor import Actor
from himalia_hub.compute import specs, wishes
from himalia_hub.compute.assess import Part
from himalia_hub.compute.engine import Engine
from himalia_hub.compute.environments import EnvironmentView
from himalia_hub.compute.tables import Workload
from himalia_hub.core import clock, names, objects
from himalia_hub.core.db import Db
from himalia_hub.core.errors import InvalidInput, InvalidTransition, NotFound
from himalia_hub.platform.parts import Platform
from himalia_hub.registry import service as registry
from himalia_hub.serving import rules, schemas
from himalia_hub.serving.tables import InferenceService, ServiceKey, ServiceRevision, ServiceVariant

KIND, OBJECT = "service_variant", "inference_service"
KEY_PREFIX = "hms"


def _environment(platform: Platform, name: str, field: str) -> str:
    if platform.has(EnvironmentView):
        view = platform.get(EnvironmentView)  # type: ignore[type-abstract]
        return view.exact(name, use="inference", field=field)
    return name or "science"


def resolve(
    platform: Platform,
    session: Session,
    actor: Actor,
    asked: Sequence[schemas.VariantIn],
    previous: Sequence[dict[str, Any]] = (),
) -> list[dict[str, Any]]:
    """Check the variants and pin what they name: model version, manifest, spec, exact environment.

    Args:
        previous: Variants of the last revision; one with the same wish keeps the card that it has.
    """
    plain = [variant.model_dump() for variant in asked]
    found = []
    parts: list[Part] = []
    for position, (name, variant) in enumerate(zip(rules.check_variants(plain), plain, strict=True)):
        field = f"variants[{position}]"
        try:
            served = registry.version_to_serve(session, actor, variant["model_id"], variant["version"])
        except NotFound:
            raise InvalidInput(
                f"{field}.version: you have no model {variant['model_id']} with version {variant['version']!r}.",
                zh=f"{field}.version：您没有模型 {variant['model_id']} 的版本 {variant['version']!r}。",
                field=f"{field}.version",
                rule="a version of a model of yours",
                value=variant["version"],
            ) from None
        spec = _same_card(session, name, asked[position], previous) or wishes.choose(
            platform.get(Engine),
            session,
            actor,
            variant["spec_id"],
            variant["accelerator_spec_id"],
            asked[position].accelerator_wish,
            field=f"{field}.",
            scenario="inference",
            replicas=variant["replicas"],
            before=parts,
        )
        parts.append(Part(spec.resources, variant["replicas"]))
        found.append(
            {
                "name": name,
                "model": {
                    "id": served.model_number,
                    "name": served.model_name,
                    "version": served.version,
                    "manifest": served.manifest,
                },
                "version_id": served.version_id,
                "weight_percent": variant["weight_percent"],
                "spec_id": variant["spec_id"],
                "accelerator_spec_id": spec.accelerator_id,
                "wish": spec.wish,
                "spec": spec.to_wire(),
                "replicas": variant["replicas"],
                "environment": _environment(platform, variant["environment"], f"{field}.environment"),
            }
        )
    return found


def _same_card(
    session: Session, name: str, asked: schemas.VariantIn, previous: Sequence[dict[str, Any]]
) -> specs.Choice | None:
    """What an unchanged wish was resolved to before: an edit of something else moves no variant to another card."""
    if asked.accelerator_wish is None:
        return None
    wish = asked.accelerator_wish.model_dump()
    for variant in previous:
        if variant["name"] == name and specs.wish_to_wire(variant.get("wish")) == wish:
            offered = {one.id for one in specs.offered(session, "inference", "accelerator")}
            if variant["accelerator_spec_id"] in offered:
                found = specs.choose(session, asked.spec_id, variant["accelerator_spec_id"], scenario="inference")
                return replace(found, wish=variant["wish"])
    return None


def create(platform: Platform, session: Session, actor: Actor, body: schemas.ServiceCreate) -> InferenceService:
    """A service and its first revision, submitted in the caller's transaction."""
    variants = resolve(platform, session, actor, body.variants)
    owned = objects.new_owned(session, actor, OBJECT)
    name = names.check_name(body.name, rules.LONGEST_NAME)
    taken = session.execute(
        sa.select(InferenceService.slug).where(
            InferenceService.tenant_id == actor.tenant_id, InferenceService.deleted_at.is_(None)
        )
    ).scalars()
    row = InferenceService(
        **owned,
        name=name,
        description=names.check_text(body.description, rules.LONGEST_DESCRIPTION),
        slug=rules.slug_of(name, owned["number"], set(taken)),
    )
    session.add(row)
    session.flush()
    objects.touch(session, OBJECT, row, op="created")
    _write_revision(session, actor, row, variants)
    for variant in variants:
        _deploy(platform, session, actor, row, variant)
    return row


def _write_revision(session: Session, actor: Actor, row: InferenceService, variants: list[dict[str, Any]]) -> None:
    session.add(
        ServiceRevision(
            service_id=row.id,
            number=row.revision,
            variants=variants,
            author_id=actor.user_id,
            created_at=clock.now(),
        )
    )
    session.flush()


def _deploy(platform: Platform, session: Session, actor: Actor, row: InferenceService, variant: dict[str, Any]) -> None:
    """One variant's row and workload: quota, room and balance are decided here."""
    made = ServiceVariant(
        service_id=row.id,
        revision=row.revision,
        name=variant["name"],
        model=variant["model"],
        version_id=variant["version_id"],
        weight_percent=variant["weight_percent"],
        spec=variant["spec"],
        replicas=variant["replicas"],
        environment=variant["environment"],
    )
    session.add(made)
    session.flush()
    workload = platform.get(Engine).submit(
        session,
        actor,
        kind=KIND,
        object_kind=OBJECT,
        object_number=row.number,
        object_name=f"{row.name} {made.name}",
        resources=specs.choose(session, variant["spec_id"], variant["accelerator_spec_id"]).resources,
        replicas=made.replicas,
        spec={"variant_id": made.id, "wish": variant.get("wish")},
    )
    made.workload_id = workload.id
    made.spec = {**made.spec, "price_per_hour_micros": workload.price_per_hour_micros}
    session.flush()


def variants_of(session: Session, row: InferenceService) -> list[ServiceVariant]:
    """Those not yet asked to end."""
    return list(
        session.execute(
            sa.select(ServiceVariant)
            .where(ServiceVariant.service_id == row.id, ServiceVariant.state != "gone")
            .order_by(ServiceVariant.id)
        ).scalars()
    )


def latest_revision(db: Db, service_id: int, number: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = db.execute(
        sa.select(ServiceRevision.variants).where(
            ServiceRevision.service_id == service_id, ServiceRevision.number == number
        )
    ).scalar_one()
    return found


def edit(
    platform: Platform, session: Session, actor: Actor, row: InferenceService, body: schemas.ServiceUpdate
) -> None:
    """Change the description; with variants, begin a new revision.

    Variants that run what is asked already go on; the others start beside the old ones, which answer
    until the new are ready.
    """
    if body.description is not None:
        row.description = names.check_text(body.description, rules.LONGEST_DESCRIPTION)
    if body.variants is not None:
        last = latest_revision(session, row.id, row.revision)
        variants = resolve(platform, session, actor, body.variants, last)
        row.revision += 1
        _write_revision(session, actor, row, variants)
        if row.wanted == "running" and row.phase in ("deploying", "running"):
            _replace(platform, session, actor, row, variants)
        elif row.phase == "failed":
            _begin(platform, session, actor, row, variants)
    objects.touch(session, OBJECT, row)


def _replace(
    platform: Platform, session: Session, actor: Actor, row: InferenceService, variants: list[dict[str, Any]]
) -> None:
    moment = clock.now()
    present = variants_of(session, row)
    for variant in variants:
        same = next((one for one in present if one.name == variant["name"] and _runs(session, one, variant)), None)
        if same is None:
            _deploy(platform, session, actor, row, variant)
            continue
        present.remove(same)
        same.state, same.drain_until = "current", None
        same.weight_percent = variant["weight_percent"]
    for one in present:
        answering = one.state == "retiring" or (row.live_revision is not None and one.revision <= row.live_revision)
        one.state = "retiring"
        if not answering:  # of a revision that never answered: nothing to drain
            one.drain_until = moment


def _runs(session: Session, one: ServiceVariant, variant: dict[str, Any]) -> bool:
    workload = session.get(Workload, one.workload_id) if one.workload_id else None
    if workload is None or workload.ended_at is not None or workload.wanted != "running":
        return False
    return rules.same_deployment(
        {
            "version_id": one.version_id,
            "spec_id": one.spec["id"],
            "accelerator_spec_id": (one.spec["accelerator_spec"] or {}).get("id"),
            "replicas": one.replicas,
            "environment": one.environment,
        },
        variant,
    )


def _begin(
    platform: Platform, session: Session, actor: Actor, row: InferenceService, variants: list[dict[str, Any]]
) -> None:
    """Start all variants anew; nothing of before answers."""
    for one in variants_of(session, row):
        _end(platform, session, one)
    row.wanted, row.phase, row.live_revision = "running", "deploying", None
    row.reason, row.message, row.message_zh = None, "", ""
    for variant in variants:
        _deploy(platform, session, actor, row, variant)


def start(platform: Platform, session: Session, actor: Actor, row: InferenceService) -> None:
    """Start a stopped or failed service with its newest revision."""
    if row.phase not in ("stopped", "failed"):
        raise InvalidTransition(
            f"The service is {row.phase}; a stopped or failed one can be started.",
            zh=f"服务当前状态为 {row.phase}；只有已停止或失败的服务可以启动。",
            rule="stopped or failed",
            value=row.phase,
        )
    _begin(platform, session, actor, row, latest_revision(session, row.id, row.revision))
    objects.touch(session, OBJECT, row)


def stop(platform: Platform, session: Session, row: InferenceService) -> None:
    """Ask a service to end: its route closes first, then its replicas get SIGTERM. Asking again is fine."""
    if row.phase in ("stopped", "stopping"):
        return
    row.wanted, row.phase = "stopped", "stopping"
    row.reason, row.message, row.message_zh = None, "", ""
    objects.touch(session, OBJECT, row)


def _end(platform: Platform, session: Session, variant: ServiceVariant) -> None:
    workload = session.get(Workload, variant.workload_id) if variant.workload_id else None
    if workload is not None:
        platform.get(Engine).request_stop(session, workload)
    variant.state = "gone"


def set_weights(session: Session, row: InferenceService, weights: dict[str, int]) -> None:
    """Change how calls are split, live; every variant of the revision is named."""
    current = [variant for variant in variants_of(session, row) if variant.state == "current"]
    if {variant.name for variant in current} != set(weights):
        shown = ", ".join(variant.name for variant in current) or "none runs"
        raise InvalidInput(
            f"weights: name each variant once: {shown}.",
            zh=f"weights：请为每个变体指定权重：{shown}。",
            field="weights",
            rule="each variant of the revision once",
            value=", ".join(weights),
        )
    rules.check_weights(list(weights.values()), "weights")
    for variant in current:
        variant.weight_percent = weights[variant.name]
    objects.touch(session, OBJECT, row)


def delete(platform: Platform, session: Session, row: InferenceService) -> None:
    """Delete a stopped or failed service with its keys."""
    if row.phase not in ("stopped", "failed"):
        raise InvalidTransition(
            f"The service is {row.phase}; stop it first.",
            zh=f"服务当前状态为 {row.phase}，请先停止。",
            rule="stopped or failed",
            value=row.phase,
        )
    for variant in variants_of(session, row):
        _end(platform, session, variant)
    session.execute(
        sa.update(ServiceKey)
        .where(ServiceKey.service_id == row.id, ServiceKey.revoked_at.is_(None))
        .values(revoked_at=clock.now())
    )
    row.deleted_at = clock.now()
    objects.touch(session, OBJECT, row, op="deleted")


# -- keys ------------------------------------------------------------------------------------------


def create_key(session: Session, row: InferenceService, body: schemas.KeyCreate) -> tuple[ServiceKey, str]:
    """A key and its secret, which is shown this once."""
    if body.expires_at is not None and (body.expires_at.tzinfo is None or body.expires_at <= clock.now()):
        raise InvalidInput(
            "expires_at: a moment in the future, with its time zone.",
            zh="expires_at：应为带时区的未来时刻。",
            field="expires_at",
            rule="in the future, with a time zone",
            value=body.expires_at.isoformat(),
        )
    secret = tokens.new_secret(KEY_PREFIX)
    row.last_key += 1
    key = ServiceKey(
        service_id=row.id,
        number=row.last_key,
        name=body.name,
        prefix=secret[:8],
        digest=tokens.digest_of(secret),
        requests_per_minute=body.requests_per_minute,
        created_at=clock.now(),
        expires_at=body.expires_at,
    )
    session.add(key)
    objects.touch(session, OBJECT, row)
    return key, secret


def revoke_key(session: Session, row: InferenceService, number: int) -> None:
    key = session.execute(
        sa.select(ServiceKey).where(
            ServiceKey.service_id == row.id, ServiceKey.number == number, ServiceKey.revoked_at.is_(None)
        )
    ).scalar_one_or_none()
    if key is None:
        raise NotFound()
    key.revoked_at = clock.now()
    objects.touch(session, OBJECT, row)


# -- asked by others -------------------------------------------------------------------------------


def users_of_version(db: Db, version_id: int) -> list[dict[str, Any]]:
    """Services that serve a model version, or would when started."""
    rows = db.execute(
        sa.select(InferenceService.number, InferenceService.name, ServiceRevision.variants)
        .join(
            ServiceRevision,
            sa.and_(
                ServiceRevision.service_id == InferenceService.id, ServiceRevision.number == InferenceService.revision
            ),
        )
        .where(InferenceService.deleted_at.is_(None))
        .where(
            sa.exists().where(ServiceVariant.service_id == InferenceService.id, ServiceVariant.version_id == version_id)
        )
        .order_by(InferenceService.id)
    ).all()
    live = set(
        db.execute(
            sa.select(InferenceService.number)
            .join(ServiceVariant, ServiceVariant.service_id == InferenceService.id)
            .where(
                ServiceVariant.version_id == version_id,
                ServiceVariant.state != "gone",
                InferenceService.phase.not_in(("stopped", "failed")),
            )
        ).scalars()
    )
    return [
        {"kind": OBJECT, "id": row.number, "name": row.name}
        for row in rows
        if row.number in live or any(variant["version_id"] == version_id for variant in row.variants)
    ][:20]


def note_calls(session: Session, service_id: int, total: int, failed: int) -> None:
    """Count calls without touching the version: nobody edits against them."""
    session.execute(
        sa.update(InferenceService)
        .where(InferenceService.id == service_id)
        .values(calls_total=InferenceService.calls_total + total, calls_failed=InferenceService.calls_failed + failed)
    )
