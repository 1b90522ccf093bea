"""Real pictures for the demo, written once by the science environment (the platform has no such libraries)."""

from __future__ import annotations

import subprocess
from pathlib import Path

from himalia_hub.develop.images.definitions import DEFAULT_ENVIRONMENT
from himalia_hub.develop.images.registry import EnvironmentRegistry
from himalia_hub.supervisor.errors import SupervisorError

SCRIPT = Path(__file__).with_name("demo_pictures.py")


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
