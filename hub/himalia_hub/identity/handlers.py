"""Routes of local sign-in: the policy, the senders, and what the hub's pages ask."""

from __future__ import annotations

from himalia_hub.identity import internal, policy_handlers, sender_handlers

TABLES = [policy_handlers.routes, sender_handlers.routes, internal.routes]
