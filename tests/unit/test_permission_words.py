"""Every permission that people can hold is told in both languages (GEN-9, TEN-10)."""

from __future__ import annotations

import pytest

from himalia_hub.auth import permissions
from himalia_hub.tenancy.roles import texts


@pytest.mark.parametrize("name", [name for name in permissions.BY_NAME if not name.startswith("internal.")])
def test_a_permission_is_told_in_english_and_chinese(name: str) -> None:
    chinese = texts.sentence(name, "zh")
    assert chinese != texts.sentence(name, "en")
    assert any("一" <= letter <= "鿿" for letter in chinese)
