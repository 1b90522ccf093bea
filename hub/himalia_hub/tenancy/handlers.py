"""Routes of tenancy; the administration panels' routes join here."""

from __future__ import annotations

from himalia_hub.tenancy import internal, machine

TABLES = [internal.routes, machine.routes]
