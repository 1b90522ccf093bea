"""Routes of local sign-in: the policy, the senders, members' second factors, and what the hub's pages ask."""

from __future__ import annotations

from himalia_hub.identity import factor_handlers, internal, policy_handlers, sender_handlers

TABLES = [policy_handlers.routes, sender_handlers.routes, factor_handlers.routes, internal.routes]
