"""A machine with a content store and the real runtime environments."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from himalia_hub.develop.images import builder
from tests.api.compute.conftest import Machine, make_machine
from tests.support.ports import free_port
from tests.support.s3 import S3Server


@pytest.fixture(scope="session")
def science() -> Path:
    """The runtime environments of this checkout, built where they are missing."""
    root = builder.environments_root(Path(sys.prefix))
    builder.build_missing(root, names=("science",), report=lambda text: None)
    return root


@pytest.fixture
def machine(database_url: str, tmp_path: Path, s3_server: S3Server, science: Path) -> Iterator[Machine]:
    yield from make_machine(
        tmp_path,
        database_url,
        s3=s3_server.bucket().model_dump(mode="json"),
        environments_root=str(science),
        listen={"port": free_port()},
    )
