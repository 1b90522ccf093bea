"""The command line against the running platform, as a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import himalia


def command(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "himalia.cli", *words],
        capture_output=True,
        text=True,
        env=dict(os.environ) | environment,
        timeout=60,
    )


def test_a_dataset_from_files_to_a_version(client: himalia.Client, tmp_path: Path) -> None:
    """SDK-3: the same objects as the SDK, with --json."""
    for label in ("cat", "dog"):
        (tmp_path / "set" / label).mkdir(parents=True)
        for number in range(3):
            picture = Image.new("RGB", (9, 9), (number * 40, 10, 200 if label == "cat" else 20))
            picture.save(tmp_path / "set" / label / f"{label}{number}.png")
    made = command("datasets", "create", "pets", "--labels", "cat,dog", "--json")
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["name"] == "pets"
    done = command("datasets", "import", "pets", str(tmp_path / "set"), "--labels-from-folders")
    assert done.stdout.startswith("6 added"), done.stderr
    assert json.loads(command("datasets", "list", "--json").stdout)[0]["items"] == 6
    names = {item.name: item.labels[0].name for item in client.datasets.get("pets").iter_items()}
    client.datasets.get("pets").label(names)
    assert json.loads(command("datasets", "publish", "pets", "--json").stdout)["version"] == "V0001"
    out = tmp_path / "pets.zip"
    assert command("datasets", "export", "pets", str(out), "--format", "imagefolder").returncode == 0
    assert out.stat().st_size > 0
    table = command("datasets", "list").stdout.splitlines()
    assert "pets" in table[1] and "annotated" in table[1]


def test_status_and_money(client: himalia.Client) -> None:
    assert client.me().user.name in command("status").stdout
    assert json.loads(command("balance", "--json").stdout)["balance_micros"] == client.balance().balance_micros
    assert command("bills", "list").stdout == "Nothing here yet.\n"


def test_errors_are_one_sentence_and_the_exit_code(client: himalia.Client) -> None:
    wrong = command("datasets", "show", "nothing")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert "nothing" in wrong.stderr and "Traceback" not in wrong.stderr
    as_json = command("datasets", "show", "4711", "--json")
    assert json.loads(as_json.stderr)["code"] == "not_found"
    assert command("datasets").returncode == 2


def test_login_keeps_the_token_for_this_account_alone(client: himalia.Client, tmp_path: Path) -> None:
    """SEC-4: the file is 0600, the token is printed nowhere, and a readable file is refused."""
    secret = tmp_path / "token"
    secret.write_text(client.settings.token + "\n")
    base = client.settings.api_url.removesuffix("/services/himalia/api/v1")
    nothing = {"HIMALIA_API_URL": "", "HIMALIA_TOKEN": ""}
    assert command("status", **nothing).returncode == 1
    login = command("login", base, "--token-file", str(secret), **nothing)
    assert login.returncode == 0, login.stderr
    assert client.settings.token not in login.stdout + login.stderr
    kept = tmp_path / "config" / "himalia" / "credentials.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert command("status", **nothing).returncode == 0
    kept.chmod(0o644)
    refused = command("status", **nothing)
    assert refused.returncode == 1 and "chmod 600" in refused.stderr


def test_a_group_of_a_missing_extra_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "himalia_hub").mkdir()
    (tmp_path / "himalia_hub" / "__init__.py").write_text("import no_such_package_of_the_hub")
    missing = command("up", PYTHONPATH=str(tmp_path))
    assert missing.returncode == 1
    assert "pip install 'himalia[hub]'" in missing.stderr and "Traceback" not in missing.stderr
    assert "datasets" in command("--help", PYTHONPATH=str(tmp_path)).stdout


@pytest.mark.parametrize(
    ("module", "kept_out"),
    [
        ("himalia", ("httpx", "IPython", "numpy", "himalia.sdk")),
        ("himalia.cli", ("httpx", "IPython", "numpy", "himalia.sdk")),
        ("himalia.sdk.client", ("IPython", "numpy", "pandas", "PIL", "tornado")),
        ("himalia.sdk.tracking", ("httpx", "numpy")),
    ],
)
def test_imports_bring_nothing_that_is_not_used(module: str, kept_out: tuple[str, ...]) -> None:
    code = f"import {module}, sys; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not set(kept_out) & set(out)
