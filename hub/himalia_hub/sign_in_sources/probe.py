"""Tries a source step by step, as the hub would use it, and says in words what failed."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from himalia_hub.core.outbound import AddressRefused, addresses_of, check_url

Step = tuple[str, Callable[[], Awaitable[str]]]
STEP_SECONDS = 25.0


async def steps(row: Any, secrets: dict[str, str], state_dir: Path) -> list[dict[str, Any]]:
    """Run the steps of the row's kind until one fails; each is ``{name, passed, detail}``."""
    from himalia_hub.auth.external import Source

    definition = {
        "name": row.name,
        "title": row.title,
        "kind": row.kind,
        "settings": row.settings,
        "secrets": secrets,
        "mapping": row.mapping,
        "allow_private": row.allow_private,
        "form": _is_form(row.kind),
    }
    found: list[dict[str, Any]] = []
    made: list[Any] = []

    async def settings() -> str:
        made.append(Source(definition, secrets_folder(state_dir)))
        return str(row.kind)

    plan: list[Step] = [("settings", settings)]
    if row.kind == "ldap":
        plan += [("address", lambda: _ldap_address(made[0])), ("directory", lambda: _ldap_bind(made[0]))]
    elif row.kind == "pam":
        plan += [("service", lambda: _pam_service(made[0]))]
    elif not definition["form"]:
        plan += [("endpoints", lambda: _endpoints(made[0]))]
        if row.kind == "oidc":
            plan += [("keys", lambda: _keys(made[0]))]
    for name, work in plan:
        try:
            detail = await asyncio.wait_for(work(), STEP_SECONDS)
            found.append({"name": name, "passed": True, "detail": detail})
        except Exception as error:
            # Whatever a foreign authenticator or server raises is the answer of the test.
            found.append({"name": name, "passed": False, "detail": _sentence(error)})
            break
    return found


def secrets_folder(state_dir: Path) -> Path:
    """Where ``file:`` secrets of sources lie, for the hub and for the platform."""
    return state_dir / "secrets" / "sources"


def _is_form(kind: str) -> bool:
    from himalia_hub.sign_in_sources import kinds

    return kinds.is_form(kinds.class_of(kind))


def _sentence(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLError):
        return f"the certificate is not trusted: {error}"
    return f"{error}"[:500] or type(error).__name__


async def _ldap_address(source: Any) -> str:
    inner = source.inner
    found = await addresses_of(inner.server_address, int(inner.server_port), allow_private=source.allow_private)
    return f"{inner.server_address} is {found[0][1][0]}"


async def _ldap_bind(source: Any) -> str:
    """Bind as the look-up account where there is one, else connect only."""
    inner = source.inner
    if inner.lookup_dn and inner.lookup_dn_search_user:
        connection = await asyncio.to_thread(
            inner.get_connection, inner.lookup_dn_search_user, inner.lookup_dn_search_password
        )
        if not connection:
            raise AddressRefused("the directory did not accept the look-up account")
        await asyncio.to_thread(
            connection.search, search_base=inner.user_search_base, search_filter="(objectClass=*)", size_limit=1
        )
        if not connection.entries:
            raise AddressRefused(f"nothing is found below {inner.user_search_base}")
        return f"the look-up account was accepted; {inner.user_search_base} has entries"
    reader, writer = await asyncio.open_connection(inner.server_address, int(inner.server_port))
    writer.close()
    await writer.wait_closed()
    del reader
    return "the directory answers"


async def _pam_service(source: Any) -> str:
    path = Path("/etc/pam.d") / source.inner.service
    if not await asyncio.to_thread(path.exists):
        raise FileNotFoundError(f"{path} does not exist")
    return str(path)


async def _endpoints(source: Any) -> str:
    await source.prepare()
    inner = source.inner
    for url in (inner.authorize_url, inner.token_url):
        if not url:
            raise AddressRefused("authorize_url and token_url are needed")
        await check_url(url, allow_private=source.allow_private)
    return f"{inner.authorize_url}, {inner.token_url}"


async def _keys(source: Any) -> str:
    document = await source.inner.discover()
    keys = await source.inner.httpfetch(document["jwks_uri"], method="GET")
    return f"{len(keys.get('keys', []))} keys"
