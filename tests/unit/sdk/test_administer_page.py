"""INS-4: every command and every line of Python in docs/how-to/administer.md works, in order."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from himalia.cli import main
from tests.support.service import World

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "administer.md"


def test_the_page_about_administration_is_true(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = PAGE.read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HIMALIA_API_URL", world.live.base_url)
    monkeypatch.setenv("HIMALIA_TOKEN", world.alpha.administrator.api_token)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("mail-password.txt", "client-secret.txt"):
        Path(name).write_text("s3cret of the page\n")
    (mapping,) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    Path("mapping.json").write_text(mapping)
    commands = [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    assert len(commands) >= 35 and all(line.startswith("himalia ") for line in commands)
    said: dict[str, str] = {}
    for line in commands:
        code = main(shlex.split(line)[1:])
        told = capsys.readouterr()
        assert code == 0, (line, told)
        assert "s3cret" not in told.out + told.err, line
        said[line] = told.out
    assert "signs in once with http" in said[commands[1]]
    assert any("campus" in out and "disabled" in out for out in said.values())
    assert "riveradmin" in Path("everybody.csv").read_text("utf-8-sig")
    assert "members.create_member" in Path("audit.csv").read_text("utf-8-sig")
    (block,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(compile(block, str(PAGE), "exec"), {})
    printed = capsys.readouterr().out
    assert "enabled" in printed and "first sign-in: http" in printed and "cpu_millis 64000" in printed
