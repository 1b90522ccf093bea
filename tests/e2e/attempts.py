"""The named attempts of the isolation test: what each does, its control and the proof of its target."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from himalia_hub.selfcheck.browser import Browser, Notebook
from tests.support.installation import Installation

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


def every_attempt(
    installation: Installation, own: Person, victims: dict[str, Person], environment: str
) -> list[Attempt]:
    """All of them, in the order of the report.

    Args:
        environment: The folder of the intruder's runtime environment.
    """
    return [
        *files(installation, victims),
        *writes(environment),
        *processes(installation, victims, own),
        *network(installation, victims),
        *objects(installation),
        *hub(installation, victims, own),
        *platform(installation, victims, own),
        *kernel(),
    ]


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
    for special in ("/proc/kcore", "/dev/mem", "/dev/kmsg", "/dev/vda", "/sys/fs/cgroup", "/var/run/docker.sock"):
        yield Attempt(f"read {special}", ("read", [special]), ("read", ["/dev/null"]))


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
            ("GET", "runs/1", None),
            ("POST", "runs/1/stop", {}),
            ("POST", "runs/1/metrics", {"points": [{"name": "loss", "step": 1, "value": 0.0}]}),
            ("GET", "runs/1/outputs", None),
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
            read = path if method == "GET" else re.sub("/(imports|stop|metrics)$", "", path)
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


def kernel() -> Iterator[Attempt]:
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
