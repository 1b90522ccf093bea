"""Jobs and runs: from what was asked to a run that the engine carries, and back."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

import himalia
from himalia_hub.auth.actor import Actor
from himalia_hub.compute import specs, wishes
from himalia_hub.compute.engine import Engine
from himalia_hub.compute.environments import EnvironmentView
from himalia_hub.compute.phases import ENDED
from himalia_hub.compute.tables import Workload
from himalia_hub.core import clock, names, objects
from himalia_hub.core.db import Db
from himalia_hub.core.errors import InvalidTransition, NotFound
from himalia_hub.data.content import usage
from himalia_hub.data.datasets import versions
from himalia_hub.develop.algorithms import rules as algorithm_rules
from himalia_hub.develop.algorithms import service as algorithms
from himalia_hub.platform.parts import Platform
from himalia_hub.training import rules, schemas
from himalia_hub.training.tables import Job, Run, RunFile, RunInput, RunPart, RunPoint, RunSeries

KIND = "run"
LONGEST_NAME, LONGEST_DESCRIPTION = 30, 255
NOT_ENDED = ("waiting", "queued", "starting", "running", "stopping")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run worked out: everything but its workload."""

    request: dict[str, Any]
    algorithm: dict[str, Any] | None
    environment: str
    inputs: list[dict[str, Any]]
    parameters: dict[str, Any]
    command: rules.Command
    code: str | None
    spec: specs.Choice
    longest_seconds: int | None

    def columns(self, spec: dict[str, Any]) -> dict[str, Any]:
        return {
            "request": self.request,
            "algorithm": self.algorithm,
            "environment": self.environment,
            "inputs": self.inputs,
            "parameters": self.parameters,
            "command": list(self.command.words),
            "variables": self.command.variables,
            "code": self.code,
            "spec": spec,
        }


def show(words: Sequence[str]) -> str:
    """The command as a person would type it."""
    return shlex.join(words)


def exact_environment(platform: Platform, name: str) -> str:
    """The exact environment behind a name; without any environments (tests) the name itself."""
    if platform.has(EnvironmentView):
        view = platform.get(EnvironmentView)  # type: ignore[type-abstract]
        return view.exact(name, use="training")
    return name or "science"


def _inputs(db: Db, actor: Actor, asked: Sequence[schemas.VersionRef]) -> list[dict[str, Any]]:
    found = []
    for position, reference in enumerate(asked):
        version = versions.version_for_workload(db, actor, reference.id, reference.version)
        found.append(
            {
                "kind": "dataset_version",
                "id": version.dataset_number,
                "name": version.name,
                "version": version.version,
                "digest": version.digest,
                "manifest": version.manifest,
                "path": rules.input_path(position),
                "label_authors": list(version.label_authors),
                "dataset_id": version.dataset_id,
                "version_id": version.version_id,
            }
        )
    return found


def _spec(platform: Platform, db: Db, actor: Actor, request: schemas.RunRequest | schemas.ScriptCreate) -> specs.Choice:
    """The specs of a run; a wish is resolved to what is best now, and anew by each repetition."""
    engine, named, wish = platform.get(Engine), request.accelerator_spec_id, request.accelerator_wish
    return wishes.choose(engine, db, actor, request.spec_id, named, wish, scenario="training")


def prepare(platform: Platform, db: Db, actor: Actor, request: schemas.RunRequest) -> Prepared:
    """Work a job's run out: look everything up, check it, build the command."""
    algorithm = algorithms.get(request.algorithm_id)
    spec = _spec(platform, db, actor, request)
    parameters = algorithm_rules.check_parameters(algorithm.parameters, request.parameters)
    mapping = rules.check_argument_names(request.argument_names)
    environment = exact_environment(platform, request.environment or algorithm.environment)
    asked = [request.dataset, *([request.validation] if request.validation else [])]
    inputs = _inputs(db, actor, asked)
    known = rules.values(
        inputs=len(inputs),
        validation=1 if request.validation else None,
        accelerators=sum(spec.resources.accelerators.values()),
    )
    declared = [*algorithm.arguments, *parameters, *mapping.values()]
    command = rules.build(algorithm.command, known, parameters, declared=declared, names=mapping)
    shown = {"id": algorithm.id, "name": algorithm.name, "title": algorithm.title, "version": himalia.__version__}
    return Prepared(
        request=request.model_dump(mode="json"),
        algorithm=shown,
        environment=environment,
        inputs=inputs,
        parameters=parameters,
        command=command,
        code=None,
        spec=spec,
        longest_seconds=request.longest_seconds or None,
    )


def prepare_script(platform: Platform, db: Db, actor: Actor, request: schemas.ScriptCreate) -> Prepared:
    """Work the run of a script out; the code travels with the plan."""
    rules.check_code(request.code)
    spec = _spec(platform, db, actor, request)
    parameters = rules.check_script_parameters(request.parameters)
    mapping = rules.check_argument_names(request.argument_names)
    environment = exact_environment(platform, request.environment)
    inputs = _inputs(db, actor, request.datasets)
    known = rules.values(inputs=len(inputs), validation=None, accelerators=sum(spec.resources.accelerators.values()))
    declared = rules.declared_arguments(request.code)
    command = rules.build(("python", "-u", rules.CODE_PATH), known, parameters, declared=declared, names=mapping)
    return Prepared(
        request=request.model_dump(mode="json", exclude={"code", "name", "description"}),
        algorithm=None,
        environment=environment,
        inputs=inputs,
        parameters=parameters,
        command=command,
        code=request.code,
        spec=spec,
        longest_seconds=request.longest_seconds or None,
    )


def create_job(session: Session, actor: Actor, *, name: str, description: str, script: bool) -> Job:
    job = Job(
        **objects.new_owned(session, actor, "job"),
        name=names.check_name(name, LONGEST_NAME),
        description=names.check_text(description, LONGEST_DESCRIPTION),
        script=script,
    )
    session.add(job)
    session.flush()
    objects.touch(session, "job", job, op="created")
    return job


def job_of_script(session: Session, actor: Actor, name: str, description: str) -> Job:
    """The actor's script of that name, or a new one: running a cell again is a new run of it."""
    name = names.check_name(name, LONGEST_NAME)
    found = session.execute(
        sa.select(Job)
        .where(Job.owner_id == actor.user_id, Job.name == name, Job.deleted_at.is_(None), Job.script.is_(True))
        .with_for_update()
    ).scalar_one_or_none()
    return found or create_job(session, actor, name=name, description=description, script=True)


def start(platform: Platform, session: Session, actor: Actor, job: Job, prepared: Prepared) -> Run:
    """Make the next run of a job and submit its workload, in the caller's transaction."""
    engine = platform.get(Engine)
    spec = prepared.spec.to_wire()
    job.last_index += 1
    run = Run(
        **objects.new_owned(session, actor, "run"),
        name=job.name,
        job_id=job.id,
        run_index=job.last_index,
        phase="queued",
        last_lines=[],
        **prepared.columns(spec),
    )
    session.add(run)
    session.flush()
    session.add_all(
        RunInput(run_id=run.id, position=n, dataset_id=one["dataset_id"], version_id=one["version_id"])
        for n, one in enumerate(prepared.inputs)
    )
    objects.touch(session, "run", run, op="created")
    workload = engine.submit(
        session,
        actor,
        kind=KIND,
        object_kind="run",
        object_number=run.number,
        object_name=f"{job.name} {rules.version_name(run.run_index)}",
        resources=prepared.spec.resources,
        spec={"run_id": run.id, **prepared.spec.kept},
        deadline_seconds=prepared.longest_seconds,
    )
    run.workload_id = workload.id
    run.spec = {**spec, "price_per_hour_micros": workload.price_per_hour_micros}
    mirror(session, run, workload)
    job.last_run_id = run.id
    objects.touch(session, "job", job)
    return run


def mirror(session: Session, run: Run, workload: Workload) -> None:
    """The run shows what its workload went through."""
    run.phase, run.reason = workload.phase, workload.reason
    run.message, run.message_zh = workload.message, workload.message_zh
    run.exit_code = workload.exit_code
    run.started_at, run.ended_at = workload.started_at, workload.ended_at
    if workload.last_lines:
        run.last_lines = list(workload.last_lines)
    objects.touch(session, "run", run)


def stop(platform: Platform, session: Session, run: Run) -> None:
    """Ask a run to end; one that has ended stays as it is."""
    workload = session.get(Workload, run.workload_id) if run.workload_id else None
    if workload is not None:
        platform.get(Engine).request_stop(session, workload)


def repeated(platform: Platform, session: Session, actor: Actor, run: Run) -> Prepared:
    """The same again: request, exact environment and code of a former run."""
    if run.code is None:
        request = schemas.RunRequest.model_validate({**run.request, "environment": run.environment})
        return prepare(platform, session, actor, request)
    script = schemas.ScriptCreate.model_validate(
        {**run.request, "name": run.name, "code": run.code, "environment": run.environment}
    )
    return prepare_script(platform, session, actor, script)


def changed(platform: Platform, session: Session, actor: Actor, job: Job, change: schemas.RunChange) -> Prepared:
    """A new run of a job: the last one's request with what is given instead."""
    last = session.get(Run, job.last_run_id) if job.last_run_id else None
    if last is None:
        raise NotFound()
    if last.code is not None:
        raise InvalidTransition(
            "This job is a script: run its cell again, or repeat a run.",
            zh="该任务为脚本：请重新运行代码单元，或重复一次运行。",
            rule="a job of an algorithm",
        )
    given = change.model_dump(mode="json", exclude_unset=True, exclude={"name", "description"})
    before = dict(last.request)
    if given.keys() & {"accelerator_spec_id", "accelerator_wish"}:  # naming one takes the place of a wish, and back
        before |= {"accelerator_spec_id": None, "accelerator_wish": None}
    request = schemas.RunRequest.model_validate({**before, **given})
    return prepare(platform, session, actor, request)


def delete_runs(platform: Platform, session: Session, runs: Sequence[Run]) -> None:
    """Delete ended runs with what they reported; bytes nobody names are collected later."""
    active = [run for run in runs if run.phase not in ENDED]
    if active:
        raise InvalidTransition(
            f"{len(active)} of these runs has not ended; stop it first.",
            zh=f"有 {len(active)} 次运行尚未结束，请先停止。",
            rule="ended",
            value=active[0].phase,
            runs=[{"id": run.number, "phase": run.phase} for run in active[:10]],
        )
    ids = [run.id for run in runs]
    sizes = sa.select(RunFile.run_id, sa.func.sum(RunFile.size)).where(RunFile.run_id.in_(ids)).group_by(RunFile.run_id)
    kept = {run_id: int(size) for run_id, size in session.execute(sizes)}
    series = sa.select(RunSeries.id).where(RunSeries.run_id.in_(ids))
    session.execute(sa.delete(RunPoint).where(RunPoint.series_id.in_(series)))
    for table in (RunSeries, RunFile, RunPart, RunInput):
        session.execute(sa.delete(table).where(table.run_id.in_(ids)))
    for run in runs:
        usage.occupy(
            platform,
            session,
            tenant_id=run.tenant_id,
            department_id=run.department_id,
            owner_id=run.owner_id,
            kind="run",
            size=-kept.get(run.id, 0),
        )
        run.deleted_at = clock.now()
        objects.touch(session, "run", run, op="deleted")


def own_run(db: Db, actor: Actor, number: int) -> Any:
    """The run whose workload is asking, or :class:`NotFound`: a run reports only about itself."""
    row = db.execute(
        sa.select(Run.__table__).where(Run.tenant_id == actor.tenant_id, Run.number == number, Run.deleted_at.is_(None))
    ).first()
    if row is None or actor.workload_id is None or row.workload_id != actor.workload_id:
        raise NotFound()
    return row


def users_of_version(db: Db, version_id: int) -> list[dict[str, Any]]:
    """Runs that still need a dataset version, for whoever wants to delete it."""
    return _users(db, RunInput.version_id == version_id)


def users_of_dataset(db: Db, dataset_id: int) -> list[dict[str, Any]]:
    return _users(db, RunInput.dataset_id == dataset_id)


def _users(db: Db, condition: sa.ColumnElement[bool]) -> list[dict[str, Any]]:
    rows = db.execute(
        sa.select(Run.number, Run.name, Run.run_index)
        .join(RunInput, RunInput.run_id == Run.id)
        .where(condition, Run.deleted_at.is_(None), Run.phase.in_(NOT_ENDED))
        .order_by(Run.id)
        .limit(20)
    )
    return [{"kind": "run", "id": r.number, "name": f"{r.name} {rules.version_name(r.run_index)}"} for r in rows]
