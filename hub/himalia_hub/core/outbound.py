"""Addresses that a server of ours may be sent to by somebody's settings (SEC-3).

A URL that a person wrote is fetched only when every address its name resolves to is a public one,
unless an administrator allowed private ones for it. :class:`GuardedResolver` checks the very
addresses that the connection then uses, so a name that resolves differently the second time gains
nothing, and redirects are checked like the first address.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import Any
from urllib.parse import urlsplit

from tornado.netutil import Resolver

_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class AddressRefused(Exception):
    """The name resolves to an address that nobody allowed; ``str`` names both."""


def is_public(text: str) -> bool:
    """Whether an IP address is one of the public internet, in any of its disguises."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is None and address.teredo is not None:
            inner = address.teredo[1]
        if inner is not None:
            return is_public(str(inner))
    return address.is_global and not address.is_multicast


async def addresses_of(host: str, port: int, *, allow_private: bool) -> list[tuple[int, Any]]:
    """``(family, address)`` of a host.

    Raises:
        AddressRefused: one of them is not public and private ones are not allowed, or there is none.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise AddressRefused(f"{host}: the name cannot be resolved ({error.strerror or error}).") from error
    answers = [(int(family), address) for family, _, _, _, address in found]
    for _, address in answers:
        if not allow_private and not is_public(str(address[0])):
            raise AddressRefused(f"{host} is {address[0]}, an address inside a private network.")
    return answers


async def check_url(url: str, *, allow_private: bool) -> None:
    """Refuse a URL that is not http(s) or leads where it may not; plain http needs ``allow_private``."""
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise AddressRefused(f"{url}: not an https address.")
    if parts.scheme == "http" and not allow_private:
        raise AddressRefused(f"{url}: must be https.")
    await addresses_of(
        parts.hostname, parts.port or (443 if parts.scheme == "https" else 80), allow_private=allow_private
    )


class GuardedResolver(Resolver):
    """tornado's resolver with the check of :func:`addresses_of`."""

    def initialize(self, allow_private: bool = False) -> None:
        self.allow_private = allow_private

    async def resolve(self, host: str, port: int, family: Any = socket.AF_UNSPEC) -> list[tuple[int, Any]]:
        try:
            return await addresses_of(host, port, allow_private=self.allow_private)
        except AddressRefused as error:
            raise OSError(str(error)) from error
