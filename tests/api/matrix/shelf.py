"""One object of every kind for every person, made through the API and the services.

People whose roles could not make these objects are members while they are made: a person whose
role changed keeps what they own, which is what the matrix asks about.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import sqlalchemy as sa
from sqlalchemy.orm import Session

from himalia_hub.auth import permissions, tokens
from himalia_hub.auth.actor import Reach, TokenKind
from himalia_hub.backends.protocol import NodeCapacity, Resources
from himalia_hub.billing.tables import Bill
from himalia_hub.compute.engine import Engine
from himalia_hub.compute.tables import Workload
from himalia_hub.core import clock, tasks
from himalia_hub.core.tables import Counter
from himalia_hub.data.content.framing import MEDIA_TYPE, encode
from himalia_hub.tenancy.tables import User, UserRole
from himalia_hub.training.tables import Run
from tests.api.matrix.three import ROLES_OF
from tests.api.money.facts import Work
from tests.support.data import frames, make_dataset, make_group, ok, operate, ready_version, send, wait
from tests.support.made_pictures import picture
from tests.support.models import archive
from tests.support.service import Person, Tenancy, World, make_tenancy

GIB = 2**30
WHOLE = Resources(1_000_000, 10_000 * GIB)
FOREIGN_NUMBERS = 500_000
"""The other tenant's numbers begin here: none of them exists in the asking tenant."""
MISSING = 900_000


@dataclass
class Shelf:
    """What one person owns: kind → number (of a folder its manifest), and the token of the run among it."""

    person: Person
    ids: dict[str, Any] = field(default_factory=dict)
    workload_token: str = ""


def frame(path: str, data: bytes) -> bytes:
    """One file as a run sends it."""
    return encode({"path": path, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}, data)


class Maker:
    """Fills the shelves of a world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.live = world.live
        self.engine = self.live.platform.get(Engine)
        self.engine.nodes = (NodeCapacity("node-1", WHOLE, Resources(0, 0)),)
        self.spec = 0

    def fill(self, tenancy: Tenancy, words: tuple[str, ...]) -> dict[str, Shelf]:
        people = [tenancy.people[word] for word in words]
        self._roles([(person, (permissions.MEMBER,)) for person in people])
        found = {word: self._shelf(tenancy.people[word], word) for word in words}
        self._roles([(tenancy.people[word], ROLES_OF[word]) for word in words])
        return found

    def _roles(self, wanted: list[tuple[Person, tuple[str, ...]]]) -> None:
        def work(session: Session) -> None:
            for person, roles in wanted:
                session.execute(sa.delete(UserRole).where(UserRole.user_id == person.user_id))
                session.add_all(UserRole(user_id=person.user_id, role=role) for role in roles)
                session.execute(sa.update(User).where(User.id == person.user_id).values(epoch=User.epoch + 1))

        self.live.write(work)

    def make_spec(self) -> None:
        """A spec, and a third tenant's work that fills the machine: what others start waits in the queue."""
        with self.world.alpha.administrator.api_client() as client:
            body = {"name": "small", "scenario": "any", "cpu_millis": 250, "memory_bytes": GIB // 4}
            self.spec = ok(client.post("/specs", json=body), 201)["id"]
            body = {"name": "whole", "cpu_millis": WHOLE.cpu_millis, "memory_bytes": WHOLE.memory_bytes}
            whole = ok(client.post("/specs", json=body), 201)["id"]
        with make_tenancy(self.live, "gamma").member.client() as client:
            ok(client.post("/notebooks", json={"name": "all", "spec_id": whole, "environment": "science"}), 201)

    def number_beta_apart(self) -> None:
        """Count the other tenant's objects from far above the asking tenant's."""

        def work(session: Session) -> None:
            kinds = session.execute(
                sa.select(Counter.kind).where(Counter.tenant_id == self.world.alpha.tenant_id)
            ).scalars()
            for kind in set(kinds):
                row = session.get(Counter, (self.world.beta.tenant_id, kind))
                if row is None:
                    session.add(Counter(tenant_id=self.world.beta.tenant_id, kind=kind, value=FOREIGN_NUMBERS))
                else:
                    row.value = FOREIGN_NUMBERS

        self.live.write(work)

    def _shelf(self, person: Person, word: str) -> Shelf:
        shelf = Shelf(person)
        with person.client() as client:
            steps: tuple[Callable[[Shelf, httpx.Client], None], ...] = (
                self._data,
                self._training,
                self._models,
                self._services,
                self._notebooks,
                self._account,
            )
            for step in steps:
                step(shelf, client)
        return shelf

    def _data(self, shelf: Shelf, client: httpx.Client) -> None:
        ids = shelf.ids
        ids["label_group_free"] = make_group(client, name="free")["id"]
        group = make_group(client)
        ids["label_group"] = group["id"]
        dataset = ids["dataset"] = make_dataset(client, "pets", group)["id"]
        ids["dataset_free"] = make_dataset(client, "free", group)["id"]
        begun = ok(client.post(f"/datasets/{dataset}/imports", json={"source": "browser"}), 201)["id"]
        sent = ok(send(client, begun, frames({f"{n}.png": picture(n) for n in range(4)})))["results"]
        ok(client.post(f"/imports/{begun}/finish"))
        items = [row["item"] for row in sent]
        ids["item"], label = items[0], group["labels"][0]["id"]
        ids["label"] = label
        steps = [{"item": item, "op": "set_labels", "labels": [label]} for item in items]
        operate(client, dataset, *steps, *({"item": item, "op": "confirm"} for item in items))
        for version in ("V0001", "V0002"):
            ok(client.post(f"/datasets/{dataset}/publish", json={}), 201)
            ready_version(client, dataset, version)
        body = {"source": "browser"}
        ids["import"] = ok(client.post(f"/datasets/{ids['dataset_free']}/imports", json=body), 201)["id"]
        archive_of = ok(client.post(f"/datasets/{ids['dataset_free']}/imports", json={"source": "archive"}), 201)
        ids["import_archive"] = archive_of["id"]

    def _job(self, shelf: Shelf, client: httpx.Client, name: str) -> dict[str, Any]:
        dataset = {"id": shelf.ids["dataset"], "version": "V0001"}
        body = {"name": name, "algorithm_id": 1, "dataset": dataset, "spec_id": self.spec}
        return ok(client.post("/jobs", json=body), 201)  # type: ignore[no-any-return]

    def _training(self, shelf: Shelf, client: httpx.Client) -> None:
        queued, ended = self._job(shelf, client, "queued"), self._job(shelf, client, "ended")
        shelf.ids.update(job=queued["id"], run=queued["latest_run"]["id"])
        shelf.ids.update(job_ended=ended["id"], run_ended=ended["latest_run"]["id"])
        run = ok(client.get(f"/runs/{shelf.ids['run']}"))
        shelf.ids["workload"] = run["workload"]["id"]
        shelf.ids["manifest"] = self._manifest(shelf)
        for kind in ("run_ended", "run"):
            shelf.workload_token = self._token_of_run(shelf, kind)
            with self.live.client(shelf.workload_token) as own:
                body = frame("output/log.txt", b"said") + frame("model/model.onnx", b"weights")
                headers = {"Content-Type": MEDIA_TYPE}
                ok(own.post(f"/runs/{shelf.ids[kind]}/outputs", content=body, headers=headers))
        ok(client.post(f"/runs/{shelf.ids['run_ended']}/stop"), 202)
        ended_run = wait(lambda: self._ended(client, shelf.ids["run_ended"]))
        shelf.ids["workload_ended"] = ended_run["workload"]["id"]

    def _manifest(self, shelf: Shelf) -> str:
        """The folder that the run mounts."""
        mine = sa.and_(Run.owner_id == shelf.person.user_id, Run.number == shelf.ids["run"])
        with self.live.platform.db.engine.connect() as db:
            return str(db.execute(sa.select(Run.inputs).where(mine)).scalar_one()[0]["manifest"])

    @staticmethod
    def _ended(client: httpx.Client, run: int) -> dict[str, Any] | None:
        found: dict[str, Any] = ok(client.get(f"/runs/{run}"))
        return found if found["phase"] == "stopped" else None

    def _token_of_run(self, shelf: Shelf, kind: str) -> str:
        def work(session: Session) -> str:
            row = session.execute(
                sa.select(Workload.id).where(
                    Workload.owner_id == shelf.person.user_id,
                    Workload.object_kind == "run",
                    Workload.object_number == shelf.ids[kind],
                )
            ).scalar_one()
            return tokens.issue(
                session, user_id=shelf.person.user_id, kind=TokenKind.WORKLOAD, reach=Reach.OWN, workload_id=row
            )[1]

        return self.live.write(work)  # type: ignore[no-any-return]

    def _models(self, shelf: Shelf, client: httpx.Client) -> None:
        for kind, name in (("model", "digits"), ("model_free", "free")):
            number = shelf.ids[kind] = ok(client.post("/models", json={"name": name}), 201)["id"]
            for _ in range(2):
                files = archive({"model.onnx": b"weights", "labels.json": b'["a", "b"]'})
                headers = {"Content-Type": "application/zip"}
                ok(client.post(f"/models/{number}/versions", content=files, headers=headers), 201)
            ok(client.put(f"/models/{number}/aliases/stable", json={"version": "V0001"}))

    def _services(self, shelf: Shelf, client: httpx.Client) -> None:
        variant = {"model_id": shelf.ids["model"], "version": "V0001", "spec_id": self.spec}
        for kind in ("service", "service_stopped"):
            body = {"name": kind.replace("_", "-"), "variants": [variant]}
            shelf.ids[kind] = ok(client.post("/inference-services", json=body), 201)["id"]
            key = ok(client.post(f"/inference-services/{shelf.ids[kind]}/keys", json={"name": "k"}), 201)
            shelf.ids[f"{kind}_key"] = key["id"]
        number = shelf.ids["service_stopped"]
        ok(client.post(f"/inference-services/{number}/stop"), 202)
        wait(lambda: ok(client.get(f"/inference-services/{number}"))["phase"] == "stopped")

    def _notebooks(self, shelf: Shelf, client: httpx.Client) -> None:
        for kind, start in (("notebook", False), ("notebook_queued", True)):
            body = {"name": kind.replace("_", "-"), "spec_id": self.spec, "environment": "science", "start": start}
            shelf.ids[kind] = ok(client.post("/notebooks", json=body), 201)["id"]

    def _account(self, shelf: Shelf, client: httpx.Client) -> None:
        shelf.ids["api_token"] = ok(client.post("/api-tokens", json={"name": "mine"}), 201)["id"]
        actor = shelf.person.actor()
        # Shared with somebody whom no column asks as, so that no other cell changes.
        other = "outsider" if shelf.person.name.endswith("colleague") else "colleague"
        receiver = {"kind": "user", "name": f"{actor.tenant_code}{other}"}
        body = {"object_kind": "label_group", "object": shelf.ids["label_group_free"], "receiver": receiver}
        shelf.ids["share"] = ok(client.post("/shares", json=body), 201)["id"]

        def work(session: Session) -> int:
            row = tasks.create(
                session, actor, "matrix", object_kind="dataset", object_number=1, object_name="pets", payload={}
            )
            return row.number

        shelf.ids["task"] = self.live.write(work)

    def bills(self, shelves: list[Shelf]) -> None:
        """A bill for each person, made by the charging controller from a fact of their run."""
        for shelf in shelves:
            with self.live.platform.db.engine.connect() as db:
                row = db.execute(
                    sa.select(Workload.id).where(
                        Workload.owner_id == shelf.person.user_id, Workload.number == shelf.ids["workload"]
                    )
                ).scalar_one()
            moment = clock.now()
            Work(self.world, shelf.person, row).tell("opened", moment, moment)

        def made() -> bool:
            with self.live.platform.db.engine.connect() as db:
                for shelf in shelves:
                    number = db.execute(sa.select(Bill.number).where(Bill.owner_id == shelf.person.user_id)).scalar()
                    if number is None:
                        return False
                    shelf.ids["bill"] = number
            return True

        wait(made)
