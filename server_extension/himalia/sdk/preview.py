"""What a start would make, before anything is saved or started: ``client.admin.preview_pod("CPU small")``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from himalia.sdk.decode import decode
from himalia.sdk.profiles import SpawnProfile

if TYPE_CHECKING:
    from himalia.sdk.client import Client
    from himalia.sdk.compute import Spec


@dataclass
class PodPreview:
    """The objects in the order in which a start would make them, the pod last; secrets are masked.

    On one machine ``backend`` is ``local`` and the one object is the sandbox.
    """

    backend: str = ""
    yaml: str = ""
    objects: list[dict[str, Any]] = field(default_factory=list)
    profiles: list[SpawnProfile] = field(default_factory=list)
    hooks_not_run: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return self.yaml

    @property
    def pod(self) -> dict[str, Any]:
        return self.objects[-1]


class PodPreviews:
    """The part of ``client.admin`` that shows what a start would make."""

    _client: Client

    def preview_pod(
        self,
        spec: str | int | Spec | None = None,
        *,
        accelerator: str | int | Spec | None = None,
        draft: dict[str, Any] | None = None,
        environment: str = "",
        profile: str | None = None,
        profile_options: dict[str, str] | None = None,
        member: str | int | None = None,
        organisation: str | None = None,
    ) -> PodPreview:
        """What a notebook's start would make, as the hub's spawner would make it; makes nothing.

        Args:
            spec: A basic spec; the smallest one when left out.
            draft: A size that is not saved (``kind``, ``cpu_millis``, ``memory_bytes``, ``accelerators``), in
                place of ``spec`` or, when it is one of an accelerator, beside it.
            profile: The slug of a profile of the hub's configuration.
            profile_options: An option's name of that profile to the chosen value.
            member: Whose notebook, by name or number; yours when left out.
            organisation: The member's organisation; yours when left out.
        """
        told: dict[str, Any] = {"environment": environment, "profile": profile, "organisation": organisation}
        told["profile_options"] = profile_options
        told["member"] = None if member is None else str(member)
        if spec is not None or accelerator is not None:
            told |= self._client.spec_fields(spec, accelerator, "notebook")
        if draft is not None:
            told["spec"] = draft
        told = {name: value for name, value in told.items() if value is not None}
        return decode(PodPreview, self._client.http.post("/pod-preview", told))
