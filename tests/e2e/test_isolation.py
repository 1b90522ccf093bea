"""One person's cell against another person and the platform: every named attempt must fail (SEC-1, SEC-2, SEC-3).

Three people run notebooks that the hub started: the intruder, somebody of the same organisation and
somebody of another. The intruder's cell runs the probes of ``intruder.py``. An attempt counts only
with its control: the same probe gets something where it is allowed, in the same cell. Where the
target can be reached by the machine's administrator, the probe also gets it there, so that nothing
passes because a path was wrong. Without the sandbox the test fails; it never skips.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from himalia_hub.selfcheck.browser import Browser, Notebook
from tests.support.installation import Installation

pytestmark = pytest.mark.e2e

INTRUDER = Path(__file__).with_name("intruder.py")
API = "/services/himalia/api/v1"
INTERNAL = "/services/himalia/internal/v1"
INSIDE = "http://127.0.0.1:7001"
HUB = "http://127.0.0.1:7002/hub/api"
S3 = "http://127.0.0.1:7003"
PROXY = ["127.0.0.1", 7004]
README = "/home/jovyan/README.md"
OWN_CHANNEL = "<a channel of one's own kernel>"
CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET, CLONE_FILES = 0x10000000, 0x20000, 0x20000000, 0x40000000, 0x400

Call = tuple[str, list[Any]]


@dataclass(frozen=True)
class Attempt:
    """What must fail in the cell, what must succeed there, and what must succeed on the machine."""

    name: str
    call: Call
    control: Call
    proof: Call | None = None


@dataclass
class Person:
    """Somebody with a running notebook."""

    hub_user: str
    tenant: str
    browser: Browser
    notebook: Notebook
    server: str
    notebook_number: int
    workload: int
    hub_token: str
    token: str
    home: Path
    server_pid: int

    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def hub_bearer(self) -> dict[str, str]:
        return {"Authorization": f"token {self.hub_token}"}


def until(look: Callable[[], Any], seconds: float = 90.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < deadline, "the condition was not met in time"
        time.sleep(0.2)
    return seen


# -- the people ------------------------------------------------------------------------------


def order_notebook(installation: Installation, name: str, organisation: str) -> tuple[dict[str, Any], Browser, str]:
    made = installation.person(name, organisation=organisation)
    browser = Browser(installation.hub_url)
    browser.sign_in(installation.admin.link_address(made["token"]))
    page = browser.hub("GET", "himalia/api/start")
    spec = next(entry["spec"] for entry in page["profiles"] if entry["verdict"]["verdict"] == "starts_now")
    wanted = {"name": "work", "spec_id": spec["id"], "environment": page["default_environment"]}
    return made, browser, browser.hub("POST", "himalia/api/notebooks", wanted)["server_name"]


def person(installation: Installation, made: dict[str, Any], browser: Browser, server: str) -> Person:
    def row() -> dict[str, Any]:
        rows = browser.hub("GET", "himalia/api/start")["notebooks"]
        return next(row for row in rows if row["server_name"] == server)

    notebook = browser.open_notebook(until(lambda: row().get("url")))
    said = asyncio.run(
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
    """A dataset, an API token, a stopped notebook and a running kernel to go after."""
    api = victim.notebook.api
    labels = [{"name": "cat", "colour": "#112233"}]
    group = api("POST", "label-groups", {"name": "pets", "type": "vision", "labels": labels})
    body = {"data_type": "image", "annotation_type": "classification", "label_group_id": group["id"]}
    api("POST", "datasets", {"name": "private", **body})
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
    said = asyncio.run(notebook.run_cell(cell, timeout_seconds=180))
    answer: list[list[str]] = json.loads(said.strip())
    assert len(answer) == len(calls)
    return answer


# -- the attempts ----------------------------------------------------------------------------


def files(installation: Installation, people: dict[str, Person]) -> Iterator[Attempt]:
    state = installation.state
    targets = {
        "the state directory": state,
        "the platform's database": state / "himalia.sqlite3",
        "the hub's database": state / "jupyterhub.sqlite",
        "the object store's database": state / "objects.sqlite3",
        "the object store's files": state / "objects",
        "platform.json": state / "platform.json",
        "hub.json": state / "hub.json",
        "the routes with their addresses": state / "traefik" / "dyn" / "hub.toml",
        "the service keys": state / "keycheck" / "keys.json",
        "the plans of all workloads, with tokens": state / "workloads" / "attempts",
        "the user numbers": state / "workloads" / "uids.json",
        "the platform's log": state / "logs" / "platform.log",
        "/etc/shadow": Path("/etc/shadow"),
    }
    targets |= {f"the secret {path.name}": path for path in sorted((state / "secrets").iterdir())}
    for whose, victim in people.items():
        runtime = victim.home / ".local/share/jupyter/runtime"
        targets |= {
            f"the home of {whose}": victim.home,
            f"a file of {whose}": victim.home / "secret.txt",
            f"the kernel's connection file of {whose}": next(runtime.glob("kernel-*.json")),
            f"the cookie secret of {whose}": runtime / "jupyter_cookie_secret",
            f"the environment of the server of {whose}, by its number": Path(f"/proc/{victim.server_pid}/environ"),
        }
        channel = next(runtime.glob("kernel-*-ipc-1"))
        yield Attempt(
            f"connect to a kernel channel of {whose}",
            ("connect_unix", [str(channel)]),
            ("connect_unix", [OWN_CHANNEL]),
            ("connect_unix", [str(channel)]),
        )
    for name, path in targets.items():
        yield Attempt(f"read {name}", ("read", [str(path)]), ("read", [README]), ("read", [str(path)]))
    for name, path in (("platform.json", state / "platform.json"), ("/etc/shadow", Path("/etc/shadow"))):
        found = ("through_root", [str(path)])
        yield Attempt(f"reach {name} through /proc", found, ("through_root", [README]), found)
    for path in ("/proc/kcore", "/dev/mem", "/dev/kmsg", "/dev/vda", "/sys/fs/cgroup", "/var/run/docker.sock"):
        yield Attempt(f"read {path}", ("read", [path]), ("read", ["/dev/null"]))


def writes(environment: str) -> Iterator[Attempt]:
    for path in (
        f"{environment}/intruded",
        f"{environment}/bin/python",
        "/usr/bin/intruded",
        "/etc/passwd",
        "/run/intruded",
        "/intruded",
        "/himalia/welcome/README.md",
        "/proc/sys/kernel/core_pattern",
        "/proc/sysrq-trigger",
    ):
        yield Attempt(
            f"write {path.replace(environment, '<environment>')}", ("write", [path]), ("write", [README[:-3]])
        )


def processes(installation: Installation, people: dict[str, Person], own: Person) -> Iterator[Attempt]:
    needles = {"the object store's root password": ("MINIO_ROOT_PASSWORD=", "environ")}
    needles["the platform's process"] = ("himalia_hub.platform", "cmdline")
    needles["the hub's process"] = ("jupyterhub_config.py", "cmdline")
    for whose, victim in people.items():
        needles[f"the platform token of {whose}"] = (victim.token, "environ")
        needles[f"the hub token of {whose}"] = (victim.hub_token, "environ")
    for name, (needle, field) in needles.items():
        control = (own.token, "environ") if field == "environ" else ("ipykernel_launcher", "cmdline")
        call = ("find", [needle, field])
        yield Attempt(f"find {name} in /proc/*/{field}", call, ("find", list(control)), call)
    pids = {f"the server of {whose}": victim.server_pid for whose, victim in people.items()}
    pids |= {"the platform": _pid_of(installation, "himalia_hub.platform")}
    for name, pid in pids.items():
        yield Attempt(f"kill {name}", ("signal", [pid]), ("signal", [0]), ("signal", [pid]))
        yield Attempt(f"trace {name}", ("trace", [pid]), ("trace", [0]))


def _pid_of(installation: Installation, module: str) -> int:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if module.encode() in line and str(installation.state / "platform.json").encode() in line:
                return int(entry.name)
    raise AssertionError(f"{module} does not run")


def network(installation: Installation, people: dict[str, Person]) -> Iterator[Attempt]:
    ports = dict(json.loads((installation.state / "installation.json").read_text())["ports"])
    ports["front door"] = installation.port
    routes = (installation.state / "traefik" / "dyn" / "hub.toml").read_text()
    for whose, victim in people.items():
        section = rf'/user/{victim.hub_user}/{victim.server}/"\s+target = "http://127\.0\.0\.1:(\d+)"'
        found = re.search(section, routes)
        assert found, routes
        ports[f"jupyter of {whose}"] = int(found.group(1))
    own = ("connect", ["127.0.0.1", 7001])
    for name, port in ports.items():
        call = ("connect", ["127.0.0.1", port])
        yield Attempt(f"connect to the {name} port on the machine's loopback", call, own, call)
        yield Attempt(
            f"reach the {name} port through the proxy",
            ("tunnel", [PROXY, f"127.0.0.1:{port}"]),
            ("tunnel", [PROXY, "nobody.invalid:443"]),
            call,
        )
    for host, port in (("127.0.0.1", 5432), ("169.254.169.254", 80), ("10.0.0.1", 80), ("192.168.0.1", 53)):
        yield Attempt(f"connect to {host}:{port}", ("connect", [host, port]), own)
    targets = ["localhost:80", "127.1:80", "2130706433:80", "0.0.0.0:80", "[::1]:80", "[::ffff:127.0.0.1]:80"]
    targets += ["10.0.0.1:80", "172.16.0.1:80", "192.168.0.1:80", "100.64.0.1:80", "169.254.169.254:80"]
    targets += ["[fe80::1]:80", "[fd00::1]:80", "[64:ff9b::7f00:1]:80", f"{_own_address()}:{installation.port}"]
    for target in targets:
        yield Attempt(
            f"CONNECT {target.replace(str(installation.port), '<port>')}",
            ("tunnel", [PROXY, target]),
            ("tunnel", [PROXY, "nobody.invalid:443"]),
        )
    for url in (f"http://127.0.0.1:{ports['platform']}{API}/health", "http://169.254.169.254/latest/meta-data/"):
        yield Attempt(
            f"GET {re.sub(r':[0-9]+', ':<port>', url)} through the proxy",
            ("fetch_through", [PROXY, url]),
            ("fetch_through", [PROXY, "http://nobody.invalid/"]),
        )
    stream = ("make_socket", ["AF_INET", "SOCK_STREAM"])
    for family in ("AF_INET", "AF_PACKET"):
        call = ("make_socket", [family, "SOCK_RAW"])
        yield Attempt(f"make a raw {family} socket", call, stream, call)


def _own_address() -> str:
    """The machine's address on its network: of the interface that packets to the outside would take."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("198.51.100.1", 9))
        return str(probe.getsockname()[0])


def objects(installation: Installation) -> Iterator[Attempt]:
    settings = installation.admin.settings["s3"]
    secret, endpoint = Path(settings["secret_key_file"]).read_text().strip(), settings["endpoint"]
    name, key = settings["bucket"], settings["access_key"]
    right, proof = ("bucket", [S3, name, key, secret]), ("bucket", [endpoint, name, key, secret])
    for path in ("/", f"/{name}", f"/{name}?list-type=2", "/minio/prometheus/metrics"):
        yield Attempt(
            f"GET {path} of the object store without a key", ("request", ["GET", S3 + path, {}]), right, proof
        )
    yield Attempt("put an object without a key", ("request", ["PUT", f"{S3}/{name}/intruded", {}, {}]), right, proof)
    guesses = [(key, "himalia"), (key, "0" * 64), ("minioadmin", "minioadmin"), ("minio", "minio123"), (key, "")]
    for access, guess in guesses:
        call = ("bucket", [S3, name, access, guess])
        yield Attempt(f"list the bucket with the guessed key {access}:{guess[:10]}", call, right, proof)


def hub(installation: Installation, people: dict[str, Person], own: Person) -> Iterator[Attempt]:
    mine = own.hub_bearer()
    control = ("request", ["GET", f"{HUB}/user", mine])
    settings = installation.admin.settings["hub"]
    platform = {"Authorization": f"token {Path(settings['token_file']).read_text().strip()}"}
    wider: list[tuple[str, str, Any]] = [
        ("GET", "users", None),
        ("POST", "users/newcomer", {}),
        ("PATCH", f"users/{own.hub_user}", {"admin": True}),
        ("POST", f"users/{own.hub_user}/tokens", {"scopes": ["admin:users"]}),
        ("POST", f"users/{own.hub_user}/servers/another", {}),
        ("GET", "services", None),
        ("GET", "groups", None),
        ("GET", "proxy", None),
        ("POST", "proxy", None),
        ("POST", "shutdown", {}),
    ]
    for method, path, body in wider:
        proof = ("request", ["GET", f"{settings['api_url']}/users", platform]) if path == "users" else None
        name = path.replace(own.hub_user, "<self>")
        yield Attempt(f"hub: {method} {name}", ("request", [method, f"{HUB}/{path}", mine, body]), control, proof)
    for whose, victim in people.items():
        user = f"users/{victim.hub_user}"
        proof = ("request", ["GET", f"{settings['api_url']}/{user}", platform])
        for method, path, body in (
            ("GET", user, None),
            ("DELETE", user, None),
            ("POST", f"{user}/servers/{victim.server}", {}),
            ("DELETE", f"{user}/servers/{victim.server}", None),
            ("GET", f"{user}/tokens", None),
            ("POST", f"{user}/tokens", {}),
            ("POST", f"{user}/activity", {"servers": {}}),
        ):
            name = path.replace(victim.hub_user, f"<{whose}>")
            yield Attempt(f"hub: {method} {name}", ("request", [method, f"{HUB}/{path}", mine, body]), control, proof)
        direct = f"http://127.0.0.1:7002/user/{victim.hub_user}/{victim.server}/api/contents"
        yield Attempt(f"the files of {whose} through the hub's port", ("request", ["GET", direct, mine]), control)


def platform(installation: Installation, people: dict[str, Person], own: Person) -> Iterator[Attempt]:
    mine = own.bearer()
    control = ("request", ["GET", f"{INSIDE}{API}/me", mine])
    listen = installation.admin.settings["listen"]
    outside = f"http://{listen['host']}:{listen['port']}"
    forged = {**mine, "Himalia-Step-Up": "a" * 43}
    recharge = {"amount_micros": 1_000_000_000, "note": "mine"}
    price = {"entries": [{"resource": "cpu", "section": None, "price_per_hour": "0"}]}
    for name, method, path, headers, body in (
        ("recharge one's organisation", "POST", f"{API}/recharges", mine, recharge),
        ("recharge with a forged step-up", "POST", f"{API}/recharges", forged, recharge),
        ("set prices with a forged step-up", "PUT", f"{API}/prices", forged, price),
        ("no token", "GET", f"{API}/datasets", {}, None),
        ("a guessed token", "GET", f"{API}/me", {"Authorization": "Bearer hmt_" + "a" * 43}, None),
        ("the token that belongs to the hub", "GET", f"{API}/me", {"Authorization": f"Bearer {own.hub_token}"}, None),
    ):
        yield Attempt(f"platform: {name}", ("request", [method, INSIDE + path, headers, body]), control)
    yield from internal(installation, people, own, control)
    for whose, victim in people.items():
        chosen = {**mine, "Himalia-Tenant": victim.tenant, "Himalia-Step-Up": "a" * 43}
        etag = {"If-Match": '"1"'}
        paths: list[tuple[str, str, Any]] = [
            ("GET", "datasets/1", None),
            ("GET", "datasets/1/items", None),
            ("DELETE", "datasets/1", None),
            ("PATCH", "datasets/1", {"name": "taken"}),
            ("POST", "datasets/1/imports", {"source": "browser"}),
            ("GET", "label-groups/1", None),
        ]
        if whose == "a colleague":  # elsewhere these numbers may be one's own
            paths += [
                ("GET", f"notebooks/{victim.notebook_number}", None),
                ("POST", f"notebooks/{victim.notebook_number}/stop", {}),
                ("DELETE", f"notebooks/{victim.notebook_number}", None),
                ("GET", f"workloads/{victim.workload}", None),
                ("GET", f"workloads/{victim.workload}/log", None),
                ("POST", f"workloads/{victim.workload}/stop", {}),
                *((("GET", f"bills/{bill['id']}", None)) for bill in victim.notebook.api("GET", "bills")["items"]),
            ]
        for method, path, body in paths:
            read = path if method == "GET" else path.partition("/imports")[0].partition("/stop")[0]
            proof = ("request", ["GET", f"{outside}{API}/{read}", victim.bearer()])
            for how, headers in (("", mine), (" with forged headers", chosen)):
                call = ("request", [method, f"{INSIDE}{API}/{path}", {**headers, **etag}, body])
                yield Attempt(f"platform: {method} {path} of {whose}{how}", call, control, proof)


def internal(installation: Installation, people: dict[str, Person], own: Person, control: Call) -> Iterator[Attempt]:
    victim = people["a stranger"]
    settings = installation.admin.settings
    admin = {"Authorization": f"Bearer {Path(settings['admin']['credential_file']).read_text().strip()}"}
    base = f"http://{settings['listen']['host']}:{settings['listen']['port']}{INTERNAL}"
    server = f"notebooks/{victim.hub_user}/{victim.server}"
    for method, path, body in (
        ("GET", "admin/status", None),
        ("GET", "admin/users", None),
        ("GET", "admin/tenants", None),
        ("POST", "admin/links", {}),
        ("POST", "admin/recharges", {"tenant": own.tenant, "amount_micros": 1_000_000, "note": "mine"}),
        ("POST", "admin/shutdown", {}),
        ("POST", "sign-in/refresh", {"hub_user": victim.hub_user}),
        ("GET", f"start-page?hub_user={victim.hub_user}", None),
        ("GET", f"{server}/state", None),
        ("POST", f"{server}/launch", {}),
        ("POST", f"{server}/stop", {}),
    ):
        proof = ("request", ["GET", f"{base}/{path}", admin]) if path.startswith("admin/") and method == "GET" else None
        call = ("request", [method, f"{INSIDE}{INTERNAL}/{path}", own.bearer(), body])
        yield Attempt(f"internal: {method} {path.replace(victim.hub_user, '<other>')}", call, control, proof)


def kernel(own: Person) -> Iterator[Attempt]:
    free = ("unshare", [CLONE_FILES])
    for name, flag in (("user", CLONE_NEWUSER), ("mount", CLONE_NEWNS), ("pid", CLONE_NEWPID), ("net", CLONE_NEWNET)):
        yield Attempt(f"make a new {name} namespace", ("unshare", [flag]), free, ("unshare", [flag]))
    for kind in ("tmpfs", "proc", "cgroup2"):
        call = ("mount", [kind, "/tmp/mounted"])
        yield Attempt(f"mount a {kind}", call, free, call if kind != "cgroup2" else None)
    yield Attempt("join the network of the sandbox's first process", ("enter", ["/proc/1/ns/net"]), free)
    yield Attempt("become root", ("become", [0]), ("become", [-1]), ("become", [0]))
    disk = ("device", ["/tmp/disk", 8, 0])
    yield Attempt("make a disk's device node", disk, ("device", ["/tmp/disk", -1, 0]), disk)
    yield Attempt("give a file to root", ("give_away", ["/tmp/given", 0]), ("give_away", ["/tmp/given", -1]))
    yield Attempt("gain root by a set-uid program", ("set_uid_program", ["/usr/bin/su"]), ("read", ["/usr/bin/su"]))


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
    environment = asyncio.run(own.notebook.run_cell("import sys; print(sys.prefix)")).strip()
    assert own.notebook.request("POST", "api/kernels", json={"name": "python3"}).status_code == 201
    channel = until(lambda: next(own.home.glob(".local/share/jupyter/runtime/kernel-*-ipc-1"), None))
    attempts = [
        *files(installation, victims),
        *writes(environment),
        *processes(installation, victims, own),
        *network(installation, victims),
        *objects(installation),
        *hub(installation, victims, own),
        *platform(installation, victims, own),
        *kernel(own),
    ]
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
    assert len({attempt.name for attempt in attempts}) == len(attempts) >= 25
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
