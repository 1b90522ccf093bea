"""The layers of ``docs/design``: who may import whom, read from the code itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "himalia_hub": ROOT / "hub" / "himalia_hub",
    "himalia_spawner": ROOT / "spawner" / "himalia_spawner",
    "himalia": ROOT / "server_extension" / "himalia",
}
NOUN_ORDER = ("tenancy", "identity", "compute", "data", "develop", "registry", "training", "serving")
"""A noun may use the services of those before it, never of those after."""
BASE = ("core", "auth", "api", "platform")
MONEY = ("metering", "billing", "audit")


def modules() -> Iterator[tuple[str, Path]]:
    for package, folder in PACKAGES.items():
        for path in sorted(folder.rglob("*.py")):
            if "labextension" in path.parts or path.parent.name == "versions":
                continue
            parts = path.relative_to(folder).with_suffix("").parts
            name = ".".join((package, *parts)).removesuffix(".__init__")
            yield name, path


def imports(path: Path) -> set[str]:
    """Modules imported at run time (what stands under TYPE_CHECKING is left out)."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text(encoding="utf-8")))
    return {name for name in found if name.split(".")[0] in PACKAGES}


def part(name: str) -> str:
    pieces = name.split(".")
    return pieces[1] if len(pieces) > 1 else ""


def complaints() -> list[str]:
    found: list[str] = []
    for name, path in modules():
        package, own = name.split(".")[0], part(name)
        for target in imports(path):
            other, there = target.split(".")[0], part(target)
            if package == "himalia" and other != "himalia":
                found.append(f"{name} imports {target}: what runs in notebooks knows nothing of the hub")
            if package == "himalia_spawner" and other == "himalia_hub" and there not in ("backends", "config"):
                found.append(f"{name} imports {target}: the spawner asks the platform, it never opens it")
            if package != "himalia_hub" or other != "himalia_hub":
                continue
            if name.endswith(".rules") and there not in ("core", own):
                found.append(f"{name} imports {target}: rules know core only")
            if own == "backends" and there not in ("core", "backends"):
                found.append(f"{name} imports {target}: backends know workloads, not the platform")
            if own in MONEY and there in NOUN_ORDER and there != "tenancy":
                found.append(f"{name} imports {target}: money and audit know core and tenancy only")
            if own in NOUN_ORDER and there in NOUN_ORDER and NOUN_ORDER.index(there) > NOUN_ORDER.index(own):
                found.append(f"{name} imports {target}: {there} comes after {own}")
            if own in NOUN_ORDER and there in ("metering", "billing"):
                found.append(f"{name} imports {target}: producers record usage, they know no prices")
            contract = target.startswith("himalia_hub.backends.protocol")
            if own == "core" and there not in ("core", "auth", "tenancy", "platform") and not contract:
                found.append(f"{name} imports {target}: core knows no noun")
    return sorted(set(found))


def test_layers_hold() -> None:
    assert complaints() == []


@pytest.mark.parametrize(("name", "path"), [pytest.param(n, p, id=n) for n, p in modules() if p.stat().st_size > 200])
def test_every_module_says_what_it_is_for(name: str, path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), f"{name} has no docstring"


def test_no_module_outgrows_one_idea() -> None:
    long = {n: len(p.read_text().splitlines()) for n, p in modules() if len(p.read_text().splitlines()) > 650}
    assert long == {}, f"split these: {long}"
