"""Every action that the platform can write to the audit log is told in both languages (SEC-1, GEN-9)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import himalia_hub
from himalia_hub.audit import words
from himalia_hub.platform import assembly

HUB = Path(himalia_hub.__file__).parent
KNOWN = dict(words.actions())
ROUTES = [route for table in assembly.route_tables() for route in table.routes]
BUILT = {
    "f'sign_in.{row.via}'": ["sign_in.password", "sign_in.link", "sign_in.source"],
    "f'develop.notebooks.{action}'": [
        f"develop.notebooks.{verb}_notebook" for verb in ("create", "start", "stop", "delete")
    ],
}
"""Actions whose names are put together where they are written, by the code that does."""
PASSED_ON = {"action", "route.operation_id", "context.route.operation_id", "ctx.route.operation_id"}
"""What hands an action on: helpers, whose callers are looked at, and routes, which are all looked at."""


def _written() -> Iterator[tuple[str, str]]:
    """Source of the action and place, of each call of ``audit.record`` and of ``note`` of signing in."""
    for path in sorted(HUB.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or len(node.args) < 2:
                continue
            called = ast.unparse(node.func)
            if called in {"audit.record", "sign_in.note"} or (called == "note" and path.name == "sign_in.py"):
                yield ast.unparse(node.args[1]), f"{path.relative_to(HUB)}:{node.lineno}"


def test_every_route_has_words() -> None:
    assert sorted({route.operation_id for route in ROUTES} - set(KNOWN)) == []


def test_what_is_written_by_name_has_words() -> None:
    missing = [
        (name, place)
        for source, place in _written()
        if source not in PASSED_ON
        for name in BUILT.get(source) or [ast.literal_eval(source)]
        if name not in KNOWN
    ]
    assert missing == []


def test_no_way_of_writing_is_overlooked() -> None:
    """Modules that write entries do it by the names that are looked for above."""
    importing = {
        str(path.relative_to(HUB))
        for path in HUB.rglob("*.py")
        if "from himalia_hub.audit import service" in path.read_text(encoding="utf-8")
    }
    written = list(_written())
    assert importing - {place.partition(":")[0] for _, place in written} == set()
    assert set(BUILT) == {source for source, _ in written if source.startswith("f'")}


def test_words_differ_by_language() -> None:
    for name, (english, chinese) in KNOWN.items():
        assert english.isascii() and english[0].isupper() and not english.endswith("."), name
        assert _is_chinese(chinese) and not chinese.endswith("。"), name


def test_what_a_route_is_about_has_words() -> None:
    kinds = {route.object_kind or route.tag for route in ROUTES}
    assert sorted(kind for kind in kinds if not _is_chinese(words.thing(kind, "zh"))) == []


def _is_chinese(text: str) -> bool:
    return any("一" <= letter <= "鿿" for letter in text)


def test_an_action_of_another_edition_keeps_its_name() -> None:
    assert words.action("tenancy.moon.land", "zh") == "tenancy.moon.land"
    assert words.thing("moon", "en") == "moon"


def test_words_find_actions() -> None:
    assert "members.disable_member" in words.called("DISABLE a mem")
    assert "members.disable_member" in words.called("停用成员")
    assert words.called("no such words") == frozenset()
