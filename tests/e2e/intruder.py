"""The probes of the isolation test, as a cell runs them: ``python intruder.py``, attempts on stdin.

Each probe does one thing and either gets something, is held back, or breaks. Only a considered
refusal counts as held back: an unexpected answer or error is *broken* and proves nothing. The same
probes run in the sandbox (the attempt), in the sandbox on what is one's own (the control) and, as
root on the machine, on the target itself (the proof that there was something to get).

Standard library only; answers one line of JSON, ``[[outcome, detail], …]`` in the order asked.
"""

import contextlib
import ctypes
import datetime
import errno
import hashlib
import hmac
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

REFUSALS = (401, 403, 404)
HIDDEN = (errno.ENOENT, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ENXIO)
UNREACHABLE = (errno.ECONNREFUSED, errno.ENETUNREACH, errno.EHOSTUNREACH)
LIBC = ctypes.CDLL(None, use_errno=True)


class Held(Exception):
    """What was tried was refused; the text says by what."""


def read(path: str) -> str:
    """Bytes of a file or names in a folder."""
    try:
        if os.path.isdir(path):
            return f"{len(os.listdir(path))} names"
        with open(path, "rb") as file:
            return f"{len(file.read(64))} bytes"
    except OSError as error:
        raise _held(error, HIDDEN) from error


def write(path: str) -> str:
    """Open for writing, creating what is missing; a created file is removed again."""
    existed = os.path.lexists(path)
    try:
        with open(path, "ab"):
            pass
    except OSError as error:
        raise _held(error, HIDDEN) from error
    if not existed:
        os.unlink(path)
    return "opened for writing"


def find(needle: str, field: str) -> str:
    """A text in ``cmdline`` or ``environ`` of any process that can be seen, but of this one and its parents."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/{field}", "rb") as file:
            if needle.encode() in file.read():
                return f"in process {pid}"
    raise Held("in no process that can be seen")


def through_root(path: str) -> str:
    """A path through every process's root, working directory and open files."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        ways = [f"/proc/{pid}/root", f"/proc/{pid}/cwd", *_descriptors(pid)]
        for way in ways:
            for up in ("", "/../../../../../.."):
                if os.path.exists(way + up + path):
                    return f"at {way}{up}"
    raise Held("through no process")


def _descriptors(pid: str) -> list[str]:
    try:
        return [f"/proc/{pid}/fd/{number}" for number in os.listdir(f"/proc/{pid}/fd")]
    except OSError:
        return []


def signal(pid: int) -> str:
    """Signal 0; pid 0 stands for a child of our own."""
    with _process(pid) as target:
        try:
            os.kill(target, 0)
        except OSError as error:
            raise _held(error, (errno.ESRCH, errno.EPERM)) from error
    return "may be killed"


def trace(pid: int) -> str:
    """PTRACE_SEIZE; pid 0 stands for a child of our own."""
    with _process(pid) as target:
        LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
        _system(LIBC.ptrace(0x4206, target, None, None), (errno.ESRCH, errno.EPERM))
        LIBC.ptrace(17, target, None, None)
    return "may be traced"


@contextlib.contextmanager
def _process(pid: int) -> Any:
    if pid:
        yield pid
        return
    with subprocess.Popen(["sleep", "60"]) as child:
        try:
            yield child.pid
        finally:
            child.kill()


def connect(host: str, port: int) -> str:
    """A TCP connection."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.settimeout(5)
        try:
            probe.connect((host, port))
        except OSError as error:
            raise _held(error, UNREACHABLE) from error
    return "connected"


def connect_unix(path: str) -> str:
    """A socket with a path: a kernel's message channel."""
    folder, name = os.path.split(path)
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            opened = os.open(folder, os.O_PATH)  # the whole path is longer than a socket's address may be
            try:
                probe.connect(f"/proc/self/fd/{opened}/{name}")
            finally:
                os.close(opened)
        except OSError as error:
            raise _held(error, (*HIDDEN, *UNREACHABLE)) from error
    return "connected"


def make_socket(family: str, kind: str) -> str:
    """A socket of a kind that lets one write packets by hand."""
    try:
        protocol = socket.IPPROTO_ICMP if (family, kind) == ("AF_INET", "SOCK_RAW") else 0
        socket.socket(getattr(socket, family), getattr(socket, kind), protocol).close()
    except OSError as error:
        raise _held(error, (errno.EPERM, errno.EACCES)) from error
    return "made"


def tunnel(proxy: list[Any], target: str) -> str:
    """CONNECT through the proxy. Only 403 is a refusal; 502 means that the address was accepted."""
    status = _proxied(proxy, f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n")
    return _status(status, (200, 502), (403,))


def fetch_through(proxy: list[Any], url: str) -> str:
    """An absolute-form request through the proxy."""
    host = urlsplit(url).netloc
    return _status(_proxied(proxy, f"GET {url} HTTP/1.1\r\nHost: {host}\r\n\r\n"), (200, 404, 502), (403,))


def _proxied(proxy: list[Any], request: str) -> int:
    with socket.create_connection((str(proxy[0]), int(proxy[1])), timeout=10) as link:
        link.sendall(request.encode())
        return int(link.recv(4096).split(b" ", 2)[1])


def _status(status: int, got: tuple[int, ...], held: tuple[int, ...]) -> str:
    if status in held:
        raise Held(f"status {status}")
    if status in got:
        return f"status {status}"
    raise RuntimeError(f"an answer that proves nothing: status {status}")


def request(method: str, url: str, headers: dict[str, str], body: Any = None, refusals: Any = REFUSALS) -> str:
    """An HTTP request; anything below 400 gets something, and only ``refusals`` hold it back."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=30)
    data = json.dumps(body) if body is not None else None
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    if data is not None:
        headers = {"Content-Type": "application/json", **headers}
    try:
        connection.request(method, target, body=data, headers=headers)
        answer = connection.getresponse()
        said = answer.read(400).decode(errors="replace")
    finally:
        connection.close()
    if answer.status in refusals:
        raise Held(f"status {answer.status}")
    if answer.status >= 400:
        raise RuntimeError(f"an answer that proves nothing: status {answer.status} {said}")
    if answer.status >= 300:
        raise Held(f"status {answer.status}, sent elsewhere")
    return f"status {answer.status}"


def bucket(url: str, name: str, access_key: str, secret: str) -> str:
    """List a bucket with Signature Version 4."""
    host = urlsplit(url).netloc
    moment = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")  # noqa: UP017
    nothing = hashlib.sha256(b"").hexdigest()
    signed = "host;x-amz-content-sha256;x-amz-date"
    canonical = (
        f"GET\n/{name}\nlist-type=2\nhost:{host}\nx-amz-content-sha256:{nothing}\nx-amz-date:{moment}\n\n"
        f"{signed}\n{nothing}"
    )
    scope = f"{moment[:8]}/us-east-1/s3/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{secret}".encode()
    for part in (moment[:8], "us-east-1", "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    authorization = f"AWS4-HMAC-SHA256 Credential={access_key}/{scope}, SignedHeaders={signed}, Signature={signature}"
    headers = {"Authorization": authorization, "x-amz-date": moment, "x-amz-content-sha256": nothing}
    return request("GET", f"{url}/{name}?list-type=2", headers)


def mount(kind: str, target: str) -> str:
    """Mount a file system of this kind, and take it away again."""
    os.makedirs(target, exist_ok=True)
    try:
        _system(LIBC.mount(b"himalia", target.encode(), kind.encode(), 0, None), (errno.EPERM, errno.ENODEV))
        LIBC.umount2(target.encode(), 2)
    finally:
        os.rmdir(target)
    return "mounted"


def unshare(flags: int) -> str:
    """New namespaces; in a child, so that this process keeps its own."""
    return _in_child(lambda: _system(LIBC.unshare(flags), (errno.EPERM, errno.ENOSPC)))


def enter(path: str) -> str:
    """Join the namespace of another process."""

    def act() -> None:
        try:
            number = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise _held(error, HIDDEN) from error
        _system(LIBC.setns(number, 0), (errno.EPERM,))

    return _in_child(act)


def become(uid: int) -> str:
    """Another user id; -1 stands for the present one."""

    def act() -> None:
        try:
            os.setuid(os.getuid() if uid < 0 else uid)
        except OSError as error:
            raise _held(error, (errno.EPERM, errno.EINVAL)) from error

    return _in_child(act)


def set_uid_program(path: str) -> str:
    """Whether a set-uid program runs with its owner's rights: its effective uid is another than ours."""
    with subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        real, effective = _user_ids(child.pid)
        until = time.monotonic() + 2  # the kernel lets the parent go on before it gives the new rights
        while real == effective and child.poll() is None and time.monotonic() < until:
            time.sleep(0.01)
            real, effective = _user_ids(child.pid) if child.poll() is None else (real, effective)
        with contextlib.suppress(OSError):  # a set-uid program may be beyond our reach: that proves the point
            child.kill()
    if real == effective:
        raise Held(f"it runs as {effective}")
    return f"it runs as {effective}"


def _user_ids(pid: int) -> tuple[str, str]:
    with open(f"/proc/{pid}/status") as file:
        line = next(row for row in file if row.startswith("Uid:"))
    return line.split()[1], line.split()[2]


def device(path: str, major: int, minor: int) -> str:
    """Make a block device's node; a major number of -1 stands for a pipe, which everybody may make."""
    kind, number = (0o010600, 0) if major < 0 else (0o060600, os.makedev(major, minor))
    try:
        os.mknod(path, kind, number)
    except OSError as error:
        raise _held(error, (errno.EPERM, errno.EROFS, errno.EACCES)) from error
    os.unlink(path)
    return "made"


def give_away(path: str, uid: int) -> str:
    """Give a file of one's own to another user; -1 stands for oneself."""
    with open(path, "wb"):
        pass
    try:
        os.chown(path, os.getuid() if uid < 0 else uid, -1)
    except OSError as error:
        raise _held(error, (errno.EPERM, errno.EINVAL)) from error
    finally:
        os.unlink(path)
    return "given"


def _in_child(act: Callable[[], Any]) -> str:
    out, into = os.pipe()
    pid = os.fork()
    if pid == 0:
        outcome = ["done", ""]
        try:
            act()
        except Held as error:
            outcome = ["held", str(error)]
        except BaseException as error:
            outcome = ["broken", repr(error)]
        os.write(into, json.dumps(outcome).encode())
        os._exit(0)
    os.close(into)
    with open(out, "rb") as pipe:
        kind, detail = json.loads(pipe.read())
    os.waitpid(pid, 0)
    if kind == "held":
        raise Held(detail)
    if kind == "broken":
        raise RuntimeError(detail)
    return "done"


def _system(result: int, expected: tuple[int, ...]) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise _held(OSError(number, os.strerror(number)), expected)


def _held(error: OSError, expected: tuple[int, ...]) -> Exception:
    return Held(error.strerror or str(error)) if error.errno in expected else error


PROBES: dict[str, Callable[..., str]] = {
    probe.__name__: probe
    for probe in (
        read,
        write,
        find,
        through_root,
        signal,
        trace,
        connect,
        connect_unix,
        make_socket,
        tunnel,
        fetch_through,
        request,
        bucket,
        mount,
        unshare,
        enter,
        become,
        set_uid_program,
        device,
        give_away,
    )
}


def run(probe: str, arguments: list[Any]) -> tuple[str, str]:
    """(got | held | broken, detail) of one probe."""
    try:
        return "got", PROBES[probe](*arguments)
    except Held as error:
        return "held", str(error)
    except Exception as error:
        return "broken", f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    sys.stdout.write(json.dumps([run(*call) for call in json.load(sys.stdin)]) + "\n")
