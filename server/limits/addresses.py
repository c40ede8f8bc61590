"""Who an address stands for, as far as that can be told."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from starlette.types import Scope

LONGEST_NAME = 64
HOMES = 64  # bits of an IPv6 address that a provider gives to one customer, at the least


def address_key(host: str) -> str:
    """One key for all addresses that one client can choose from.

    A client with IPv6 has at least 2^64 of them, and an IPv4 one may be written as IPv6.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host[:LONGEST_NAME]  # a socket in the file system, or what a proxy says
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((int(address), HOMES), strict=False).network_address)
    return str(address)


def client_key(scope: Scope) -> str:
    """The key of whoever sent a request; proxies were taken into account before."""
    client = scope.get("client")
    return address_key(client[0]) if client else ""


class Networks:
    """Addresses to which something applies."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = [ipaddress.ip_network(network) for network in networks]

    def __contains__(self, host: str) -> bool:
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        return any(address in network for network in self._networks)
