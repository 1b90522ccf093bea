"""Finds the guards in the code by their shape, and writes a module without one of them.

A guard is what keeps somebody from something: a refusal, a filter on an organisation or a person,
a call to one of the checks, the width of a reach, the end of a credential, the version an update
needs, the permission a route names. Nothing is listed by hand, so a guard that is written tomorrow
is taken out tomorrow. :data:`SHAPES` is the whole list of shapes.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from himalia_hub.api.openapi import all_routes
from himalia_hub.auth.permissions import BY_NAME

PACKAGE = Path(__file__).parents[2] / "hub" / "himalia_hub"
LEFT_OUT = (
    "backends",
    "commands",
    "config",
    "controllers",
    "demo",
    "develop/images",
    "metering",
    "migrations",
    "selfcheck",
    "supervisor",
)
"""Not behind the API: what these guard is proven by the tests of isolation, of the hub's pages and of bills."""
REFUSALS = {"NotAuthenticated", "NotFound", "NotPermitted", "StaleVersion", "StepUpRequired", "VersionRequired"}
CODES = {"idempotency_key_reused", "last_administrator", "duties_exclude_each_other", "yourself"}
"""Refusals of other classes that are guards all the same, by their code."""
OWNERS = {"tenant_id", "user_id", "owner_id", "department_id", "receiver_id", "actor_tenant_id"}
EVERYBODYS = "account.self.read"
"""What a route names once its own permission is taken out."""
ENDS = {"revoked_at", "used_at", "ended_at", "released_at"}
CONDITIONS = {"visible", "reachable_users", "reachable_departments", "of_tenants", "shared_rows"}
CHECK = re.compile(r"_?(check|not|require|authorise)(_|$)|renew$")
WIDE = {"DEPARTMENT", "ORGANISATION", "PLATFORM"}


@dataclass(frozen=True, slots=True)
class Guard:
    """One place. ``number`` counts the guards of its module in the order of the text."""

    module: str
    function: str
    number: int
    kind: str
    line: int
    text: str
    again: int = 0
    """How many with the same text come before it in the same function."""

    @property
    def key(self) -> str:
        """What stays the same while lines move: place, kind and text."""
        more = f" ({self.again + 1})" if self.again else ""
        return (
            f"{self.module.removeprefix('himalia_hub.')}.{self.function or '<module>'}: {self.kind}: {self.text}{more}"
        )

    @property
    def package(self) -> str:
        return self.module.split(".")[1]


@lru_cache
def sources() -> Mapping[str, Path]:
    """Module → file of everything that is looked at."""
    places = ((path.relative_to(PACKAGE).as_posix(), path) for path in sorted(PACKAGE.rglob("*.py")))
    return {
        "himalia_hub." + place.removesuffix(".py").removesuffix("/__init__").replace("/", "."): path
        for place, path in places
        if not place.startswith(LEFT_OUT)
    }


@lru_cache
def text_of(module: str) -> str:
    """The text that was mutated first: a file that is edited meanwhile stays one program."""
    return sources()[module].read_text(encoding="utf-8")


# -- shapes -----------------------------------------------------------------------------------


def last_name(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def is_column(node: ast.AST) -> bool:
    """``Table.column``, ``table.column``, ``x.c.column``: what a statement is made of."""
    if not isinstance(node, ast.Attribute):
        return False
    owner = last_name(node.value)
    return owner.lstrip("_")[:1].isupper() or owner in ("c", "table", "columns") or owner.endswith("_table")


def _refuses(body: list[ast.stmt]) -> bool:
    last = body[-1]
    if not isinstance(last, ast.Raise) or last.exc is None:
        return False
    call = last.exc
    name = last_name(call.func) if isinstance(call, ast.Call) else last_name(call)
    codes = {
        keyword.value.value
        for keyword in (call.keywords if isinstance(call, ast.Call) else ())
        if keyword.arg == "code" and isinstance(keyword.value, ast.Constant)
    }
    return name in REFUSALS or bool(codes & CODES) or (name == "_refused" and not codes and not call.args)  # type: ignore[attr-defined]


def _refusal(node: ast.AST) -> str:
    """``if …: raise NotFound()``, and ``else: raise``; one guard for each thing that is asked."""
    if not isinstance(node, ast.If):
        return ""
    if _refuses(node.body):
        return "refusal"
    return "passage" if node.orelse and _refuses(node.orelse) else ""


def _filter(node: ast.AST) -> str:
    """``Table.tenant_id == …``: whose rows a statement is about."""
    if not (isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], ast.Eq)):
        return ""
    sides = (node.left, node.comparators[0])
    for one, other in (sides, sides[::-1]):
        if is_column(one) and not is_column(other):
            whose = last_name(one) in OWNERS
            of_actor = last_name(one) == "id" and "actor." in ast.unparse(other)
            return "filter" if whose or of_actor else ""
    return ""


def _condition(node: ast.AST) -> str:
    if not isinstance(node, ast.Call):
        return ""
    name = last_name(node.func)
    if name in CONDITIONS and len(node.args) > 1:
        return "condition"
    on = node.func.value if isinstance(node.func, ast.Attribute) else node
    if name == "is_" and last_name(on) in ENDS - {"ended_at"} and is_column(on):
        return "ended"
    return "filter" if name == "in_" and last_name(on) in OWNERS and is_column(on) else ""


def _check(node: ast.AST) -> str:
    """A statement that only calls a check which asks about somebody, or about a version."""
    if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
        return ""
    name = last_name(node.value.func)
    asked = ast.unparse(node.value)
    about = re.search(r"\b(actor|grants|session|if_match)\b", asked)
    return "check" if CHECK.match(name) and about else ""


def _reach(node: ast.AST) -> str:
    """A comparison of a reach with a constant of :class:`Reach`."""
    if not (isinstance(node, ast.Compare) and len(node.ops) == 1):
        return ""
    text = ast.unparse(node)
    return "reach" if "reach" in text and "Reach." in text and not isinstance(node.ops[0], ast.NotIn) else ""


def _expiry(node: ast.AST) -> str:
    """A comparison of an end with the present."""
    if not (isinstance(node, ast.Compare) and len(node.ops) == 1):
        return ""
    if not isinstance(node.ops[0], ast.Lt | ast.LtE | ast.Gt | ast.GtE):
        return ""
    names = {last_name(side) for side in (node.left, node.comparators[0])}
    present = {ast.unparse(side) for side in (node.left, node.comparators[0])} & {"clock.now()", "moment", "now"}
    return "expiry" if present and names & {"expires_at", "valid_until", "until", "used_at"} else ""


def _clip(node: ast.AST) -> str:
    """What a credential leaves of its owner's permissions."""
    if isinstance(node, ast.comprehension) and any("is_administrative" in ast.unparse(test) for test in node.ifs):
        return "clip"
    if isinstance(node, ast.Call) and last_name(node.func) == "min" and "widest" in ast.unparse(node):
        return "clip"
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "stepped_up":
        return "step-up"
    compared = isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], ast.Is)
    return "step-up" if compared and ast.unparse(node) == "kind is TokenKind.NOTEBOOK" else ""


def _key(node: ast.AST) -> str:
    """``session.get(Table, (whose, key))``: what is kept under a name is one's own."""
    if isinstance(node, ast.Call) and last_name(node.func) == "get" and len(node.args) == 2:
        what = node.args[1]
        if isinstance(what, ast.Tuple) and len(what.elts) == 2 and last_name(what.elts[0]) in OWNERS:
            return "key" if last_name(node.args[0])[:1].isupper() else ""
    return ""


SHAPES: tuple[Callable[[ast.AST], str], ...] = (
    _refusal,
    _filter,
    _condition,
    _check,
    _reach,
    _expiry,
    _clip,
    _key,
)


# -- taking one out ---------------------------------------------------------------------------


def _true_of_reach(node: ast.Compare) -> bool:
    """The answer that lets more through."""
    names = {constant.attr for constant in ast.walk(node) if isinstance(constant, ast.Attribute)} & {*WIDE, "OWN"}
    if isinstance(node.ops[0], ast.IsNot | ast.NotEq | ast.Lt | ast.LtE):
        return False
    if isinstance(node.ops[0], ast.In):
        return bool(names & {"ORGANISATION", "PLATFORM"})
    return bool(names & WIDE)


def _true_of_end(node: ast.Compare) -> bool:
    """The answer by which nothing ends."""
    end_first = last_name(node.left) in ("expires_at", "valid_until", "until", "used_at")
    later = isinstance(node.ops[0], ast.Gt | ast.GtE)
    return end_first == later


def _by_key_alone(node: ast.Call) -> ast.expr:
    table, key = ast.unparse(node.args[0]), ast.unparse(node.args[1].elts[1])  # type: ignore[attr-defined]
    session = ast.unparse(node.func.value)  # type: ignore[attr-defined]
    last = f"list({table}.__table__.primary_key)[1]"
    statement = f"{session}.query({table}).filter({last} == {key}).first()"
    return ast.parse(statement, mode="eval").body


def _operands(test: ast.expr) -> list[ast.expr]:
    return test.values if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.Or) else [test]


def guard_of_operand(node: ast.If, operand: int, kind: str, change: Callable[[ast.expr], ast.expr]) -> None:
    """Change one of the things that a refusal asks, or all that another branch asks."""
    if kind == "refusal" and len(operands := _operands(node.test)) > 1:
        operands[operand] = change(operands[operand])
    else:
        node.test = change(node.test)


def value_without(node: ast.expr, kind: str) -> bool | None:
    """The constant that stands for a comparison once it is gone; ``None`` where that is no constant."""
    if not isinstance(node, ast.Compare):
        return None
    if kind == "reach":
        return _true_of_reach(node)
    if kind == "expiry":
        return _true_of_end(node)
    return True if kind == "step-up" else None


def without_node(node: ast.AST, kind: str, operand: int) -> ast.AST:
    """The node that stands in a guard's place once it is gone."""
    if kind == "refusal":
        assert isinstance(node, ast.If)
        guard_of_operand(node, operand, kind, lambda _: ast.Constant(False))
        new: ast.AST = node
    elif kind == "passage" or (kind == "step-up" and isinstance(node, ast.If)):
        node.test = ast.Constant(True)  # type: ignore[attr-defined]
        new = node
    elif kind == "check":
        new = ast.Pass()
    elif kind == "clip" and isinstance(node, ast.comprehension):
        node.ifs = []
        return node
    elif kind == "clip":
        new = node.args[0]  # type: ignore[attr-defined]
    elif kind in ("reach", "expiry", "step-up"):
        new = ast.Constant(value_without(node, kind))  # type: ignore[arg-type]
        if kind == "expiry" and (is_column(node.left) or is_column(node.comparators[0])):  # type: ignore[attr-defined]
            new = ast.parse('__import__("sqlalchemy").true()', mode="eval").body
    elif kind == "key":
        new = _by_key_alone(node)  # type: ignore[arg-type]
    else:
        new = ast.parse('__import__("sqlalchemy").true()', mode="eval").body
    return (
        ast.fix_missing_locations(ast.copy_location(new, node)) if new is not node else ast.fix_missing_locations(new)
    )


class Walk(ast.NodeTransformer):
    """Counts the guards of a module; takes number ``without`` out."""

    def __init__(self, module: str, without: int | None = None) -> None:
        self.module, self.without = module, without
        self.path: list[str] = []
        self.found: list[Guard] = []
        self._seen: Counter[tuple[str, str]] = Counter()

    def _note(self, node: ast.AST, kind: str, text: str) -> None:
        function, text = ".".join(self.path), " ".join(text.split())[:120]
        line = getattr(node, "lineno", getattr(getattr(node, "target", None), "lineno", 0))
        again = self._seen[(function, f"{kind}{text}")]
        self._seen[(function, f"{kind}{text}")] += 1
        self.found.append(Guard(self.module, function, len(self.found), kind, line, text, again))

    def visit(self, node: ast.AST) -> ast.AST:
        kind = next((kind for shape in SHAPES if (kind := shape(node))), "")
        first = len(self.found)
        texts = [""]
        if kind in ("refusal", "passage"):
            assert isinstance(node, ast.If)
            texts = (
                [ast.unparse(one) for one in _operands(node.test)] if kind == "refusal" else [ast.unparse(node.test)]
            )
        elif kind:
            texts = [ast.unparse(node.test) if isinstance(node, ast.If) else ast.unparse(node)]
        for text in texts if kind else ():
            self._note(node, kind, text)
        named = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        if named:
            self.path.append(node.name)  # type: ignore[attr-defined]
        if kind in ("refusal", "passage"):
            # What is asked there is counted already; what is done there is not.
            node.body = [self.visit(part) for part in node.body]  # type: ignore[attr-defined]
            node.orelse = [self.visit(part) for part in node.orelse]  # type: ignore[attr-defined]
        else:
            self.generic_visit(node)
        if named:
            self.path.pop()
        return self.replace(node, kind, range(first, first + len(texts))) if kind else node

    def replace(self, node: ast.AST, kind: str, numbers: range) -> ast.AST:
        """What stands in a guard's place; ``numbers`` has one for each thing that it asks."""
        if self.without in numbers:
            return without_node(node, kind, self.without - numbers[0])
        return node


def _permissions() -> Iterator[Guard]:
    """The permission that each route names; one that everybody holds guards nothing."""
    everybody = BY_NAME[EVERYBODYS].roles
    for number, route in enumerate(all_routes()):
        if route.permission is not None and BY_NAME[route.permission].roles != everybody:
            text = f"{route.permission} for {route.method} {route.full_path}"
            yield Guard(route.handler.__module__, route.handler.__name__, number, "permission", 0, text)


def find() -> list[Guard]:
    """All guards of the code, in the order of modules and lines, and after them those of the route table."""
    found: list[Guard] = []
    for module in sources():
        walk = Walk(module)
        walk.visit(ast.parse(text_of(module)))
        found += walk.found
    return [*found, *_permissions()]


def module_without(guard: Guard) -> ast.Module:
    """The syntax tree of the guard's module, the guard taken out."""
    changed = Walk(guard.module, guard.number).visit(ast.parse(text_of(guard.module)))
    assert isinstance(changed, ast.Module)
    return ast.fix_missing_locations(changed)
