"""Guards whose absence cannot be seen, and why: each stands behind another guard that is proven."""

from __future__ import annotations

EQUIVALENT: dict[str, str] = {}
"""Key of the guard → why the program does the same without it."""
