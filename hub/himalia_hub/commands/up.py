"""``himalia up``: run an installation on this machine until Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from himalia_hub.supervisor.errors import SupervisorError
from himalia_hub.supervisor.options import DEFAULT_API_HOST, DEFAULT_DOMAIN, ClusterChoice, Options
from himalia_hub.supervisor.state import default_state_directory


def register(subparsers: Any) -> None:
    """Add ``up`` to the command line."""
    parser = subparsers.add_parser(
        "up",
        help="run Himalia on this machine",
        description="Runs everything on this machine and prints a one-time sign-in link. "
        "Ctrl-C stops all it started; the next start continues with the same state.",
    )
    parser.add_argument(
        "--state-dir",
        type=Path,
        default=None,
        help="where the installation lives (default: $HIMALIA_STATE_DIR, else /var/lib/himalia "
        "for root and ~/.local/share/himalia for others)",
    )
    parser.add_argument("--port", type=_port, default=None, help="public port (default: 8000)")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1, this machine only)"
    )
    parser.add_argument("--domain", default=DEFAULT_DOMAIN, help=f"host name of the hub (default: {DEFAULT_DOMAIN})")
    parser.add_argument(
        "--api-host",
        default=DEFAULT_API_HOST,
        help=f"host name of programs' addresses, not below the domain (default: {DEFAULT_API_HOST})",
    )
    parser.add_argument("--demo", action="store_true", help="add a demo organisation with real pictures")
    parser.add_argument(
        "--keep-workloads", action="store_true", help="leave notebooks, runs and services running at Ctrl-C"
    )
    parser.add_argument(
        "--unsafe-no-sandbox",
        action="store_true",
        help="run people's code without isolation; for one local person on a machine that offers none",
    )
    parser.add_argument(
        "--separate-duties",
        action="store_true",
        help="system administrator, security administrator and auditor in place of one administrator; "
        "chosen at the first start, for good",
    )
    parser.add_argument(
        "--cluster",
        type=Path,
        default=None,
        metavar="FILE",
        help='run notebooks, runs and services as pods: JSON with "host" (an address of this machine that pods '
        "reach) and options of the Kubernetes backend",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from himalia_hub.supervisor.console import Console

    try:
        cluster = ClusterChoice.read(arguments.cluster) if arguments.cluster is not None else None
    except SupervisorError as error:
        Console().error(error.message, error.hint)
        return 1
    named = arguments.state_dir or os.environ.get("HIMALIA_STATE_DIR")
    options = Options(
        state_directory=Path(named) if named else default_state_directory(os.environ, root=os.geteuid() == 0),
        host=arguments.host,
        port=arguments.port,
        domain=arguments.domain,
        api_host=arguments.api_host,
        demo=arguments.demo,
        keep_workloads=arguments.keep_workloads,
        unsafe_no_sandbox=arguments.unsafe_no_sandbox,
        separate_duties=arguments.separate_duties,
        cluster=cluster,
    )
    return up(options)


def up(options: Options) -> int:
    """Start an installation and stay until it is stopped; answers the exit code."""
    from himalia_hub.supervisor.console import Console
    from himalia_hub.supervisor.isolation import isolation_level
    from himalia_hub.supervisor.run import Supervisor, describe_isolation, prepare
    from himalia_hub.supervisor.state import StateDirectory

    console = Console()
    state = StateDirectory(options.state_directory)
    try:
        _check_hosts(options)
        # On a cluster nobody's code runs here.
        level = "full" if options.cluster is not None else isolation_level(unsafe=options.unsafe_no_sandbox)
        state.hold()
        console.log_to(state.path("logs", "supervisor.log"))
        console.headline("Himalia is starting")
        console.fact("state", str(state.root))
        if options.cluster is not None:
            console.fact("workloads", f"pods on a cluster, which reach this machine at {options.cluster.host}")
        else:
            console.fact("isolation", describe_isolation(level), colour="32" if level == "full" else "33")
        environments = _environments(console)
        layout = prepare(options, state, isolation=level, environments=environments)

        async def main() -> int:
            return await Supervisor(layout, console).run()

        return asyncio.run(main())
    except SupervisorError as error:
        console.error(error.message, error.hint)
        return 1
    finally:
        state.release()


def _environments(console: Any) -> Path:
    """Build the runtime environments that are missing; answers where they are."""
    from himalia_hub.develop.images.builder import BuildError, build_missing, environments_root

    root = environments_root(Path(sys.prefix))
    try:
        build_missing(root, report=lambda text: console.fact("environment", text))
    except (BuildError, OSError) as error:
        raise SupervisorError(
            f"The runtime environments in {root} could not be built: {error}",
            "Environments need the package index once; HIMALIA_ENVIRONMENTS names another folder for them.",
        ) from error
    return root


def _check_hosts(options: Options) -> None:
    if options.api_host == options.domain or options.api_host.endswith(f".{options.domain}"):
        raise SupervisorError(
            f"--api-host {options.api_host} lies below --domain {options.domain}.",
            "Programs need a host that never receives the hub's cookies; choose one outside the domain.",
        )


def _port(text: str) -> int:
    try:
        port = int(text)
    except ValueError:
        port = 0
    if not 1 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port; use a number from 1 to 65535")
    return port
