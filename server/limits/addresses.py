"""Who an address stands for, as far as that can be told."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import TypeAlias

from starlette.types import Scope

LONGEST_NAME = 64
MAPPED_BITS = 96  # before the IPv4 address in an IPv6 one
HOMES = 64  # bits of an IPv6 address that a provider gives to one customer, at the least

_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


def address_key(host: str) -> str:
    """One key for all addresses that one client can choose from.

    A client with IPv6 has at least 2^64 of them, and an IPv4 one may be written as IPv6.
    """
    try:
        address = _plain_address(host)
    except ValueError:
        return host[:LONGEST_NAME]  # a socket in the file system, or what a proxy says
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(address), HOMES), strict=False).network_address)
    return str(address)


def _plain_address(host: str) -> _Address:
    """An address; one of IPv4 that is written as IPv6, as sockets for both do it, is of IPv4.

    Raises:
        ValueError: it is none.
    """
    address = ipaddress.ip_address(host)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _plain_network(text: str) -> _Network:
    network = ipaddress.ip_network(text)
    if isinstance(network, ipaddress.IPv6Network) and network.prefixlen >= MAPPED_BITS:
        start = network.network_address.ipv4_mapped
        if start is not None:
            return ipaddress.IPv4Network((start, network.prefixlen - MAPPED_BITS))
    return network


def written_both_ways(networks: Iterable[str]) -> list[str]:
    """Addresses and networks for those who compare them as they are: of IPv4 also as IPv6."""
    written: list[str] = []
    for network in map(_plain_network, networks):
        written.append(str(network))
        if isinstance(network, ipaddress.IPv4Network):
            bits = network.prefixlen + MAPPED_BITS
            written.append(f"::ffff:{network.network_address}/{bits}")
    return written


def client_key(scope: Scope) -> str:
    """The key of whoever sent a request; proxies were taken into account before."""
    client = scope.get("client")
    return address_key(client[0]) if client else ""


class Networks:
    """Addresses to which something applies, however they are written."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = [_plain_network(network) for network in networks]

    def __contains__(self, host: str) -> bool:
        try:
            address = _plain_address(host)
        except ValueError:
            return False
        return any(address in network for network in self._networks)
