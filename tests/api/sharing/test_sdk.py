"""SDK-1: sharing and the audit log as objects, against the running platform."""

from __future__ import annotations

from pathlib import Path

import pytest

import himalia
from himalia.sdk.errors import InvalidInput, NotFound
from tests.support.service import Person, World


def connected(person: Person) -> himalia.Client:
    return himalia.Client(person.live.base_url, person.api_token)


def test_sharing_and_audit_from_the_sdk(world: World, tmp_path: Path) -> None:
    """GEN-10, SEC-1: give, receive, take back; and the auditor's list and export of it."""
    with connected(world.alpha.member) as owner, connected(world.alpha.colleague) as other:
        made = owner.http.post("/models", {"name": "digits"})
        model = owner.models.get(made["id"])
        share = owner.shares.give(model, user=world.alpha.colleague.name, access="use")
        assert (share.access, share.receiver.kind, share.object.name) == ("use", "user", "digits")
        assert [received.object.id for received in other.shares.list()] == [model.id]
        assert [found.name for found in other.models.list(shared=True)] == ["digits"]
        share.delete()
        with pytest.raises(NotFound):
            other.models.get(model.id)
        assert list(owner.shares.list(direction="given")) == []
        with pytest.raises(InvalidInput, match="one receiver"):
            owner.shares.give(model)
    with connected(world.alpha.auditor) as auditor:
        entries = list(auditor.audit.list(actor=world.alpha.member.name, object_kind="share"))
        assert [entry.action for entry in entries] == ["sharing.delete_share", "sharing.create_share"]
        size = auditor.audit.export(tmp_path / "audit.jsonl", format="jsonl", object_kind="share")
        assert size == (tmp_path / "audit.jsonl").stat().st_size > 0
        assert len((tmp_path / "audit.jsonl").read_text().splitlines()) == 2
