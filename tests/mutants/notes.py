"""Notes which guards a piece of work comes by, and which of them decide there.

Every function that holds a guard gets code that says so whenever the guard is asked. A guard *decides*
where the program without it would go another way: a refusal that refuses, a check that raises, a
comparison that is not what would stand in its place. What a filter of a statement does is the
database's; of that only the asking is known. A refusal that never decides is noticed by nothing,
and no test needs to run to know it.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.mutants.guards import Guard, Walk, find, guard_of_operand, is_column, text_of, value_without
from tests.mutants.swap import codes, function_of

NOTE = "_note_of_the_mutants"
DECIDE = frozenset(("refusal", "passage", "check", "reach", "expiry"))
"""Kinds of which it can be said whether they decide."""


@dataclass
class Noted:
    """Guards by module and number."""

    asked: set[tuple[str, int]] = field(default_factory=set)
    decided: set[tuple[str, int]] = field(default_factory=set)

    def clear(self) -> None:
        self.asked.clear()
        self.decided.clear()


NOTED = Noted()


def _note_for(module: str) -> Callable[..., Any]:
    def note(number: int, value: Any = None, decides: bool | None = None) -> Any:
        NOTED.asked.add((module, number))
        if decides is not None and bool(value) is decides:
            NOTED.decided.add((module, number))
        return value

    return note


class Noting(Walk):
    """Writes a module in which every guard says that it is asked."""

    def replace(self, node: ast.AST, kind: str, numbers: range) -> ast.AST:
        if not self.path:
            return node
        if kind == "check":
            return self._tried(node, numbers[0])
        if kind in ("refusal", "passage") or (kind == "step-up" and isinstance(node, ast.If)):
            assert isinstance(node, ast.If)
            for operand, number in enumerate(numbers):
                guard_of_operand(node, operand, kind, lambda test, n=number: self._noted(n, test, kind == "refusal"))
            return node
        if kind == "clip" and isinstance(node, ast.comprehension):
            node.ifs = [self._noted(numbers[0], test, False) for test in node.ifs]
            return node
        assert isinstance(node, ast.expr)
        compared = isinstance(node, ast.Compare) and not any(is_column(side) for side in (node.left, *node.comparators))
        instead = value_without(node, kind) if compared else None
        return self._noted(numbers[0], node, None if instead is None else not instead)

    @staticmethod
    def _noted(number: int, value: ast.expr, decides: bool | None) -> ast.expr:
        arguments = [ast.Constant(number), value, ast.Constant(decides)]
        call = ast.Call(ast.Name(NOTE, ast.Load()), arguments, [])  # type: ignore[arg-type]
        return ast.fix_missing_locations(ast.copy_location(call, value))

    @staticmethod
    def _tried(node: ast.AST, number: int) -> ast.AST:
        text = f"try:\n {NOTE}({number})\nexcept BaseException:\n {NOTE}({number}, True, True)\n raise"
        tried = ast.parse(text).body[0]
        assert isinstance(tried, ast.Try) and isinstance(node, ast.stmt)
        tried.body.append(node)
        return ast.fix_missing_locations(ast.copy_location(tried, node))


@contextlib.contextmanager
def noting() -> Iterator[Noted]:
    """While it lasts, all guards inside functions say when they are asked."""
    before = []
    places = defaultdict(set)
    for guard in find():
        if guard.kind != "permission" and guard.function:
            places[guard.module].add(guard.function)
    for name, functions in places.items():
        module = importlib.import_module(name)
        tree = ast.fix_missing_locations(Noting(name).visit(ast.parse(text_of(name))))
        made = {
            (code.co_qualname, code.co_firstlineno): code
            for code in codes(compile(tree, module.__file__ or name, "exec", dont_inherit=True))
        }
        module.__dict__[NOTE] = _note_for(name)
        for function in {id(found): found for found in (function_of(module, path) for path in functions)}.values():
            before.append((function, function.__code__))
            function.__code__ = made[function.__code__.co_qualname, function.__code__.co_firstlineno]
    try:
        yield NOTED
    finally:
        for function, code in before:
            function.__code__ = code


def place(guard: Guard) -> tuple[str, int]:
    return guard.module, guard.number
