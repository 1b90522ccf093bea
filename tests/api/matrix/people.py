"""What tenancy's routes are asked about: members nobody needs, a department, a group, a custom role, an import."""

from __future__ import annotations

from sqlalchemy.orm import Session

from himalia_hub.core import clock
from himalia_hub.sign_in_sources import kinds
from himalia_hub.sign_in_sources.tables import SignInSource
from tests.api.matrix.shelf import Shelf
from tests.support.data import ok, wait
from tests.support.service import Tenancy, World, add_person

ADMINISTERED = ("spare", "department_free", "group", "role", "member_import", "audit_entry")
"""Kinds that administrators read, not their owners."""
OF_ORGANISATION = ("department_free", "group", "role", "member_import", "audit_entry")
"""Kinds that belong to an organisation as a whole: own, foreign or missing."""
SMALL = "data.dataset.read"


def fill(world: World, tenancy: Tenancy, shelves: dict[str, Shelf]) -> None:
    """Make the objects of one organisation through the API and put their numbers on the shelves."""

    def work(session: Session) -> tuple[int, int]:
        near = add_person(world.live, session, tenancy.tenant_id, f"{tenancy.code}near", ("member",), None)
        far = add_person(world.live, session, tenancy.tenant_id, f"{tenancy.code}far1", ("member",), None)
        return near.number, far.number

    near, far = world.live.write(work)
    with tenancy.tenant_admin.api_client() as client:
        ours = next(row["id"] for row in ok(client.get("/departments"))["items"] if row["name"] == "Vision")
        ok(client.post(f"/departments/{ours}/members", json={"add": [near]}))
        shared = {
            "department_free": ok(client.post("/departments", json={"name": "Empty"}), 201)["id"],
            "group": ok(client.post("/groups", json={"name": "Matrix"}), 201)["id"],
            "role": ok(client.post("/roles", json={"name": "Matrix", "permissions": {SMALL: "own"}}), 201)["id"],
        }
        table = client.get("/members/template", params={"language": "en"}).content
        begun = ok(client.post("/member-imports", params={"dry_run": "true"}, content=table), 202)
        shared["member_import"] = begun["id"]
        wait(lambda: ok(client.get(f"/member-imports/{begun['id']}"))["ended_at"] is not None)
        shared["audit_entry"] = ok(client.get("/audit-entries", params={"limit": 1}))["items"][0]["id"]
    for word, shelf in shelves.items():
        shelf.ids.update(shared, spare=far if word == "outsider" else near)


def make_installation(world: World) -> None:
    """Two organisations, one of them empty, a sign-in source and a sender that no test belongs to."""
    kinds.is_form(kinds.class_of("pam"))  # imported before the first request waits for it
    with world.alpha.administrator.api_client() as client:
        for code in ("delta", "omega"):
            body = {"code": code, "name": f"{code}-works", "administrator": {"name": f"{code}admin"}}
            ok(client.post("/organisations", json=body), 201)
        ok(client.delete("/members/1", params={"organisation": "omega"}))
        hook = {"kind": "webhook", "settings": {"url": "https://example.org/hook"}}
        ok(client.put("/message-senders/email", json=hook))

    def work(session: Session) -> None:
        moment = clock.now()
        session.add(
            SignInSource(
                name="matrix",
                title="Matrix",
                kind="pam",
                origin="api",
                enabled=False,
                settings={},
                sealed_secrets="",
                mapping={},
                auto_provision=False,
                allow_private=False,
                case_sensitive=True,
                created_at=moment,
                updated_at=moment,
            )
        )

    world.live.write(work)
