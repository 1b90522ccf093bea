"""The administrator's own ``jupyterhub_config.py`` in the state directory (NB-3)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import himalia_hub.config

SHOW = """
import json, sys
from traitlets.config import PyFileConfigLoader
c = PyFileConfigLoader(sys.argv[1]).load_config()
print(json.dumps([c.HimaliaKubeSpawner.get("profile_list"), c.HimaliaKubeSpawner.cluster, c.Spawner.poll_interval]))
"""
OWN = """
c.HimaliaKubeSpawner.profile_list = [{"display_name": "Shared memory", "slug": "shm"}]
c.Spawner.poll_interval = 9
"""


def loaded(state: Path) -> list[object]:
    """What a hub of this state directory reads, in a process of its own."""
    (state / "secret").write_text("s" * 32)
    secret = str(state / "secret")
    names = ("service_credential_file", "platform_token_file", "cookie_secret_file")
    traefik = {"api_url": "http://127.0.0.1:1", "api_user": "hub", "api_password_file": secret, "dynamic_file": secret}
    settings = {
        **dict.fromkeys(names, secret),
        "state_dir": str(state),
        "hub_port": 8081,
        "hub_host": "127.0.0.1",
        "backend": {"kind": "kubernetes", "release": "himalia"},
        "public": {"hub_url": "http://himalia.localhost:8000"},
        "domain": "himalia.localhost",
        "isolation": "full",
        "platform_url": "http://127.0.0.1:2",
        "database_url": "sqlite://",
        "traefik": traefik,
    }
    (state / "hub.json").write_text(json.dumps(settings))
    file = Path(himalia_hub.config.__file__).parent / "jupyterhub_config.py"
    variables = {**os.environ, "HIMALIA_HUB_SETTINGS": str(state / "hub.json")}
    done = subprocess.run(
        [sys.executable, "-c", SHOW, str(file)], env=variables, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


def test_it_sets_traits_beside_those_of_the_installation(tmp_path: Path) -> None:
    assert loaded(tmp_path) == [None, {"release": "himalia"}, 5]
    (tmp_path / "jupyterhub_config.py").write_text(OWN)
    profiles = [{"display_name": "Shared memory", "slug": "shm"}]
    assert loaded(tmp_path) == [profiles, {"release": "himalia"}, 9]
