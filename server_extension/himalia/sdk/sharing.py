"""Shares: what others may see, use or edit of one's things, and what one received."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from himalia.sdk.base import Collection, ObjectRef, Ref, Resource
from himalia.sdk.decode import decode
from himalia.sdk.errors import InvalidInput

if TYPE_CHECKING:
    from himalia.sdk.client import Client


@dataclass
class Receiver:
    """``kind``: user, department or organisation."""

    kind: str = ""
    id: int | None = None
    name: str = ""


@dataclass
class Share(Resource):
    """One object shown to one receiver; ``delete()`` takes it back at once."""

    object: ObjectRef = field(default_factory=ObjectRef)
    owner: Ref | None = None
    receiver: Receiver = field(default_factory=Receiver)
    access: str = ""
    created_at: datetime | None = None

    _path: ClassVar[str] = "/shares"


class Shares(Collection[Share]):
    """What you received (``list()``) and gave (``list(direction="given")``)."""

    def give(
        self,
        thing: Resource,
        *,
        user: str | int | None = None,
        department: str | int | None = None,
        organisation: bool = False,
        access: str = "view",
    ) -> Share:
        """Share an own dataset, label group or model with one receiver.

        Args:
            user: A member of your organisation, by name or number.
            department: A department of it, by name or number.
            organisation: Everybody of it.
            access: ``view``, ``use`` or ``edit``; given again it changes.
        """
        kind = KINDS.get(type(thing)._path)
        chosen = [value for value in (user, department, organisation or None) if value is not None]
        if kind is None:
            raise InvalidInput(f"{type(thing).__name__} cannot be shared.", field="object")
        if len(chosen) != 1:
            raise InvalidInput("Name one receiver: user, department or organisation.", field="receiver")
        word = "user" if user is not None else "department" if department is not None else "organisation"
        receiver: dict[str, Any] = {"kind": word}
        if word != "organisation":
            receiver["id" if isinstance(chosen[0], int) else "name"] = chosen[0]
        told = {"object_kind": kind, "object": thing.id, "receiver": receiver, "access": access}
        return decode(Share, self._client.http.post("/shares", told), self._client)


KINDS = {"/datasets": "dataset", "/label-groups": "label_group", "/models": "model"}


def collection(client: Client) -> Shares:
    return Shares(client, "/shares", Share)
