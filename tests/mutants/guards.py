"""Finds the guards in the code by their shape, and writes a module without one of them.

A guard is what keeps somebody from something: a refusal that asks about the actor, a filter on the
actor's organisation or person, a call to one of the checks, a token's end. Nothing is listed by
hand, so a guard that is written tomorrow is mutated tomorrow.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "hub" / "himalia_hub"
LEFT_OUT = ("backends", "supervisor", "config", "migrations", "selfcheck", "commands", "demo", "develop/images")
"""Not behind the API: other tests guard them (isolation, the hub's pages)."""
REFUSALS = {"NotPermitted", "NotFound", "StepUpRequired", "NotAuthenticated", "_refused"}
ABOUT_THE_ACTOR = (
    "actor",
    "reach",
    "grants",
    "held",
    "stepped_up",
    "expires_at",
    "enabled(",
    "name_key",
    "GRANT_ANY",
    "missing",
)
CONDITIONS = {"visible", "reachable_users", "reachable_departments"}
CHECKS = {
    "_authorise",
    "check_covered",
    "check_separate",
    "check_not_above",
    "not_above",
    "check_membership_change",
    "check_new_account",
    "_not_own",
    "_not_among",
    "_not_oneself",
    "_check_set",
    "_check_people",
    "_check_somebody_left",
    "_check_within_departments",
    "_check_free",
    "renew",
}
IDENTITIES = {"tenant_id", "user_id", "department_id"}


@dataclass(frozen=True, slots=True)
class Guard:
    """One place. ``number`` counts the guards of its module in the order of the text."""

    module: str
    function: str
    number: int
    kind: str
    line: int
    text: str

    @property
    def key(self) -> str:
        return f"{self.module.removeprefix('himalia_hub.')}:{self.function or 'module'}:{self.number}"


def sources() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        place = path.relative_to(PACKAGE).as_posix()
        if not place.startswith(LEFT_OUT):
            yield "himalia_hub." + place.removesuffix(".py").removesuffix("/__init__").replace("/", "."), path


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _raised(node: ast.If) -> str:
    last = node.body[-1]
    if not isinstance(last, ast.Raise) or last.exc is None:
        return ""
    return _last_name(last.exc.func) if isinstance(last.exc, ast.Call) else _last_name(last.exc)


def _is_identity(node: ast.expr) -> bool:
    """``actor.tenant_id``, ``ctx.actor.user_id`` and the like."""
    return isinstance(node, ast.Attribute) and node.attr in IDENTITIES and _last_name(node.value) in ("actor", "_actor")


def kind_of(node: ast.AST) -> str:
    if isinstance(node, ast.If) and _raised(node) in REFUSALS:
        test = ast.unparse(node.test)
        return "refusal" if any(word in test for word in ABOUT_THE_ACTOR) else ""
    if isinstance(node, ast.Call):
        name = _last_name(node.func)
        if name in CONDITIONS:
            return "condition"
        if name == "is_" and isinstance(node.func, ast.Attribute) and _last_name(node.func.value) == "revoked_at":
            return "condition"
    one_equal = isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], ast.Eq)
    if one_equal and (_is_identity(node.left) or _is_identity(node.comparators[0])):  # type: ignore[attr-defined]
        return "filter"
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and _last_name(node.value.func) in CHECKS:
        return "check"
    if isinstance(node, ast.comprehension) and any("is_administrative" in ast.unparse(test) for test in node.ifs):
        return "clip"
    return ""


class _Walk(ast.NodeTransformer):
    """Counts the guards of a module; takes number ``without`` out."""

    def __init__(self, module: str, without: int | None = None) -> None:
        self.module, self.without = module, without
        self.path: list[str] = []
        self.found: list[Guard] = []

    def visit(self, node: ast.AST) -> ast.AST:
        kind = kind_of(node)
        mine = len(self.found) if kind else -1
        if kind:
            text = ast.unparse(node.test) if isinstance(node, ast.If) else ast.unparse(node)
            line = getattr(node, "lineno", getattr(getattr(node, "target", None), "lineno", 0))
            self.found.append(Guard(self.module, ".".join(self.path), mine, kind, line, " ".join(text.split())[:120]))
        named = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        if named:
            self.path.append(node.name)  # type: ignore[attr-defined]
        self.generic_visit(node)
        if named:
            self.path.pop()
        return _without(node, kind) if kind and mine == self.without else node


def _without(node: ast.AST, kind: str) -> ast.AST:
    new: ast.AST
    if kind == "refusal":
        assert isinstance(node, ast.If)
        node.test = ast.copy_location(ast.Constant(False), node.test)
        new = node
    elif kind == "check":
        new = ast.Pass()
    elif kind == "clip":
        assert isinstance(node, ast.comprehension)
        node.ifs = []
        return node
    else:
        new = ast.parse('__import__("sqlalchemy").true()', mode="eval").body
    return ast.fix_missing_locations(ast.copy_location(new, node))


def find() -> list[Guard]:
    """All guards of the code, in the order of modules and lines."""
    found: list[Guard] = []
    for module, path in sources():
        walk = _Walk(module)
        walk.visit(ast.parse(path.read_text(encoding="utf-8")))
        found += [guard for guard in walk.found if not guard.function.startswith("_Walk")]
    return found


def module_without(guard: Guard) -> ast.Module:
    """The syntax tree of the guard's module, the guard taken out."""
    path = dict(sources())[guard.module]
    tree = copy.deepcopy(ast.parse(path.read_text(encoding="utf-8"), filename=str(path)))
    changed = _Walk(guard.module, guard.number).visit(tree)
    assert isinstance(changed, ast.Module)
    return ast.fix_missing_locations(changed)
