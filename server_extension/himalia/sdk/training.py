"""Algorithms, jobs and runs as objects."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self
from urllib.parse import quote

from himalia.sdk.accelerators import Accelerator
from himalia.sdk.base import Collection, Ref, Resource, wait_until
from himalia.sdk.compute import ENDED, Spec, Verdict, Workload
from himalia.sdk.data import Dataset, DatasetVersion, version_name
from himalia.sdk.decode import decode
from himalia.sdk.display import Progress
from himalia.sdk.errors import InvalidInput, WorkFailed

if TYPE_CHECKING:
    from himalia.sdk.registry import ModelVersion


@dataclass
class VersionRef:
    """A version of a dataset or model."""

    id: int = 0
    name: str = ""
    version: str = ""


@dataclass
class Parameter:
    name: str = ""
    type: str = ""
    default: Any = None
    minimum: float | None = None
    maximum: float | None = None
    choices: list[Any] = field(default_factory=list)
    help: str = ""


@dataclass
class Algorithm(Resource):
    title: str = ""
    category: str = ""
    built_in: bool = False
    description: str = ""
    command: Any = ""
    environment: Any = None
    parameters: list[Parameter] = field(default_factory=list)

    _path: ClassVar[str] = "/algorithms"


@dataclass
class RunProgress:
    step: int = 0
    total: int = 0


@dataclass
class Run(Resource):
    """One try at a job."""

    job: Ref | None = None
    number: int = 0
    phase: str = ""
    reason: str | None = None
    message: str = ""
    workload: Workload | None = None
    algorithm: Any = None
    environment: Any = None
    dataset: VersionRef | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    command: Any = ""
    metrics_last: dict[str, float] = field(default_factory=dict)
    progress: RunProgress | None = None
    cost_micros: int = 0
    model_version: Any = None
    exit_code: int | None = None
    last_lines: list[str] = field(default_factory=list)

    _path: ClassVar[str] = "/runs"

    @property
    def title(self) -> str:
        """What people call it."""
        name = self.name or (self.job.name if self.job else "")
        return f"{name or 'run ' + str(self.id)} {self.version or ''}".strip()

    @property
    def ended(self) -> bool:
        return self.phase in ENDED

    def wait(
        self, *, timeout: float | None = None, progress: bool = True, log: bool = False, check: bool = True
    ) -> Self:
        """Until it ended, with progress, last metrics and cost.

        Args:
            timeout: Seconds; without it as long as it takes.
            log: Print the log as it comes.
            check: Raise when it did not succeed.

        Raises:
            WorkFailed: It failed or was stopped; the message has the cause and the last lines.
            WaitedTooLong: After ``timeout`` seconds.
        """
        reader = _LogReader(self) if log or progress else None
        with Progress(self.title, show=progress) as bar:

            def over() -> bool:
                self.refresh()
                if reader is not None:
                    text = reader.read()
                    if log and text and not bar._notebook:
                        sys.stdout.write(text)
                        sys.stdout.flush()
                    bar.lines = "\n".join(reader.tail) if log else ""
                steps = self.progress or RunProgress()
                bar.at(steps.step, steps.total or None, note=self.summary())
                return self.ended

            wait_until(over, timeout=timeout, what=self.title)
            if reader is not None and log:
                text = reader.read()
                bar.lines = "\n".join(reader.tail)
                if text and not bar._notebook:
                    sys.stdout.write(text)
        if check and self.phase != "succeeded":
            raise self.failure()
        return self

    @property
    def waits(self) -> str:
        """While it waits for room, its place and when it probably starts; else empty."""
        return self.workload.waits if self.workload else ""

    def summary(self) -> str:
        """Phase, while it waits when it probably starts, last metrics and cost in a line."""
        metrics = " · ".join(f"{name} {value:.4g}" for name, value in list(self.metrics_last.items())[:4])
        cost = self.client.currency.show(self.cost_micros) if self.cost_micros else ""
        return " · ".join(part for part in (self.phase, self.waits, metrics, cost) if part)

    def failure(self) -> WorkFailed:
        lines = self.last_lines or (self.log_text().splitlines()[-8:] if self.workload else [])
        text = f"{self.title} {self.phase.replace('_', ' ')}: {self.message or self.reason or 'no reason was given'}"
        return WorkFailed(
            "\n".join([text, *(f"  | {line}" for line in lines[-8:])]),
            code=self.reason or "work_failed",
            details={"run": self.id, "exit_code": self.exit_code},
        )

    def log(self, *, follow: bool = False) -> Iterator[str]:
        """The log, in pieces; ``follow`` goes on until the run ended."""
        if self.workload is None:
            return iter(())
        return self.workload.log(follow=follow)

    def log_text(self) -> str:
        return "".join(self.log())

    def metrics(self, *names: str) -> Any:
        """A DataFrame: one row a step, one column a metric."""
        import pandas as pd

        frame = {
            series["name"]: pd.Series({point[0]: point[1] for point in series["points"]}, dtype=float)
            for series in self.series(*names)
        }
        table = pd.DataFrame(frame)
        table.index.name = "step"
        return table

    def series(self, *names: str) -> list[dict[str, Any]]:
        """``[{"name", "points": [[step, value, at]]}]``."""
        query = {"names": list(names) or None}
        answer = self.client.http.request("GET", f"{self.path}/metrics", query=query).json()
        return list(answer["series"])

    def stop(self) -> Self:
        self.client.http.post(f"{self.path}/stop")
        return self.refresh()

    def repeat(self) -> Run:
        """The same again as a new run."""
        return decode(Run, self.client.http.post(f"{self.path}/repeat"), self._client)

    def outputs(self) -> list[dict[str, Any]]:
        """``[{"path", "size", "sha256"}]`` of the files it kept."""
        answer = self.client.http.get(f"{self.path}/outputs")
        return list(answer["items"] if isinstance(answer, dict) else answer)

    def download(self, path: str, to: str | Path = ".") -> Path:
        """One output file; returns where it was written."""
        target = Path(to) / Path(path).name if Path(to).is_dir() else Path(to)
        with (
            self.client.http.stream(f"{self.path}/outputs/{quote(path, safe='')}") as answer,
            target.open("wb") as file,
        ):
            for chunk in answer.iter_bytes(1 << 20):
                file.write(chunk)
        return target

    def to_model(self, name: str | None = None, *, description: str = "") -> ModelVersion:
        """Register what it left in ``/himalia/model`` as a model version.

        Args:
            name: Of an own model, made if it is new; without it the job's name.
        """
        from himalia.sdk.registry import ModelVersion

        wanted = name or self.name or (self.job.name if self.job else f"run-{self.id}")
        told: dict[str, Any] = {"description": description}
        known = next((model for model in self.client.models.list(q=wanted) if model.name == wanted), None)
        told |= {"model_id": known.id} if known else {"model_name": wanted}
        return decode(ModelVersion, self.client.http.post(f"{self.path}/model", told), self._client)


class _LogReader:
    """Reads on from where it was, keeping the last lines."""

    def __init__(self, run: Run) -> None:
        self._run, self._offset = run, 0
        self.tail: list[str] = []

    def read(self) -> str:
        workload = self._run.workload
        if workload is None or self._run.phase in ("waiting", "queued"):
            return ""
        answer = workload.client.http.request(
            "GET", f"{workload.path}/log", query={"offset": self._offset, "limit": 1 << 20}
        )
        self._offset = int(answer.headers.get("Himalia-Log-Next") or self._offset + len(answer.content))
        text = answer.content.decode("utf-8", "replace")
        self.tail = ("\n".join(self.tail) + ("\n" if self.tail else "") + text.rstrip("\n")).splitlines()[-200:]
        return text


@dataclass
class Job(Resource):
    description: str = ""
    latest_run: Run | None = None
    runs: int = 0

    _path: ClassVar[str] = "/jobs"

    def all_runs(self) -> Iterator[Run]:
        return self.client.pages(f"{self.path}/runs", Run, None)

    def run(self, **changes: Any) -> Run:
        """A new run; what is not given is as in the last one."""
        return decode(Run, self.client.http.post(f"{self.path}/runs", changes), self._client)


class Runs(Collection[Run]):
    def submit(
        self,
        code: str,
        *,
        name: str,
        datasets: Any = (),
        parameters: dict[str, Any] | None = None,
        spec: str | int | Spec | None = None,
        accelerator: str | int | Spec | Accelerator | None = None,
        environment: str | None = None,
    ) -> Run:
        """Run Python code as a training run: what ``%%train`` does.

        Args:
            code: A script; its arguments are ``--data_url``, ``--train_model_out`` and the parameters.
            datasets: Names (``"digits@V0002"``), versions, or a list of them.
        """
        given = datasets if isinstance(datasets, (list, tuple)) else [datasets]
        told = {
            "name": name,
            "code": code,
            "datasets": [self._client.binding(dataset) for dataset in given],
            "parameters": parameters or {},
            **self._client.spec_fields(spec, accelerator, "training"),
            "environment": environment or self._client.default_environment("training"),
        }
        return decode(Run, self._client.http.post("/scripts", told), self._client)

    def compare(self, *runs: Run | int) -> dict[str, Any]:
        """Parameters and last metrics side by side."""
        ids = ",".join(str(run.id if isinstance(run, Run) else run) for run in runs)
        return dict(self._client.http.get("/runs/compare", ids=ids))


class Jobs(Collection[Job]):
    def create(
        self,
        name: str,
        dataset: str | Dataset | DatasetVersion,
        *,
        algorithm: str | int | Algorithm = "image-classification",
        version: str | int | None = None,
        parameters: dict[str, Any] | None = None,
        spec: str | int | Spec | None = None,
        accelerator: str | int | Spec | Accelerator | None = None,
        environment: str | None = None,
        longest_seconds: int | None = None,
        description: str = "",
    ) -> Run:
        """Make a job from an algorithm and start its first run, which is returned."""
        told = self._body(name, dataset, algorithm, version, parameters, spec, accelerator, environment)
        told |= {"description": description}
        if longest_seconds:
            told["longest_seconds"] = longest_seconds
        answer = self._client.http.post(self._path, told)
        return self._run(answer)

    def preview(self, name: str, dataset: Any, **options: Any) -> tuple[str, Verdict]:
        """The exact command a job would run, and whether it may start."""
        told = self._body(
            name,
            dataset,
            options.get("algorithm", "image-classification"),
            options.get("version"),
            options.get("parameters"),
            options.get("spec"),
            options.get("accelerator"),
            options.get("environment"),
        )
        answer = self._client.http.post("/jobs/preview", told)
        return str(answer["command"]), decode(Verdict, answer["verdict"])

    def _run(self, answer: dict[str, Any]) -> Run:
        inner = answer.get("latest_run") or answer.get("run")
        if isinstance(inner, dict) and inner.get("id"):
            return self._client.runs.get(int(inner["id"]))
        return decode(Run, answer, self._client)

    def _body(
        self,
        name: str,
        dataset: Any,
        algorithm: Any,
        version: Any,
        parameters: Any,
        spec: Any,
        accelerator: Any,
        environment: Any,
    ) -> dict[str, Any]:
        told = {
            "name": name,
            "algorithm_id": self._algorithm(algorithm),
            "dataset": self._client.binding(dataset, version),
            "parameters": parameters or {},
            **self._client.spec_fields(spec, accelerator, "training"),
        }
        return told | ({"environment": environment} if environment else {})

    def _algorithm(self, which: str | int | Algorithm) -> int:
        if isinstance(which, Algorithm):
            return which.id
        if isinstance(which, int):
            return which
        plain = which.replace("_", "-").lower()
        for algorithm in self._client.algorithms.list():
            if plain in (algorithm.name.replace("_", "-").lower(), algorithm.title.lower()):
                return algorithm.id
        names = ", ".join(algorithm.name for algorithm in self._client.algorithms.list())
        raise InvalidInput(f"There is no algorithm {which!r}.", field="algorithm", value=which, hint=f"Names: {names}.")


__all__ = ["Algorithm", "Job", "Jobs", "Run", "Runs", "VersionRef", "version_name"]
