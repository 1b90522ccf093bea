"""Starts one real sandbox and looks out of it: ``python -I -S selftest.py``, a request on stdin.

Run as a process of its own because entering namespaces needs a process without threads. Standard
library only. Answers one line of JSON: ``{"ok": …, "findings": {…}, "problem": …}``.
"""

import json
import os
import sys

sys.path.insert(0, os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", "..")))

# Runs inside. Every finding is true when the sandbox hides what it should.
INSIDE = r"""
import json, os, socket, sys
secret, pid, port = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
def hidden(path):
    try:
        open(path).close()
    except OSError:
        return True
    return False
def unreachable(port):
    with socket.socket() as s:
        s.settimeout(2)
        return s.connect_ex(("127.0.0.1", port)) != 0
status = open("/proc/self/status").read()
fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
pids = [name for name in os.listdir("/proc") if name.isdigit()]
print(json.dumps({
    "files": hidden(secret) and hidden("/etc/shadow"),
    "processes": len(pids) <= 4,
    "loopback": unreachable(port),
    "interfaces": [name for _, name in socket.if_nameindex()] == ["lo"],
    "capabilities": all(int(fields[name], 16) == 0 for name in ("CapPrm", "CapEff", "CapAmb", "CapInh")),
    "no_new_privileges": fields["NoNewPrivs"].strip() == "1",
}))
"""


def run(request: dict) -> dict:  # type: ignore[type-arg]
    from himalia_hub.backends.local import cgroups, netns, sandbox

    uid = request["uid"]
    space = netns.create(uid, [], "127.0.0.1")
    output_read, output_write = os.pipe()
    _status_read, status_write = os.pipe()
    start = sandbox.Start(
        level=request["level"],
        bwrap=request["bwrap"],
        command=[
            request["python"],
            "-I",
            "-S",
            "-c",
            INSIDE,
            request["secret"],
            str(os.getpid()),
            str(request["port"]),
        ],
        environment={"PATH": "/usr/bin:/bin"},
        binds=[
            *(sandbox.Bind(path, path) for path in request["folders"]),
            sandbox.Bind(request["scratch"], "/tmp", writable=True),
        ],
        working_directory="/tmp",
        space=space,
        group=cgroups.Group(cgroups.Layout(0, {}), "selftest"),
        output_fd=output_write,
        status_fd=status_write,
        file_bytes_max=0,
        data_bytes_max=0,
        shm_bytes=0,
    )
    pid, problem = start.spawn()
    os.close(output_write)
    os.close(status_write)
    with open(output_read, "rb") as pipe:
        output = pipe.read().decode(errors="replace").strip()
    os.waitpid(pid, 0)
    if problem:
        return {"ok": False, "findings": {}, "problem": problem}
    try:
        findings = json.loads(output)
    except ValueError:
        return {"ok": False, "findings": {}, "problem": output[-500:] or "the sandbox said nothing"}
    return {"ok": all(findings.values()), "findings": findings, "problem": ""}


if __name__ == "__main__":
    try:
        answer = run(json.loads(sys.stdin.buffer.read()))
    except OSError as error:
        answer = {"ok": False, "findings": {}, "problem": str(error)}
    sys.stdout.write(json.dumps(answer) + "\n")
