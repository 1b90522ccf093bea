"""Online services as objects: deploy, predict, keys, guide."""

from __future__ import annotations

import io
import mimetypes
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Self

from himalia.sdk.accelerators import Accelerator
from himalia.sdk.base import Collection, Resource, wait_until
from himalia.sdk.compute import Spec, Workload
from himalia.sdk.data import version_name
from himalia.sdk.decode import decode
from himalia.sdk.display import Progress
from himalia.sdk.errors import InvalidInput, WorkFailed
from himalia.sdk.local import Row
from himalia.sdk.registry import Model, ModelVersion
from himalia.sdk.training import VersionRef


@dataclass
class Prediction:
    """``label`` and ``score`` (0-1) of the best answer; ``all`` has the rest."""

    label: str = ""
    score: float = 0
    all: list[dict[str, Any]] = field(default_factory=list)
    model: str = ""
    version: str = ""
    raw: Any = None

    def __str__(self) -> str:
        return f"{self.label} ({self.score:.1%})"


@dataclass
class Variant:
    name: str = ""
    model: VersionRef = field(default_factory=VersionRef)
    weight_percent: float = 0
    spec: Any = None
    replicas: int = 0
    ready: int = 0
    workload: Workload | None = None


@dataclass
class Key(Resource):
    """``key`` is shown once, when it is made."""

    key: str = ""
    expires_at: datetime | None = None
    requests_per_minute: int | None = None

    def __repr__(self) -> str:
        return f"Key(id={self.id}, name={self.name!r}, key='…')"

    def _repr_html_(self) -> str:
        return f"Key {self.id} ({self.name or 'unnamed'}); its secret is in .key and is not shown here."


@dataclass
class Service(Resource):
    description: str = ""
    phase: str = ""
    reason: str | None = None
    message: str = ""
    variants: list[Variant] = field(default_factory=list)
    revision: Any = None
    address: str | None = None
    replicas_ready: int = 0
    replicas_total: int = 0
    calls_total: int = 0
    calls_failed: int = 0
    cost_micros: int = 0
    price_per_hour_micros: int = 0

    _path: ClassVar[str] = "/inference-services"

    def wait(self, *, timeout: float | None = 600, progress: bool = True) -> Self:
        """Until it is running, which means that it answered a real sample.

        Raises:
            WorkFailed: It failed or was stopped.
            WaitedTooLong: After ``timeout`` seconds.
        """
        with Progress(f"Deploy {self.name}", show=progress) as bar:

            def over() -> bool:
                self.refresh()
                bar.at(
                    0, note=f"{self.phase} · {self.replicas_ready}/{self.replicas_total} ready {self.message}".strip()
                )
                return self.phase in ("running", "failed", "stopped")

            wait_until(over, timeout=timeout, what=f"The service {self.name}")
        if self.phase != "running":
            text = f"{self.name} {self.phase}: {self.message or self.reason or 'no reason was given'}"
            raise WorkFailed(text, code=self.reason or "work_failed")
        return self

    def predict(self, value: Any) -> Prediction:
        """Ask the service as yourself.

        Args:
            value: A path of a picture, bytes, a ``PIL.Image``, a numpy array of pixels
                (uint8, or floats in [0, 1]), a row of a dataset, or anything JSON.
        """
        body, kind = _payload(value)
        answer = self.client.http.request(
            "POST", f"{self.path}/predict", body=body, headers={"Content-Type": kind}
        ).json()
        told = answer if isinstance(answer, dict) else {}
        found = [entry for entry in told.get("predictions") or [] if isinstance(entry, dict)]
        best = found[0] if found else {}
        return Prediction(
            str(best.get("label", "")),
            float(best.get("score") or 0),
            found,
            str(told.get("model", "")),
            str(told.get("version", "")),
            answer,
        )

    def predict_many(self, values: Sequence[Any]) -> list[Prediction]:
        """Several at once, eight in flight."""
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(self.predict, values))

    def start(self) -> Self:
        self.client.http.post(f"{self.path}/start")
        return self.refresh()

    def stop(self) -> Self:
        self.client.http.post(f"{self.path}/stop")
        return self.refresh()

    def create_key(self, name: str, *, requests_per_minute: int | None = None) -> Key:
        """A key for programs; ``key.key`` is its secret and cannot be read again."""
        told: dict[str, Any] = {"name": name}
        if requests_per_minute:
            told["requests_per_minute"] = requests_per_minute
        return decode(Key, self.client.http.post(f"{self.path}/keys", told), self._client)

    def keys(self) -> list[Key]:
        answer = self.client.http.get(f"{self.path}/keys")
        items = answer["items"] if isinstance(answer, dict) else answer
        return [decode(Key, item, self._client) for item in items]

    def guide(self) -> dict[str, str]:
        """``address`` and ready-made ``curl``, ``python``, ``javascript``."""
        return dict(self.client.http.get(f"{self.path}/guide"))

    def monitoring(self, minutes: int = 60) -> dict[str, Any]:
        return dict(self.client.http.get(f"{self.path}/monitoring", minutes=minutes))


class Services(Collection[Service]):
    def deploy(
        self,
        model: str | Model | ModelVersion,
        *,
        name: str | None = None,
        version: str | int | None = None,
        spec: str | int | Spec | None = None,
        accelerator: str | int | Spec | Accelerator | None = None,
        replicas: int = 1,
        description: str = "",
        wait: bool = True,
    ) -> Service:
        """Serve a model version.

        Args:
            model: ``"digits"``, ``"digits@V0003"``, or the object; without a version the latest.
            name: Of the service, 32 characters at most; without it the model's.
            wait: Return when it answers.
        """
        chosen = self._client.model_version(model, version)
        told = {
            "name": (name or chosen.model.name)[:32],
            "description": description,
            "variants": [
                {
                    "model_id": chosen.model.id,
                    "version": version_name(chosen.version),
                    "weight_percent": 100,
                    **self._client.spec_fields(spec, accelerator, "inference"),
                    "replicas": replicas,
                }
            ],
        }
        made = decode(Service, self._client.http.post(self._path, told), self._client)
        return made.wait() if wait else made


def _payload(value: Any) -> tuple[bytes, str]:
    if isinstance(value, Row):
        value = value.path
    if isinstance(value, (str, Path)):
        path = Path(value)
        if not path.is_file():
            raise InvalidInput(f"There is no file {str(value)!r}.", field="value", value=str(value))
        return path.read_bytes(), mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    if isinstance(value, (bytes, bytearray)):
        return bytes(value), "application/octet-stream"
    if hasattr(value, "__array_interface__") and not hasattr(value, "save"):
        import numpy as np
        from PIL import Image

        array = np.asarray(value)
        if array.dtype.kind == "f":
            array = (array.clip(0, 1) * 255).round()
        value = Image.fromarray(array.astype(np.uint8).squeeze())
    if hasattr(value, "save") and hasattr(value, "mode"):
        out = io.BytesIO()
        value.save(out, "PNG")
        return out.getvalue(), "image/png"
    import json

    return json.dumps(value).encode(), "application/json"
