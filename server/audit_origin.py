"""Where a request or a connection came from, as far as the trail keeps it."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from uuid import UUID

from starlette.datastructures import Headers
from starlette.types import Scope

from crdt_docs.errors import Malformed
from crdt_docs.identifiers import parse_uuid
from persistence.audit_ports import Origin

IDENTITY_ID = "X-Identity-ID"
_BITS = {4: 24, 6: 48}
"""What is kept of an address: no more than tells one network from another."""


def origin_of(scope: Scope, request_id: str | None = None) -> Origin:
    """The origin of what has this ASGI scope; proxies were taken into account before."""
    client = scope.get("client")
    return Origin(
        request_id=request_id,
        identity_id=_identity_id(Headers(scope=scope)),
        network=network_of(client[0]) if client else None,
    )


def nobody_known(origin: Origin) -> Origin:
    """The same for somebody who is not known: without the id, which they could make up."""
    return replace(origin, identity_id=None)


def _identity_id(headers: Headers) -> UUID | None:
    """The platform's ids are UUIDs; anything else could be a name, and is not kept."""
    given = headers.getlist(IDENTITY_ID)
    try:
        return parse_uuid(given[0]) if len(given) == 1 else None
    except Malformed:
        return None


def network_of(host: str) -> str | None:
    """The network of an address: /24 with IPv4, /48 with IPv6; None where it is no address."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return str(ipaddress.ip_network((address, _BITS[address.version]), strict=False))
