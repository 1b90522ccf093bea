"""Which log an entry belongs to. Pure."""

from __future__ import annotations

OPERATION, SECURITY = "operation", "security"
DONE, REFUSED, FAILED, READ = "done", "refused", "failed", "read"

_SECURITY_AREAS = (
    "audit",
    "groups",
    "identity",
    "internal.first",
    "internal.identity",
    "internal.sign_in",
    "internal.sources",
    "password",
    "roles",
    "security",
    "senders",
    "sign_in",
    "step_up",
    "tenancy.sources",
)
_SECURITY_WORDS = (
    "token",
    "password",
    "factor",
    "role",
    "policy",
    "lock",
    "session",
    "sign_in",
    "sign_out",
    "step_up",
    "enable",
    "disable",
    "key",
    "link",
    "share",
)


def category(action: str, object_kind: str, outcome: str) -> str:
    """``security`` for signing in, credentials, roles, policy, sharing and refusals; else ``operation``."""
    if outcome == REFUSED or action.startswith(_SECURITY_AREAS):
        return SECURITY
    name = action.rpartition(".")[2]
    return SECURITY if any(word in name or word in object_kind for word in _SECURITY_WORDS) else OPERATION
