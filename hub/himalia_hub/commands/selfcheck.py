"""``himalia selfcheck``: is everything right, from sign-in to bill."""

from __future__ import annotations

import argparse
from typing import Any


def register(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "selfcheck",
        help="walk the whole line on the running platform with real data; non-zero at the first wrong thing",
    )
    parser.add_argument("--state-dir", default=None, help="the installation (default: as for `himalia up`)")
    parser.add_argument("--backend", choices=("local", "kubernetes"), default=None, help="refuse when it is another")
    parser.add_argument("--pictures", type=int, default=240, help="how many pictures go through (default: 240)")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from himalia_hub.commands.admin import administration, guarded
    from himalia_hub.selfcheck.walk import Walk

    def work(arguments: argparse.Namespace) -> int:
        admin = administration(arguments)
        kind = admin.settings["backend"]["kind"]
        if arguments.backend not in (None, kind):
            print(f"This installation runs on {kind}, not on {arguments.backend}.")
            return 2
        hub_url = admin.settings["public"]["hub_url"]
        print(f"Self-check of {hub_url} ({kind})")
        walk = Walk(admin, hub_url, lambda line: print(line, flush=True), pictures=arguments.pictures)
        return 0 if walk.run() else 1

    return int(guarded(work)(arguments))
