"""Puts a mutated module's code into the running program, and the true code back.

Only code objects are exchanged: routes, registries and imports hold the same function objects as
before, so one world serves all mutants.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import inspect
from collections.abc import Iterator
from types import CodeType, ModuleType
from typing import Any

from himalia_hub.api.openapi import all_routes
from tests.mutants.guards import EVERYBODYS, Guard, module_without


def codes(code: CodeType) -> Iterator[CodeType]:
    for value in code.co_consts:
        if isinstance(value, CodeType):
            yield value
            yield from codes(value)


def function_of(module: ModuleType, path: str) -> Any:
    """The outermost function on the way to a guard: an inner one's code is part of it."""
    found: Any = module
    for name in path.split("."):
        found = inspect.getattr_static(found, name) if inspect.isclass(found) else getattr(found, name)
        if isinstance(found, staticmethod | classmethod):
            found = found.__func__
        if isinstance(found, property):
            found = found.fget
        if not inspect.isclass(found):
            return inspect.unwrap(found)
    raise LookupError(path)


@contextlib.contextmanager
def without(guard: Guard) -> Iterator[None]:
    """The program without this guard, while it lasts."""
    if guard.kind == "permission":
        route = list(all_routes())[guard.number]
        object.__setattr__(route, "permission", EVERYBODYS)
        try:
            yield
        finally:
            object.__setattr__(route, "permission", guard.text.partition(" ")[0])
        return
    module = importlib.import_module(guard.module)
    tree = module_without(guard)
    if not guard.function:
        with _without_at_module_level(module, guard, tree):
            yield
        return
    function = function_of(module, guard.function)
    true_code = function.__code__
    compiled = compile(tree, module.__file__ or guard.module, "exec", dont_inherit=True)
    mutated = next(
        code
        for code in codes(compiled)
        if code.co_qualname == true_code.co_qualname and code.co_firstlineno == true_code.co_firstlineno
    )
    function.__code__ = mutated
    try:
        yield
    finally:
        function.__code__ = true_code


@contextlib.contextmanager
def _without_at_module_level(module: ModuleType, guard: Guard, tree: ast.Module) -> Iterator[None]:
    """Statements such as a prepared select: assigned anew, then restored."""
    statement = next(
        node
        for node in tree.body
        if isinstance(node, ast.Assign) and node.lineno <= guard.line <= (node.end_lineno or 0)
    )
    names = [target.id for target in statement.targets if isinstance(target, ast.Name)]
    before = {name: getattr(module, name) for name in names}
    one = ast.fix_missing_locations(ast.Module([statement], []))
    exec(compile(one, module.__file__ or guard.module, "exec", dont_inherit=True), module.__dict__)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(module, name, value)
