"""``himalia up --cluster FILE``: what the file says, and whose rights hub and platform then have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from himalia_hub.supervisor.errors import SupervisorError
from himalia_hub.supervisor.options import ClusterChoice, Options
from himalia_hub.supervisor.plan import hub_settings, platform_settings
from himalia_hub.supervisor.run import prepare
from himalia_hub.supervisor.state import StateDirectory


def choice(folder: Path, **values: Any) -> ClusterChoice:
    file = folder / "cluster.json"
    file.write_text(json.dumps({"host": "10.88.0.1", "release": "lab", **values}))
    return ClusterChoice.read(file)


def backends(folder: Path, made: ClusterChoice) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the platform and the hub are told."""
    state = StateDirectory(folder / "state")
    state.hold()
    try:
        options = Options(state_directory=state.root, cluster=made)
        layout = prepare(options, state, isolation="full", environments=folder)
        return platform_settings(layout)["backend"], hub_settings(layout)["backend"]
    finally:
        state.release()


def test_hub_and_platform_have_a_kubeconfig_each(tmp_path: Path) -> None:
    for name in ("platform", "hub"):
        (tmp_path / name).write_text("{}")
    made = choice(tmp_path, kubeconfig="platform", hub_kubeconfig="hub")
    platform, hub = backends(tmp_path, made)
    assert platform["kubeconfig"] == str(tmp_path / "platform"), "beside the file, wherever it is started from"
    assert hub == platform | {"kubeconfig": str(tmp_path / "hub")}, "and everything else is the same"


def test_one_kubeconfig_is_for_both(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("{}")
    platform, hub = backends(tmp_path, choice(tmp_path, kubeconfig="one"))
    assert platform == hub and platform["kubeconfig"] == str(tmp_path / "one")


@pytest.mark.parametrize("name", ["kubeconfig", "hub_kubeconfig"])
def test_a_kubeconfig_that_is_not_there_is_refused_by_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(SupervisorError, match=f"{name}: there is no file"):
        choice(tmp_path, **{name: "gone"})


def test_an_option_that_nobody_knows_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(SupervisorError, match="storage_clas"):
        choice(tmp_path, storage_clas="fast")
