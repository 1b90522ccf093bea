"""``himalia up --demo``: people, prices, balance, and a labelled data set of real pictures.

Everything goes through the routes that people and administrators use. The pictures are written
once by the science environment, since the platform itself has no such libraries.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from himalia.sdk.client import Client
from himalia_hub.develop.images.definitions import DEFAULT_ENVIRONMENT
from himalia_hub.develop.images.registry import EnvironmentRegistry
from himalia_hub.supervisor.administration import Administration
from himalia_hub.supervisor.errors import SupervisorError

SCRIPT = Path(__file__).with_name("demo_pictures.py")
DATASET = "harbour-digits"
COLOURS = (
    "#e69f00",
    "#56b4e9",
    "#009e73",
    "#cc79a7",
    "#0072b2",
    "#d55e00",
    "#8e6bbf",
    "#7a6a00",
    "#5c5f63",
    "#b84e00",
)
PRICES = [
    {"resource": "cpu", "price_per_hour": "0.10"},
    {"resource": "memory", "price_per_hour": "0.05"},
]
BALANCE_MICROS = 500_000_000
FUNDED = ("home", "harbour-lab")


def write_pictures(environments_root: Path, state: Path) -> Path:
    """The folder of demo pictures below the state directory; a finished one is left alone.

    Raises:
        SupervisorError: the environment is missing or the pictures could not be written.
    """
    folder = state / "demo" / "pictures"
    if (folder / "about.txt").exists():
        return folder
    environment = EnvironmentRegistry(environments_root).find(DEFAULT_ENVIRONMENT)
    if environment is None:
        raise SupervisorError(f"The environment {DEFAULT_ENVIRONMENT} is missing.", "Run `make environments`.")
    done = subprocess.run(
        [str(environment.path / "bin" / "python"), "-P", str(SCRIPT), str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SupervisorError(f"The demo pictures could not be written: {done.stderr.strip()[-400:]}")
    return folder


def make_demo(administration: Administration) -> dict[str, Any]:
    """The demo organisation with prices and balance; what exists is left as it is.

    Answers ``{tenant, new, users: [{name, role, link_token}], token}``.
    """
    demo: dict[str, Any] = administration.call("POST", "admin/demo", {})
    if demo["new"]:
        administration.call("PUT", "admin/prices", {"entries": PRICES})
        for tenant in FUNDED:
            body = {"tenant": tenant, "amount_micros": BALANCE_MICROS, "note": "Demo balance"}
            administration.call("POST", "admin/recharges", body)
    return demo


def import_pictures(api_url: str, token: str, pictures: Path) -> str:
    """The labelled data set and its first version, as the demo's member; says what is there."""
    with Client(api_url, token, retry_seconds=20.0) as client:
        found = next((item for item in client.datasets if item.name == DATASET), None)
        if found is not None and found.current_version is not None:
            return f"{DATASET}, {found.items} pictures"
        if found is None:
            labels = [
                {"name": str(number), "colour": colour, "key": str(number)} for number, colour in enumerate(COLOURS)
            ]
            group = client.label_groups.create(DATASET, labels, description="Handwritten digits")
            found = client.datasets.create(DATASET, group, description="Digits, labelled by their folders")
        found.import_folder(pictures / "digits", labels_from_folders=True, progress=False)
        found.publish("As imported")
        return f"{DATASET}, {found.items} labelled pictures, V0001"
