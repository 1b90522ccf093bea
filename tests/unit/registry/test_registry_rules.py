"""Rules of models (MOD-1, MOD-3)."""

from __future__ import annotations

import pickle

import pytest

from himalia_hub.core.errors import InvalidInput
from himalia_hub.registry import rules


@pytest.mark.parametrize("version", ["V1", "V000x", "v0001", "0001", "V0000000001", ""])
def test_what_is_no_version(version: str) -> None:
    assert rules.number_of(version) is None


def test_names_of_versions() -> None:
    assert (rules.version_name(3), rules.number_of("V0003"), rules.number_of("V12345")) == ("V0003", 3, 12345)


def test_pickles_are_known_by_name_and_by_their_first_bytes() -> None:
    assert rules.is_pickle("model.pkl", b"")
    assert rules.is_pickle("a/b.PTH", b"")
    assert all(rules.is_pickle("harmless.bin", pickle.dumps({"a": 1}, protocol)[:8]) for protocol in range(2, 6))
    assert not rules.is_pickle("model.onnx", b"\x08\x08\x12\x07")


@pytest.mark.parametrize("path", ["", "/a", "a//b", "../a", "a/./b", "a\\b", "a\nb", "x" * 1001])
def test_paths_that_are_refused(path: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        rules.check_path(path)
    assert caught.value.code == "bad_path"


def test_small_documents_are_read_and_unusable_ones_left_out() -> None:
    signature, labels, metrics = rules.read_documents(
        {
            "signature.json": b"{",
            "labels.json": b'["a", {"name": "b"}]',
            "metrics.json": b'{"x": 1, "y": "z", "n": true}',
        }
    )
    assert (signature, labels, metrics) == (None, ["a", "b"], {"x": 1.0})


def test_frameworks_are_found_whatever_the_case() -> None:
    assert rules.one_of("onnx", rules.FRAMEWORKS, "framework") == "ONNX"
    with pytest.raises(InvalidInput):
        rules.one_of("Theano", rules.FRAMEWORKS, "framework")
