"""Administration in Python: ``himalia.admin.members.create("janedoe")``.

What is permitted is the platform's to say; every call here is one request with the caller's own
rights. Members, departments and groups count per organisation: whoever administers several names
one by its code, everybody else leaves it out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from himalia.sdk.base import Collection, Ref, Resource, wait_until
from himalia.sdk.decode import decode
from himalia.sdk.display import Progress
from himalia.sdk.errors import NotFound, WorkFailed
from himalia.sdk.preview import PodPreviews
from himalia.sdk.roles import Roles
from himalia.sdk.security import PolicyPage, Senders, Sources

if TYPE_CHECKING:
    from himalia.sdk.client import Client

T = TypeVar("T", bound="OfOrganisation")
UNSET: Any = object()
"""What was not given, where None means something."""


@dataclass
class Named:
    """An organisation by its code."""

    code: str = ""
    name: str = ""


@dataclass
class SignInLink:
    """A one-time sign-in link; it is answered this once and kept nowhere."""

    name: str = ""
    url: str = ""
    expires_at: datetime | None = None


@dataclass
class Organisation(Resource):
    """``state``: enabled, disabled, or expired (past ``valid_until``)."""

    code: str = ""
    description: str = ""
    enabled: bool = True
    valid_until: datetime | None = None
    state: str = ""
    members: int = 0
    departments: int = 0
    administrators: list[Ref] = field(default_factory=list)
    link: SignInLink | None = None

    _path: ClassVar[str] = "/organisations"

    def update(self, *, name: str | None = None, description: str | None = None, valid_until: Any = UNSET) -> Self:
        """Change what is given; ``valid_until=None`` takes the end away. The code never changes."""
        told: dict[str, Any] = {"name": name, "description": description}
        told = {key: value for key, value in told.items() if value is not None}
        if valid_until is not UNSET:
            told["valid_until"] = _moment(valid_until)
        return self._become(self.client.http.request("PATCH", self.path, json=told, version=self.version).json())

    def enable(self) -> Self:
        return self._become(self.client.http.post(f"{self.path}/enable"))

    def disable(self) -> Self:
        """Sessions end at once, work is stopped in order, nothing is deleted."""
        return self._become(self.client.http.post(f"{self.path}/disable"))


@dataclass
class OfOrganisation(Resource):
    """What belongs to one organisation; its number counts there."""

    organisation: Named = field(default_factory=Named)

    def _ask(self, method: str, tail: str = "", json: Any = None, **query: Any) -> Any:
        version = self.version if method == "PATCH" else None
        asked = {"organisation": self.organisation.code or None, **query}
        answer = self.client.http.request(method, self.path + tail, query=asked, json=json, version=version)
        return answer.json() if answer.content else None

    def refresh(self) -> Self:
        return self._become(self._ask("GET"))

    def delete(self) -> None:
        self._ask("DELETE")


@dataclass
class Department(OfOrganisation):
    description: str = ""
    enabled: bool = True
    members: int = 0
    administrators: list[Ref] = field(default_factory=list)

    _path: ClassVar[str] = "/departments"

    def update(
        self,
        *,
        name: str | None = None,
        description: str | None = None,
        administrators: list[Member | int] | None = None,
    ) -> Self:
        told: dict[str, Any] = {"name": name, "description": description}
        if administrators is not None:
            told["administrators"] = numbers(administrators)
        return self._become(self._ask("PATCH", json={k: v for k, v in told.items() if v is not None}))

    def enable(self) -> Self:
        return self._become(self._ask("POST", "/enable"))

    def disable(self) -> Self:
        """Its members' sessions end at once, their work is stopped in order, nothing is deleted."""
        return self._become(self._ask("POST", "/disable"))

    def add(self, *members: Member | int) -> Self:
        return self._become(self._ask("POST", "/members", {"add": numbers(members)}))

    def remove(self, *members: Member | int) -> Self:
        return self._become(self._ask("POST", "/members", {"remove": numbers(members)}))


@dataclass
class Group(OfOrganisation):
    """Members together, to grant roles to; ``external_name`` is what a directory calls it."""

    description: str = ""
    external_name: str = ""
    roles: list[str] = field(default_factory=list)
    members: int = 0

    _path: ClassVar[str] = "/groups"

    def update(
        self,
        *,
        name: str | None = None,
        description: str | None = None,
        external_name: str | None = None,
        roles: list[str] | None = None,
    ) -> Self:
        told = {"name": name, "description": description, "external_name": external_name, "roles": roles}
        return self._become(self._ask("PATCH", json={k: v for k, v in told.items() if v is not None}))

    def add(self, *members: Member | int) -> Self:
        return self._become(self._ask("POST", "/members", {"add": numbers(members)}))

    def remove(self, *members: Member | int) -> Self:
        return self._become(self._ask("POST", "/members", {"remove": numbers(members)}))


@dataclass
class Member(OfOrganisation):
    """``name`` is the sign-in name. ``link`` is there right after the member was made, never again."""

    display_name: str = ""
    roles: list[str] = field(default_factory=list)
    groups: list[Ref] = field(default_factory=list)
    source: str = ""
    guest: bool = False
    enabled: bool = True
    locked_until: datetime | None = None
    password_set: bool = False
    last_sign_in_at: datetime | None = None
    link: SignInLink | None = None

    _path: ClassVar[str] = "/members"

    def update(
        self, *, display_name: str | None = None, roles: list[str] | None = None, department: Any = UNSET
    ) -> Self:
        """Change what is given; ``department`` is a department, its number, or None for none."""
        told: dict[str, Any] = {"display_name": display_name, "roles": roles}
        told = {key: value for key, value in told.items() if value is not None}
        if department is not UNSET:
            told["department"] = None if department is None else numbers([department])[0]
        return self._become(self._ask("PATCH", json=told))

    def enable(self) -> Self:
        return self._become(self._ask("POST", "/enable"))

    def disable(self) -> Self:
        """Live sessions end at once, running work is stopped in order."""
        return self._become(self._ask("POST", "/disable"))

    def unlock(self) -> Self:
        return self._become(self._ask("POST", "/unlock"))

    def sign_in_link(self) -> SignInLink:
        """A new one-time link; earlier ones end."""
        return decode(SignInLink, self._ask("POST", "/link"))

    def second_factors(self) -> list[str]:
        """The methods of the second factor in force, the strongest first; empty: none."""
        methods: list[str] = self._ask("GET", "/second-factor")["methods"]
        return methods

    def reset_second_factor(self) -> dict[str, list[str]]:
        """Take the second factor and the recovery codes away from a member who lost them.

        Sessions end; the member is told at every confirmed address.

        Returns:
            ``methods`` that ended, and the channels on which the member is ``told``.

        Raises:
            NotPermitted: The member holds more power than you.
            Conflict: It is you; your account page removes your own.
        """
        done: dict[str, list[str]] = self._ask("DELETE", "/second-factor")
        return done

    def belongings(self) -> dict[str, int]:
        """Kind → count of what a deletion would hand over or erase."""
        return {one["kind"]: one["count"] for one in self._ask("GET", "/belongings")}

    def remove(self, *, take_over: Member | int | None = None, erase: bool = False) -> dict[str, Any]:
        """Delete the member; somebody takes the objects over, or they are erased.

        Raises:
            InUse: The member owns something and neither was said, or work still runs.
        """
        heir = None if take_over is None else numbers([take_over])[0]
        done: dict[str, Any] = self._ask("DELETE", take_over=heir, erase=erase or None)
        return done


@dataclass
class ImportLine:
    """One line of a file: created, changed, unchanged or refused; ``problems`` say why."""

    line: int = 0
    outcome: str = ""
    name: str = ""
    problems: list[dict[str, str]] = field(default_factory=list)


@dataclass
class MemberImport(Resource):
    """A file of members being brought in; ``counts`` by outcome."""

    dry_run: bool = False
    encoding: str = ""
    state: str = ""
    done: int = 0
    total: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    error: dict[str, Any] = field(default_factory=dict)
    organisation: str | None = None

    _path: ClassVar[str] = "/member-imports"

    def refresh(self) -> Self:
        code = self.organisation
        self._become(self.client.http.get(self.path, organisation=code))
        self.organisation = code
        return self

    def wait(self, *, timeout: float | None = None, progress: bool = True) -> Self:
        """Until it ended, with a progress bar.

        Raises:
            WorkFailed: It failed or was cancelled.
            WaitedTooLong: After ``timeout`` seconds.
        """
        with Progress("Members", self.total, "items", show=progress) as bar:

            def over() -> bool:
                self.refresh()
                bar.at(self.done, self.total)
                return self.state not in ("queued", "running")

            wait_until(over, timeout=timeout, what="The import of members", poll=0.2)
        if self.state != "succeeded":
            raise WorkFailed(str(self.error.get("detail") or f"The import was {self.state}."))
        return self

    def lines(self, outcome: str | None = None) -> Iterator[ImportLine]:
        """The report, line by line."""
        after = 0
        while True:
            asked = {"organisation": self.organisation, "outcome": outcome, "after": after, "limit": 500}
            page = self.client.http.get(f"{self.path}/lines", **asked)
            for raw in page:
                yield decode(ImportLine, raw)
            if len(page) < 500:
                return
            after = page[-1]["line"]


class Within(Collection[T]):
    """Things of an organisation; without ``organisation`` one's own, ``*`` all (platform administrators)."""

    def get(self, which: int | str, *, organisation: str | None = None) -> T:
        """One by number (an int) or exact name (a text, even of digits)."""
        if isinstance(which, int):
            return decode(
                self._kind, self._client.http.get(f"{self._path}/{which}", organisation=organisation), self._client
            )
        for found in self.list(q=which, organisation=organisation):
            if found.name.casefold() == which.casefold():
                return found
        raise NotFound(f"There is no {self._kind.__name__.lower()} called {which!r} that you may see.")

    def _make(self, told: dict[str, Any]) -> T:
        sent = {key: value for key, value in told.items() if value is not None}
        return decode(self._kind, self._client.http.post(self._path, sent), self._client)


class Organisations(Collection[Organisation]):
    def get(self, which: int | str) -> Organisation:
        """One by id (an int) or code (a text)."""
        if isinstance(which, int):
            return decode(Organisation, self._client.http.get(f"{self._path}/{which}"), self._client)
        found = self.first(code=which)
        if found is None:
            raise NotFound(f"There is no organisation with the code {which!r} that you may see.")
        return found

    def create(
        self,
        code: str,
        *,
        administrator: str,
        name: str | None = None,
        description: str = "",
        valid_until: datetime | str | None = None,
        enabled: bool = True,
        administrator_display_name: str = "",
    ) -> Organisation:
        """An organisation with its first administrator, whose sign-in link is in ``link``."""
        told = {
            "code": code,
            "name": name or code,
            "description": description,
            "enabled": enabled,
            "valid_until": _moment(valid_until),
            "administrator": {"name": administrator, "display_name": administrator_display_name},
        }
        return decode(Organisation, self._client.http.post(self._path, told), self._client)


class Departments(Within[Department]):
    def create(
        self,
        name: str,
        *,
        description: str = "",
        organisation: str | None = None,
        members: list[Member | int] | None = None,
        administrators: list[Member | int] | None = None,
    ) -> Department:
        return self._make(
            {
                "name": name,
                "description": description,
                "organisation": organisation,
                "members": numbers(members or []),
                "administrators": numbers(administrators or []),
            }
        )


class Groups(Within[Group]):
    def create(
        self,
        name: str,
        *,
        description: str = "",
        external_name: str = "",
        roles: list[str] | None = None,
        members: list[Member | int] | None = None,
        organisation: str | None = None,
    ) -> Group:
        return self._make(
            {
                "name": name,
                "description": description,
                "external_name": external_name,
                "organisation": organisation,
                "roles": roles or [],
                "members": numbers(members or []),
            }
        )


class Members(Within[Member]):
    def create(
        self,
        name: str,
        *,
        display_name: str = "",
        department: Department | int | None = None,
        roles: list[str] | None = None,
        guest: bool = False,
        organisation: str | None = None,
    ) -> Member:
        """A member without a password; ``link`` is the one-time sign-in link."""
        return self._make(
            {
                "name": name,
                "display_name": display_name,
                "department": None if department is None else numbers([department])[0],
                "roles": roles,
                "guest": guest,
                "organisation": organisation,
            }
        )

    def import_csv(
        self, file: str | Path | bytes, *, dry_run: bool = False, organisation: str | None = None
    ) -> MemberImport:
        """Bring in members from a CSV file; ``wait()`` for it, then look at ``lines("refused")``."""
        data = file if isinstance(file, bytes) else Path(file).read_bytes()
        answer = self._client.http.request(
            "POST",
            "/member-imports",
            query={"organisation": organisation, "dry_run": dry_run},
            body=data,
            headers={"Content-Type": "text/csv"},
        )
        made = decode(MemberImport, answer.json(), self._client)
        made.organisation = organisation
        return made

    def template(self) -> bytes:
        """A CSV file to fill in."""
        return self._client.http.request("GET", "/members/template").content

    def export(self, to: str | Path, **filters: Any) -> Path:
        """All members, with the filters of ``list``, as CSV."""
        path = Path(to)
        asked = {key: value for key, value in filters.items() if value is not None}
        with self._client.http.stream("/members/export", query=asked) as answer, path.open("wb") as target:
            for chunk in answer.iter_bytes():
                target.write(chunk)
        return path

    def sign_in_links(self, members: list[Member | int], *, organisation: str | None = None) -> list[SignInLink]:
        """One-time links for many members."""
        answer = self._client.http.request(
            "POST", "/members/links", query={"organisation": organisation}, json={"members": numbers(members)}
        )
        return [decode(SignInLink, raw) for raw in answer.json()]


class Admin(PodPreviews):
    """``client.admin``: organisations, departments, members, groups, roles; policy, senders, sign-in sources."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.organisations = Organisations(client, "/organisations", Organisation)
        self.departments = Departments(client, "/departments", Department)
        self.members = Members(client, "/members", Member)
        self.groups = Groups(client, "/groups", Group)
        self.roles = Roles(client)
        self.policy = PolicyPage(client)
        self.senders = Senders(client)
        self.sources = Sources(client)


def numbers(things: Any) -> list[int]:
    """Numbers of objects given as objects or numbers."""
    return [thing if isinstance(thing, int) else int(thing.id) for thing in things]


def _moment(moment: datetime | str | None) -> str | None:
    return moment.isoformat() if isinstance(moment, datetime) else moment
