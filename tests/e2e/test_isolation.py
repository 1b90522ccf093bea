"""One person's cell against another person and the platform: every named attempt must fail (NB-6, REL-6, SEC-5).

Three people run notebooks that the hub started: the intruder, somebody of the same organisation and
somebody of another. The intruder's cell runs the probes of ``intruder.py``. An attempt counts only
with its control: the same probe gets something where it is allowed, in the same cell. Where the
target can be reached by the machine's administrator, the probe also gets it there, so that nothing
passes because a path was wrong. Without the sandbox the test fails; it never skips.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from himalia_hub.selfcheck.browser import Browser, Notebook, run_apart
from tests.e2e.attempts import OWN_CHANNEL, Call, Person, every_attempt
from tests.support.installation import Installation, profile_with_room
from tests.support.waiting import until

pytestmark = pytest.mark.e2e

INTRUDER = Path(__file__).with_name("intruder.py")


# -- the people ------------------------------------------------------------------------------


def order_notebook(installation: Installation, name: str, organisation: str) -> tuple[dict[str, Any], Browser, str]:
    made = installation.person(name, organisation=organisation)
    browser = Browser(installation.hub_url)
    browser.sign_in(installation.admin.link_address(made["token"]))
    wanted = {"name": "work", **profile_with_room(browser)}
    return made, browser, browser.hub("POST", "himalia/api/notebooks", wanted)["server_name"]


def person(installation: Installation, made: dict[str, Any], browser: Browser, server: str) -> Person:
    def row() -> dict[str, Any]:
        rows = browser.hub("GET", "himalia/api/start")["notebooks"]
        return next(row for row in rows if row["server_name"] == server)

    notebook = browser.open_notebook(until(lambda: row().get("url")))
    said = run_apart(
        notebook.run_cell(
            "import json, os\n"
            "open(os.path.expanduser('~/secret.txt'), 'w').write('not to be seen')\n"
            "print(json.dumps(dict(os.environ)))"
        )
    )
    environment = json.loads(said)
    mine = notebook.api("GET", "notebooks")["items"][0]
    homes = installation.state / "workloads" / "homes"
    home = homes / made["tenant"] / f"u{made['user']['id']}" / server
    assert (home / "secret.txt").read_text() == "not to be seen"
    return Person(
        hub_user=made["user"]["hub_user"],
        tenant=made["tenant"],
        browser=browser,
        notebook=notebook,
        server=server,
        notebook_number=mine["id"],
        workload=mine["workload"]["id"],
        hub_token=environment["JUPYTERHUB_API_TOKEN"],
        token=environment["HIMALIA_TOKEN"],
        home=home,
        server_pid=_server_pid(environment["JUPYTERHUB_API_TOKEN"]),
    )


def _server_pid(token: str) -> int:
    """The notebook server's number on the machine: the oldest process with its token and its program."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            holds = entry.name.isdigit() and token.encode() in (entry / "environ").read_bytes()
            if holds and b"jupyterhub-singleuser" in (entry / "cmdline").read_bytes().split(b"\0")[1]:
                found.append(int(entry.name))
        except (OSError, IndexError):
            continue
    assert found, "the notebook server is not among the machine's processes"
    return min(found)


@pytest.fixture(scope="module")
def people(installation: Installation) -> Iterator[tuple[Person, Person, Person]]:
    """The intruder, a colleague of the same organisation, a stranger of another."""
    suffix = str(time.time_ns())[-8:]
    wanted = [("colleague", "alpha"), ("intruder", "alpha"), ("stranger", "beta")]
    ordered = [order_notebook(installation, name + suffix, organisation + suffix) for name, organisation in wanted]
    try:
        with ThreadPoolExecutor(3) as pool:
            colleague, intruder, stranger = pool.map(lambda made: person(installation, *made), ordered)
        for victim in (colleague, stranger):
            furnish(victim)
        yield intruder, colleague, stranger
    finally:
        for made, browser, server in ordered:
            address = f"users/{made['user']['hub_user']}/servers/{server}"
            installation_stop(installation, address)
            browser.close()


def installation_stop(installation: Installation, address: str) -> None:
    hub = installation.admin.settings["hub"]
    credential = {"Authorization": f"token {Path(hub['token_file']).read_text().strip()}"}
    assert probe_here(("request", ["DELETE", f"{hub['api_url']}/{address}", credential]))[0] == "got"


def furnish(victim: Person) -> None:
    """A dataset, a run and a running kernel to go after."""
    api = victim.notebook.api
    labels = [{"name": "cat", "colour": "#112233"}]
    group = api("POST", "label-groups", {"name": "pets", "type": "vision", "labels": labels})
    body = {"data_type": "image", "annotation_type": "classification", "label_group_id": group["id"]}
    api("POST", "datasets", {"name": "private", **body})
    spec = api("GET", "notebooks/" + str(victim.notebook_number))["spec"]["id"]
    api("POST", "scripts", {"name": "private", "code": "print('not to be seen')", "spec_id": spec})
    assert victim.notebook.request("POST", "api/kernels", json={"name": "python3"}).status_code == 201


# -- running the probes ----------------------------------------------------------------------


def probe_here(call: Call, user: int | None = None) -> tuple[str, str]:
    """The probe on the machine, as the platform's own user or as another one."""
    return tuple(_run_here([call], user)[0])  # type: ignore[return-value]


def _run_here(calls: list[Call], user: int | None = None) -> list[list[str]]:
    apart = ["unshare", "--mount"] if user is None else []  # what a proof mounts, nobody else sees
    program = [*apart, "/usr/bin/python3", "-I", "-c", INTRUDER.read_text()]
    done = subprocess.run(program, input=json.dumps(calls), capture_output=True, text=True, timeout=120, user=user)
    assert done.returncode == 0, done.stderr
    answer: list[list[str]] = json.loads(done.stdout)
    return answer


def run_in_cell(notebook: Notebook, calls: list[Call]) -> list[list[str]]:
    """All probes in one fresh process below the kernel of the intruder's cell."""
    cell = (
        "import os, subprocess, sys\n"
        f"done = subprocess.run([sys.executable, '-I', '-c', {INTRUDER.read_text()!r}], "
        f"input={json.dumps(calls)!r}, capture_output=True, text=True, timeout=150)\n"
        "print(done.stdout, done.stderr)\n"
    )
    said = run_apart(notebook.run_cell(cell, timeout_seconds=180))
    answer: list[list[str]] = json.loads(said.strip())
    assert len(answer) == len(calls)
    return answer


# -- the tests -------------------------------------------------------------------------------


def test_the_sandbox_is_there(installation: Installation) -> None:
    assert installation.admin.settings["isolation"] == "full", (
        "this installation runs without full isolation: nothing of what follows would hold"
    )


def test_every_attempt_on_others_and_the_platform_fails(
    installation: Installation, people: tuple[Person, Person, Person]
) -> None:
    own, colleague, stranger = people
    victims = {"a colleague": colleague, "a stranger": stranger}
    environment = run_apart(own.notebook.run_cell("import sys; print(sys.prefix)")).strip()
    assert own.notebook.request("POST", "api/kernels", json={"name": "python3"}).status_code == 201
    channel = until(lambda: next(own.home.glob(".local/share/jupyter/runtime/kernel-*-ipc-1"), None))
    attempts = every_attempt(installation, own, victims, environment)
    inside = f"/home/jovyan/.local/share/jupyter/runtime/{channel.name}"
    controls = [(c[0], [inside if a == OWN_CHANNEL else a for a in c[1]]) for c in (a.control for a in attempts)]
    answers = run_in_cell(own.notebook, [attempt.call for attempt in attempts] + controls)
    proofs = iter(_run_here([attempt.proof for attempt in attempts if attempt.proof]))
    wrong = []
    for attempt, seen, control in zip(attempts, answers[: len(attempts)], answers[len(attempts) :], strict=True):
        proof = next(proofs) if attempt.proof else ["got", "-"]
        right = (seen[0], control[0], proof[0]) == ("held", "got", "got")
        line = f"{'held' if right else 'WRONG':<6}{attempt.name:<64.64} {seen[1]:<44.44} control: {control[1]:.20}"
        print(line)
        if not right:
            wrong.append(f"{attempt.name}: attempt {seen}, control {control}, on the machine {proof}")
    assert not wrong, f"{len(wrong)} of {len(attempts)} are not as they must be:\n" + "\n".join(wrong)
    assert len({attempt.name for attempt in attempts}) == len(attempts) >= 60
    for victim in victims.values():  # nothing of theirs was stopped or changed on the way
        assert victim.notebook.request("GET", "api/status").status_code == 200
        assert victim.notebook.api("GET", "datasets/1")["name"] == "private"


def test_a_set_uid_program_does_work_outside(installation: Installation) -> None:
    """The proof of the one probe that root itself cannot make: an ordinary user gains root by ``su``."""
    assert probe_here(("set_uid_program", ["/usr/bin/su"]), user=65534) == ("got", "it runs as 0")


def test_the_server_of_another_refuses_ones_own_cookies_and_tokens(
    installation: Installation, people: tuple[Person, Person, Person]
) -> None:
    own, *victims = people
    token = own.hub_bearer()
    # Sent by hand: a browser would not even send them to the other's host name.
    jar = "; ".join(f"{cookie.name}={cookie.value}" for cookie in own.browser.http.cookies.jar)
    cookies = {"Cookie": jar, "X-XSRFToken": own.notebook._headers()["X-XSRFToken"]}
    bare = Browser(installation.hub_url)
    attempts = [
        ("GET", "api/contents"),
        ("GET", "api/kernels"),
        ("POST", "api/kernels"),
        ("GET", "api/contents/secret.txt"),
        ("GET", "files/secret.txt"),
        ("GET", "himalia/api/v1/me"),
        ("GET", "himalia/api/v1/datasets/1"),
    ]
    for method, path in attempts:
        if method == "GET" and "datasets" not in path:
            assert own.notebook.request(method, path).status_code == 200, f"the control of {path}"
            answer = own.browser.http.get(f"{own.notebook.base}/{path}", headers=token)
            assert answer.status_code == 200, f"the control of {path} with a token"
        for victim in victims:
            base = victim.notebook.base
            origin = {"Origin": base.partition("/user/")[0]}
            for how, credentials in (("cookies", cookies), ("token", token), ("cookies and token", cookies | token)):
                address = f"{base}/{path}"
                answer = bare.http.request(method, address, headers=credentials | origin, follow_redirects=False)
                print(f"held  {method} {path} of the other's server with own {how}: status {answer.status_code}")
                away = answer.status_code == 302 and "/hub/api/oauth2/authorize" in answer.headers["Location"]
                assert away or answer.status_code in (401, 403), f"{path} with {how}: {answer.status_code}"
                assert "not to be seen" not in answer.text
    bare.close()


def test_a_notebook_is_a_child_of_its_shim_under_another_uid(people: tuple[Person, Person, Person]) -> None:
    """On the machine: the shim is the platform's, the work below it is its owner's alone."""
    uids = set()
    for someone in people:
        line = [someone.server_pid, *_ancestors(someone.server_pid)]
        shims = [pid for pid in line if b"launch.py" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        assert len(shims) == 1, f"not exactly one shim above the server: {line}"
        assert _uid(shims[0]) == os.geteuid()
        uid = _uid(someone.server_pid)
        assert uid != os.geteuid() and uid >= 10_000
        status = Path(f"/proc/{someone.server_pid}/status").read_text()
        assert re.search(r"^CapEff:\s0+$", status, re.M) and re.search(r"^NoNewPrivs:\s1$", status, re.M)
        assert os.readlink(f"/proc/{someone.server_pid}/ns/net") != os.readlink("/proc/self/ns/net")
        assert (someone.home / "secret.txt").stat().st_uid == uid
        uids.add(uid)
    assert len(uids) == len(people), "two people share a uid"


def _ancestors(pid: int) -> list[int]:
    found: list[int] = []
    while pid > 1:
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        found.append(pid)
    return [pid for pid in found if pid > 1]


def _uid(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("Uid:")).split()[1])
