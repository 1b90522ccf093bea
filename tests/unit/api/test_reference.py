"""API-1: the generated pages of the reference are those of this code."""

from __future__ import annotations

import json
from pathlib import Path

from himalia_hub.api import openapi
from himalia_hub.auth import reference

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"


def test_openapi_is_fresh() -> None:
    written = json.loads((REFERENCE / "openapi.json").read_text())
    made = json.loads(json.dumps(openapi.document(openapi.all_routes())))
    assert written == made, "python -m himalia_hub.api.openapi > docs/reference/openapi.json"


def test_permissions_are_fresh() -> None:
    assert (REFERENCE / "permissions.md").read_text() == reference.page(), (
        "python -m himalia_hub.auth.reference > docs/reference/permissions.md"
    )


def test_every_public_route_is_described_once() -> None:
    document = openapi.document(openapi.all_routes())
    operations = [one["operationId"] for path in document["paths"].values() for one in path.values()]
    assert len(operations) == len(set(operations)) == sum(not route.internal for route in openapi.all_routes())
