"""The state directory: one holder, secrets nobody else reads, ports that stay (INS-1)."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from himalia_hub.supervisor.errors import SupervisorError
from himalia_hub.supervisor.ports import INNER_PORTS, choose_ports, is_free
from himalia_hub.supervisor.state import SECRETS, StateDirectory, default_state_directory, write_file


@pytest.fixture
def state(tmp_path: Path) -> StateDirectory:
    directory = StateDirectory(tmp_path / "himalia")
    directory.hold()
    return directory


def test_root_and_others_have_different_default_places() -> None:
    assert default_state_directory({}, root=True) == Path("/var/lib/himalia")
    assert default_state_directory({"HOME": "/home/li"}, root=False) == Path("/home/li/.local/share/himalia")
    assert default_state_directory({"HOME": "/home/li", "XDG_DATA_HOME": "/data"}, root=False) == Path("/data/himalia")


def test_a_second_holder_is_refused_with_the_first_one_named(state: StateDirectory) -> None:
    with pytest.raises(SupervisorError, match=f"process {os.getpid()}.*{state.root}") as refusal:
        StateDirectory(state.root).hold()
    assert "--state-dir" in refusal.value.hint


def test_the_lock_ends_with_its_process(tmp_path: Path) -> None:
    root = tmp_path / "himalia"
    code = (
        "import os, sys; from pathlib import Path; from himalia_hub.supervisor.state import StateDirectory;"
        f"StateDirectory(Path({str(root)!r})).hold(); print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with pytest.raises(SupervisorError):
            StateDirectory(root).hold()
    finally:
        holder.kill()
        holder.communicate()
    StateDirectory(root).hold()


def test_a_place_that_cannot_be_written_is_refused_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SupervisorError, match="cannot be used"):
        StateDirectory(tmp_path / "file" / "below").hold()


def test_secrets_are_made_once_and_readable_by_the_owner_alone(state: StateDirectory) -> None:
    first = {name: state.secret(name) for name in SECRETS}
    assert len(set(first.values())) == len(SECRETS)
    assert all(len(bytes.fromhex(value)) == 32 for value in first.values())
    for name in SECRETS:
        assert stat.S_IMODE(state.secret_path(name).stat().st_mode) == 0o600
    assert stat.S_IMODE(state.root.stat().st_mode) == 0o700
    state.release()
    again = StateDirectory(state.root)
    again.hold()
    assert {name: again.secret(name) for name in SECRETS} == first


def test_inner_ports_stay_unless_somebody_took_one(state: StateDirectory) -> None:
    first = state.settle(("platform", "hub"), port=8000)
    assert state.settle(("platform", "hub"), port=8000) == first
    with socket.socket() as other:
        other.bind(("127.0.0.1", first.ports["hub"]))
        other.listen()
        moved = state.settle(("platform", "hub"), port=8000)
    assert moved.ports["platform"] == first.ports["platform"]
    assert moved.ports["hub"] != first.ports["hub"]
    assert moved.id == first.id


def test_chosen_ports_are_free_distinct_and_outside_the_range_of_outgoing_connections() -> None:
    chosen = choose_ports([str(number) for number in range(50)])
    assert len(set(chosen.values())) == 50
    assert all(port in INNER_PORTS and is_free("127.0.0.1", port) for port in chosen.values())


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "platform.json"
    write_file(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_file(path, "new \udcff")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["platform.json"]
