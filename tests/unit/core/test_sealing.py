"""Secrets at rest open only with the key and the purpose they were sealed for (SEC-4)."""

from __future__ import annotations

from pathlib import Path

import pytest

from himalia_hub.core.errors import Conflict
from himalia_hub.core.sealing import SealBroken, Sealer

KEY = bytes(range(32))


def test_a_sealed_secret_opens_again_and_never_looks_the_same() -> None:
    sealer = Sealer(KEY)
    first, second = sealer.seal("JBSWY3DP", "totp"), sealer.seal("JBSWY3DP", "totp")
    assert first != second and "JBSWY3DP" not in first
    assert sealer.open(first, "totp") == sealer.open(second, "totp") == "JBSWY3DP"


@pytest.mark.parametrize("change", ["purpose", "key", "flip", "short", "text"])
def test_anything_else_does_not_open(change: str) -> None:
    sealed, opener, purpose = Sealer(KEY).seal("secret", "totp"), Sealer(KEY), "totp"
    if change == "purpose":
        purpose = "sender"
    elif change == "key":
        opener = Sealer(bytes(32))
    elif change == "flip":
        sealed = sealed[:-4] + ("A" if sealed[-4] != "A" else "B") + sealed[-3:]
    elif change == "short":
        sealed = "v1.AAAA"
    else:
        sealed = "secret"
    with pytest.raises(SealBroken):
        opener.open(sealed, purpose)


def test_a_digest_needs_the_key() -> None:
    assert Sealer(KEY).digest("123456", "code") == Sealer(KEY).digest("123456", "code")
    assert Sealer(KEY).digest("123456", "code") != Sealer(bytes(32)).digest("123456", "code")


def test_without_a_key_nothing_is_kept(tmp_path: Path) -> None:
    with pytest.raises(Conflict, match="no encryption key"):
        Sealer.from_file(tmp_path / "missing").seal("x", "y")


def test_a_bad_key_file_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("not hexadecimal")
    with pytest.raises(ValueError, match="hexadecimal"):
        Sealer.from_file(tmp_path / "key")
