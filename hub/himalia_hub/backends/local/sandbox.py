"""What a workload sees of the machine, and the process that starts it. Standard library only.

bubblewrap builds the sandbox: new mount, process, IPC, host-name and user namespaces inside the
replica's own network namespace, no capability, no way to gain one, no further user namespaces.
Inside, everybody is ``jovyan`` with uid 1000. Outside, that uid is the owner's own (*full*) or the
installer's (*single-user*).

*Full* keeps homes and the platform's state closed to the owners' uids, so bubblewrap, which
already runs as the owner, could not reach what it has to bind. The starting process, still root,
therefore first stages these sources in a private mount namespace and only then changes its uid.

``unsafe`` runs the command as it is, for one local user who asked for that.
"""

from __future__ import annotations

import os
import resource
import signal

from himalia_hub.backends.local import addresses, cgroups, linux, netns, seccomp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ETC = [
    "alternatives",
    "ca-certificates",
    "fonts",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "magic",
    "mime.types",
    "pki",
    "protocols",
    "rpc",
    "services",
    "ssl",
    "terminfo",
    "timezone",
]
_SYSTEM_LINKS = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_PUBLIC = ("/usr/", "/etc/", "/bin/", "/sbin/", "/lib", "/sys/", "/dev/")
_STAGE = "/tmp"
_OPEN_FILES = 65536


class Bind:
    """A path of the machine shown inside at ``dest``."""

    __slots__ = ("dest", "device", "source", "writable")

    def __init__(self, source: str, dest: str, *, writable: bool = False, device: bool = False) -> None:
        self.source = source
        self.dest = dest
        self.writable = writable
        self.device = device


class ImageMissing(Exception):
    """The runtime environment is not there, or its interpreter is not."""


def image_binds(image: str) -> list[Bind]:
    """The environment's folder and the interpreter it was made from, at their own paths.

    Raises:
        ImageMissing: Nothing usable is at ``image``; the message says what is wrong.
    """
    if not os.path.isdir(image):
        raise ImageMissing(f"The runtime environment {image} does not exist on this machine.")
    wanted = [os.path.normpath(image), os.path.realpath(image)]
    home = ""
    try:
        with open(os.path.join(image, "pyvenv.cfg")) as file:
            for line in file:
                key, _, value = line.partition("=")
                if key.strip() == "home":
                    home = value.strip()
    except OSError:
        pass
    python = os.path.join(image, "bin", "python")
    if os.path.lexists(python):
        real = os.path.realpath(python)
        if not os.path.exists(real):
            raise ImageMissing(f"The runtime environment {image} has lost its interpreter {real}.")
        wanted.append(os.path.dirname(os.path.dirname(real)))
    if home:
        wanted.append(os.path.dirname(home))
        wanted.append(os.path.realpath(os.path.dirname(home)))
    binds: list[Bind] = []
    for path in dict.fromkeys(wanted):
        covered = path in ("/", "/usr") or path.startswith("/usr/")
        if not covered and not any(path == b.dest or path.startswith(b.dest + "/") for b in binds):
            binds.append(Bind(path, path))
    return binds


def bwrap_folders(bwrap: str) -> list[str]:
    """What has to be staged so that the owner's uid can run ``bwrap``: itself and its libraries."""
    package = os.path.dirname(os.path.dirname(bwrap))
    if os.path.isdir(package + ".libs"):  # a wheel keeps them beside each other, found by $ORIGIN
        return [package, package + ".libs"]
    return [] if bwrap.startswith("/usr/") else [os.path.dirname(bwrap)]


class Stage:
    """Names for sources once they are staged; identity where nothing is staged."""

    def __init__(self, active: bool) -> None:
        self.active = active
        self.sources: dict[str, str] = {}

    def path(self, source: str) -> str:
        if not self.active or source.startswith(_PUBLIC) or source == "/usr":
            return source
        if source not in self.sources:
            self.sources[source] = f"{_STAGE}/{len(self.sources)}"
        return self.sources[source]

    def folder(self, source: str, name: str) -> str:
        """Stage a folder under a name of its own, for programs that look beside themselves."""
        if not self.active:
            return source
        self.sources[source] = f"{_STAGE}/{name}"
        return self.sources[source]

    def enter(self) -> None:
        """Make the staged tree, in a mount namespace that ends with the caller. Needs root."""
        linux.unshare(linux.CLONE_NEWNS)
        linux.mount("none", "/", None, linux.MS_REC | linux.MS_PRIVATE)
        opened = {source: os.open(source, os.O_PATH | os.O_CLOEXEC) for source in self.sources}
        linux.mount("tmpfs", _STAGE, "tmpfs", 0, "mode=755,size=1m")
        for source, target in self.sources.items():
            if os.path.isdir(f"/proc/self/fd/{opened[source]}"):
                os.mkdir(target)
            else:
                os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
            linux.mount(f"/proc/self/fd/{opened[source]}", target, None, linux.MS_BIND | linux.MS_REC)


def bwrap_arguments(
    binds: list[Bind],
    *,
    stage: Stage,
    working_directory: str,
    shm_bytes: int,
    status_fd: int,
) -> list[str]:
    """bubblewrap's arguments up to ``--``; the order is the order of mounting.

    Args:
        binds: Everything beyond the system's own read-only folders; sorted here so that a mount
            inside another one comes after it.
        shm_bytes: Size of ``/dev/shm``, 0 for the kernel's default (half the machine's memory).
    """
    arguments = [
        *["--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"],
        *f"--uid {addresses.UID} --gid {addresses.UID} --disable-userns --cap-drop ALL".split(),
        *["--die-with-parent", "--new-session", "--hostname", "himalia"],
        *[
            "--ro-bind",
            "/usr",
            "/usr",
            "--perms",
            "0755",
            "--dir",
            "/etc",
            "--perms",
            "0755",
            "--dir",
            "/run",
            "--perms",
            "0755",
            "--dir",
            "/var",
        ],
    ]
    for path in _SYSTEM_LINKS:
        if os.path.islink(path):
            arguments += ["--symlink", os.readlink(path), path]
        elif os.path.isdir(path):
            arguments += ["--ro-bind", path, path]
    for name in _ETC:
        arguments += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    arguments += ["--proc", "/proc", "--dev", "/dev", "--perms", "1777"]
    arguments += ["--size", str(shm_bytes)] if shm_bytes else []
    arguments += ["--tmpfs", "/dev/shm"]
    for path in ("/sys/devices/system/cpu", "/sys/devices/system/node"):
        arguments += ["--ro-bind-try", path, path]
    local = any(bind.dest.startswith("/usr/local/") for bind in binds)
    if local:
        arguments += _own_usr_local()
    made: set[str] = set()
    for bind in sorted(binds, key=lambda item: (item.dest.count("/"), item.dest)):
        for parent in _parents(bind.dest):
            system = parent.startswith(("/usr", "/proc", "/dev", "/sys"))
            if parent not in made and (not system or parent.startswith("/usr/local/")):
                arguments += ["--perms", "0755", "--dir", parent]
                made.add(parent)
        made.add(bind.dest)
        option = "--dev-bind" if bind.device else "--bind" if bind.writable else "--ro-bind"
        arguments += [option, stage.path(bind.source), bind.dest]
    # The root itself is a tmpfs: nobody writes there, what is to be written has a mount of its own.
    arguments += [
        *(["--remount-ro", "/usr/local"] if local else []),
        "--remount-ro",
        "/dev",
        "--remount-ro",
        "/",
        "--chdir",
        working_directory,
        "--json-status-fd",
        str(status_fd),
    ]
    return arguments


def _own_usr_local() -> list[str]:
    """A ``/usr/local`` in which mounts can be made, with what the machine has there."""
    arguments = ["--perms", "0755", "--tmpfs", "/usr/local"]
    for name in sorted(os.listdir("/usr/local")):
        path = f"/usr/local/{name}"
        if os.path.islink(path):
            arguments += ["--symlink", os.readlink(path), path]
        elif name != "serving":
            arguments += ["--ro-bind", path, path]
    return arguments


def _parents(path: str) -> list[str]:
    parts = path.strip("/").split("/")[:-1]
    return ["/" + "/".join(parts[: index + 1]) for index in range(len(parts))]


class Start:
    """Everything the forked child needs; prepared before the fork so that it only acts."""

    def __init__(
        self,
        *,
        level: str,
        bwrap: str,
        command: list[str],
        environment: dict[str, str],
        binds: list[Bind],
        working_directory: str,
        space: netns.NetworkSpace | None,
        group: cgroups.Group,
        output_fd: int,
        status_fd: int,
        file_bytes_max: int,
        data_bytes_max: int,
        shm_bytes: int,
    ) -> None:
        self.level = level
        self.environment = environment
        self.space = space
        self.group = group
        self.output_fd = output_fd
        self.status_fd = status_fd
        self.file_bytes_max = file_bytes_max
        self.data_bytes_max = data_bytes_max
        self.working_directory = working_directory
        self.stage = Stage(level == "full")
        self._filter_fd = -1
        if level == "unsafe":
            self.program, self.arguments = command[0], command
            return
        self.program = bwrap
        for folder in bwrap_folders(bwrap):
            staged = self.stage.folder(folder, os.path.basename(folder))
            if bwrap.startswith(folder + "/"):
                self.program = staged + bwrap[len(folder) :]
        self._filter_fd = _filter_file()
        self.arguments = [
            "bwrap",
            *(["--seccomp", str(self._filter_fd)] if self._filter_fd >= 0 else []),
            *bwrap_arguments(
                binds,
                stage=self.stage,
                working_directory=working_directory,
                shm_bytes=shm_bytes,
                status_fd=status_fd,
            ),
            "--",
            *command,
        ]

    def spawn(self) -> tuple[int, str]:
        """Fork and execute; answers the child's pid and, when it could not start, why."""
        error_read, error_write = os.pipe()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            try:
                self._run(parent)
            except BaseException as error:
                os.write(error_write, f"{error}".encode()[:2000])
            os._exit(125)
        os.close(error_write)
        if self._filter_fd >= 0:
            os.close(self._filter_fd)
        with open(error_read, "rb") as pipe:
            problem = pipe.read().decode(errors="replace")
        return pid, problem

    def _run(self, parent: int) -> None:
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, programs expect them
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        null = os.open("/dev/null", os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(self.output_fd, 1)
        os.dup2(self.output_fd, 2)
        os.umask(0o022)
        self._limit()
        if self.space is not None:
            self.stage_and_enter(self.space)
        linux.die_with_parent(parent)
        if self.level == "unsafe":
            os.setsid()
            os.chdir(self.working_directory)
            os.execvpe(self.program, self.arguments, self.environment)
        os.set_inheritable(self.status_fd, True)
        if self._filter_fd >= 0:
            os.set_inheritable(self._filter_fd, True)
        os.execve(self.program, self.arguments, self.environment)

    def _limit(self) -> None:
        self.group.join()
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("500")  # when the whole machine is short, work goes before the platform
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        limit = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        if self.file_bytes_max:
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.file_bytes_max, self.file_bytes_max))
        if self.data_bytes_max:
            resource.setrlimit(resource.RLIMIT_DATA, (self.data_bytes_max, self.data_bytes_max))

    def stage_and_enter(self, space: netns.NetworkSpace) -> None:
        if self.stage.active:
            self.stage.enter()
        linux.setns(space.user_fd, linux.CLONE_NEWUSER)
        linux.setns(space.net_fd, linux.CLONE_NEWNET)
        if self.level == "full":  # without root the kernel forbids it, and there is nothing to drop
            os.setgroups([])
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)


def _filter_file() -> int:
    """A descriptor from which bubblewrap reads the system call filter; -1 where there is none."""
    instructions = seccomp.program()
    if not instructions:
        return -1
    fd = os.memfd_create("filter")
    os.write(fd, instructions)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def execute_inside(
    level: str,
    target: int,
    space: netns.NetworkSpace,
    group: cgroups.Group,
    command: list[str],
    environment: dict[str, str],
    cwd: str,
) -> tuple[int, int]:
    """Run a command in the sandbox of process ``target``; answers (pid, descriptor of its output).

    The order of entering follows ownership: the replica's user namespace owns the network, the
    one bubblewrap made owns the mounts, the innermost one is the workload's.
    """
    kinds = {"mnt": 0, "pid": 0, "ipc": 0, "uts": 0}
    fds = {name: os.open(f"/proc/{target}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC) for name in (*kinds, "user")}
    read_fd, write_fd = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            group.join()
            linux.setns(space.user_fd, linux.CLONE_NEWUSER)
            linux.setns(space.net_fd, linux.CLONE_NEWNET)
            if level == "full":
                os.setgroups([])
            os.setresgid(0, 0, 0)
            os.setresuid(0, 0, 0)
            linux.setns(linux.owning_user_namespace(fds["mnt"]), linux.CLONE_NEWUSER)
            for name in kinds:
                linux.setns(fds[name], 0)
            linux.setns(fds["user"], linux.CLONE_NEWUSER)
            linux.die_with_parent(parent)  # the kernel forgets it when credentials change: last
            _run_inside(write_fd, command, environment, cwd)
        except BaseException as error:
            os.write(write_fd, f"himalia: {error}\n".encode())
            os._exit(126)
    os.close(write_fd)
    for fd in fds.values():
        os.close(fd)
    return pid, read_fd


def _run_inside(output: int, command: list[str], environment: dict[str, str], cwd: str) -> None:
    """Second fork: only children of a process that changed its pid namespace are in the new one."""
    linux.no_new_privileges()
    linux.filter_system_calls(seccomp.program())
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        os._exit(code if code >= 0 else 128 - code)
    linux.die_with_parent_namespace()
    os.setsid()
    os.chdir(cwd)
    null = os.open("/dev/null", os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        os.execvpe(command[0], command, environment)
    except OSError as error:
        os.write(2, f"himalia: {command[0]}: {error.strerror}\n".encode())
        os._exit(127)


def environment_for(level: str, spec: dict[str, Any], image: str) -> dict[str, str]:
    """The workload's environment: ours, then the plan's, then its secrets; later ones win."""
    path = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
    environment = {
        "LANG": "C.UTF-8",
        "HOME": addresses.HOME,
        "USER": addresses.USER,
        "LOGNAME": addresses.USER,
        "SHELL": "/bin/bash" if os.path.exists("/bin/bash") else "/bin/sh",
        "PATH": ":".join([f"{image}/bin", *path]),
        "TMPDIR": "/tmp",
    }
    if os.path.exists(f"{image}/pyvenv.cfg"):
        environment["VIRTUAL_ENV"] = image
    ours = addresses.convenience_environment()
    if level == "unsafe":  # there is no proxy: the machine's own network is open
        ours = {"HIMALIA_API_URL": ours["HIMALIA_API_URL"]}
    environment.update(ours)
    threads = str(max(1, round(spec["cpu_millis"] / 1000))) if spec["cpu_millis"] else ""
    if threads:
        environment["OMP_NUM_THREADS"] = threads
    environment.update(spec["environment"])
    environment.update(spec["secrets"])
    return environment
