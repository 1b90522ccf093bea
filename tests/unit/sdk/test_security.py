"""SDK-1, SDK-3, TEN-12, TEN-16, TEN-18, TEN-20, SEC-1, CON-1: security and specs from Python and the command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import himalia
from himalia.cli import main
from himalia.sdk import errors
from himalia_hub.backends.protocol import NodeCapacity, Resources
from himalia_hub.compute.engine import Engine
from tests.support.mailbox import Mailbox
from tests.support.service import ADMIN_CREDENTIAL, World

MAPPING = {"organisation": {"default": "alpha"}, "roles": {"claim": "groups", "values": {"leads": ["annotator"]}}}
Run = Callable[..., str]


@pytest.fixture
def head(world: World) -> Iterator[himalia.Client]:
    """As a program of a platform administrator, with a token of wide reach."""
    with himalia.Client(world.live.base_url, world.alpha.administrator.api_token) as client:
        yield client


@pytest.fixture
def run(world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setenv("HIMALIA_API_URL", world.live.base_url)

    def command(*words: str, by: str = "administrator", code: int = 0) -> str:
        monkeypatch.setenv("HIMALIA_TOKEN", world.alpha.people[by].api_token)
        assert main([*words]) == code, capsys.readouterr()
        told = capsys.readouterr()
        return told.out + told.err

    return command


def test_security_from_python(world: World, head: himalia.Client) -> None:
    seen = head.admin.policy.get()
    assert head.admin.policy.change(password_minimum=12)["password_minimum"] == 12
    with pytest.raises(errors.HimaliaError) as stale:
        head.admin.policy.change(seen, password_minimum=10)
    assert stale.value.code == "stale_version"
    mailbox = Mailbox()
    try:
        made = head.admin.senders.set("email", "smtp", mailbox.settings(), secret="of the mail server")
        assert made.secret_set and "of the mail server" not in repr(made)
        assert "webhook" in head.admin.senders.channels()["sms"]
        changed = head.admin.senders.set("email", "smtp", {**mailbox.settings(), "sender_name": "Lab"})
        assert changed.version == 2 and changed.secret_set
        head.admin.senders.remove("email")
        assert head.admin.senders.list() == []
    finally:
        mailbox.close()
    source = head.admin.sources.create(
        "campus", "oidc", settings={"issuer": "https://127.0.0.1:9"}, mapping=MAPPING, auto_provision=True
    )
    assert source.callback_url is not None and source.callback_url.endswith("/hub/himalia/source/campus/callback")
    assert source.update(title="Campus").title == "Campus" and source.disable().enabled is False
    found = source.test({"groups": ["leads"]})
    assert found.mapped is not None and found.mapped["roles"] == ["annotator"] and not found.passed
    assert any(kind["kind"] == "ldap" for kind in head.admin.sources.kinds())
    head.admin.sources.get("campus").delete()
    with pytest.raises(errors.NotFound):
        head.admin.sources.get("campus")
    actions = {entry.action for entry in head.audit.list(limit=50)}
    assert {"security.replace_policy", "senders.replace_sender", "tenancy.sources.create_source"} <= actions


def test_tokens_and_sessions_from_python(world: World) -> None:
    with himalia.Client(world.live.base_url, world.alpha.member.api_token) as client:
        made = client.tokens.create("ci", permissions=["data.dataset.read"], expires_at="2099-01-01T00:00:00Z")
        assert made.token is not None and made.token not in repr(made)
        with himalia.Client(world.live.base_url, made.token) as narrow:
            assert list(narrow.datasets.list()) == []
            with pytest.raises(errors.HimaliaError):
                narrow.tokens.list()
        client.tokens.revoke(made)
        assert made.id not in {one.id for one in client.tokens.list()}
        with himalia.Client(world.live.base_url, made.token) as ended, pytest.raises(errors.HimaliaError):
            ended.me()
        client.end_sessions()
    with world.alpha.member.client(step_up=True) as stepped:
        assert stepped.get("/me").json().get("step_up") is None


def test_specs_from_python_and_the_command_line(world: World, head: himalia.Client, run: Run) -> None:
    engine = world.live.platform.get(Engine)
    capacity = Resources(8_000, 2**34, 0, {"nvidia.com/gpu": 2})
    engine.nodes = (NodeCapacity("one", capacity, Resources(0, 0)),)
    made = head.specs.create("one and a half", cpu=1.5, memory_gib=3)
    assert (made.resources.cpu_millis, made.resources.memory_bytes) == (1500, 3 * 2**30)
    assert made.update(name="two", cpu_millis=2000).resources.cpu_millis == 2000
    with pytest.raises(errors.InvalidInput) as large:
        head.specs.create("large", cpu=9, memory_gib=1)
    assert large.value.field == "cpu_millis"
    card = json.loads(run("specs", "create", "one H100", "--kind", "gpu", "--accelerator", "nvidia.com/gpu", "--json"))
    assert card["kind"] == "gpu"
    run("specs", "delete", str(card["id"]))
    assert "one H100" not in run("specs", "list")


def test_administration_from_the_command_line_with_a_token(world: World, run: Run, tmp_path: Path) -> None:
    """An organisation's administrator needs no machine: the same groups, in the own organisation."""
    by = "tenant_admin"
    assert "Water is made" in run("departments", "create", "Water", by=by)
    assert "signs in once" in run("members", "create", "janedoe1", "--department", "Water", by=by)
    rows = json.loads(run("members", "list", "-q", "janedoe1", "--json", by=by))
    assert [(row["organisation"], row["department"]) for row in rows] == [("alpha", "Water")]
    assert "Water has 0 members" in run("departments", "remove", "Water", "janedoe1", by=by)
    run("groups", "create", "team", "--role", "annotator", by=by)
    assert "1 members" in run("groups", "add", "team", "janedoe1", by=by)
    file = tmp_path / "members.csv"
    file.write_text("name\nnewmember1\nx\n")
    assert "1 created, 1 refused" in run("members", "import", str(file), by=by, code=1)
    assert "disabled" in run("members", "disable", "janedoe1", by=by)
    assert "is deleted" in run("members", "delete", "janedoe1", by=by)
    assert "not visible" in run("members", "list", "--organisation", "beta", by=by, code=1)
    run("organisations", "list", by=by, code=1)
    assert "alpha" in run("organisations", "list") and "beta" in run("organisations", "list")
    assert "newmember1" not in run("members", "list", by="member", code=1)
    out = tmp_path / "audit.jsonl"
    assert "written" in run("audit", "export", str(out), "--text", "department", by=by)
    exported = {json.loads(line)["action"] for line in out.read_text().splitlines()}
    shown = {row["action"] for row in json.loads(run("audit", "list", "--text", "department", "--json", by=by))}
    assert "departments.create_department" in exported & shown


def test_security_from_the_command_line(world: World, run: Run, tmp_path: Path) -> None:
    assert json.loads(run("policy", "set", "step_up_minutes=5", "--json"))["step_up_minutes"] == 5
    assert "step_up_minutes" in run("policy", "set", "step_up_minutes=61", code=1)
    secret = tmp_path / "secret"
    secret.write_text("s3cret of the gateway\n")
    told = run("senders", "set", "sms", "webhook", "url=https://example.org/hook", "--secret-file", str(secret))
    assert "sms leaves by webhook" in told and "s3cret" not in run("senders", "list", "--json")
    assert "settings.url" in run("senders", "set", "sms", "webhook", "url=ftp://x", code=1)
    run("senders", "remove", "sms")
    mapping = tmp_path / "mapping.json"
    mapping.write_text(json.dumps(MAPPING))
    made = ("sources", "create", "campus", "oidc", "--set", "issuer=https://127.0.0.1:9", "--mapping", str(mapping))
    assert "callback" in run(*made, "--secret-file", f"client_secret={secret}")
    assert "disabled" in run("sources", "disable", "campus") and "oidc" in run("sources", "list")
    claims = tmp_path / "claims.json"
    claims.write_text(json.dumps({"groups": ["leads"]}))
    assert "annotator" in run("sources", "test", "campus", "--claims", str(claims), code=1)
    assert "s3cret" not in run("sources", "show", "campus", "--json")
    run("sources", "delete", "campus")
    token = run("tokens", "create", "ci", by="member").strip()
    assert token.startswith("hm") and token not in run("tokens", "list", by="member")
    number = next(row["id"] for row in json.loads(run("tokens", "list", "--json", by="member")) if row["name"] == "ci")
    assert "revoked" in run("tokens", "revoke", str(number), by="member")
    assert "signed out" in run("sessions", "end", by="member")
    assert "Balance" in run("recharge", "12.5", "--note", "first", "--organisation", "alpha")
    assert "not_permitted" in run("policy", "show", "--json", by="member", code=1)


def test_security_from_the_machine(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``himalia admin``: without a token, whoever may read the installation's directory."""
    folder = tmp_path / "installation"
    folder.mkdir()
    (folder / "admin.credential").write_text(ADMIN_CREDENTIAL)
    settings = {
        "admin": {"credential_file": str(folder / "admin.credential")},
        "listen": {"host": "127.0.0.1", "port": world.live.service.port},
        "public": {"hub_url": "http://himalia.localhost:8000"},
    }
    (folder / "platform.json").write_text(json.dumps(settings))

    def run(*words: str) -> str:
        assert main(["admin", "--state-dir", str(folder), *words]) == 0, capsys.readouterr()
        return capsys.readouterr().out

    assert "password_minimum" in run("policy")
    assert json.loads(run("policy", "set", "lock_failures=5", "--json"))["lock_failures"] == 5
    assert "Local accounts only" in run("sources") and "Nothing is set up" in run("senders")
    assert "organisation_administrator" in run("roles", "list", "--organisation", "alpha")
