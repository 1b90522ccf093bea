"""A gateway of real parts, and a platform that serves through it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from himalia_hub.develop.images import builder
from tests.api.compute.conftest import Machine, make_machine
from tests.support.gateway import Gateway
from tests.support.models import train
from tests.support.pieces import digits
from tests.support.ports import free_port
from tests.support.s3 import S3Server


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    made = Gateway()
    yield made
    made.close()


@pytest.fixture(scope="session")
def science() -> Path:
    """The runtime environments of this checkout, built where they are missing."""
    root = builder.environments_root(Path(sys.prefix))
    builder.build_missing(root, names=("science",), report=lambda text: None)
    return root


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A model of the digits 0 to 3, which is a tenth of a second's work."""
    return train(tmp_path_factory.mktemp("trained"), digits(200, classes=4))


@pytest.fixture
def machine(
    database_url: str, tmp_path: Path, s3_server: S3Server, science: Path, gateway: Gateway
) -> Iterator[Machine]:
    """The platform with its real backend, and the gateway's files as its own."""
    yield from make_machine(
        tmp_path,
        database_url,
        s3=s3_server.bucket().model_dump(mode="json"),
        environments_root=str(science),
        listen={"port": free_port()},
        public={"api_url": gateway.url},
        traefik=gateway.section,
        keycheck={"file": str(gateway.keys)},
    )
