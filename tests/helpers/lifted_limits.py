"""Rates so high that nobody meets them: tests and benchmarks flood on purpose.

Tests of the limits themselves start servers with `has_limits=True`.
"""

from __future__ import annotations

from server.settings import variable

LIFTED = {
    "auth_per_minute": 1_000_000,
    "reads_per_minute": 1_000_000,
    "writes_per_minute": 1_000_000,
    "connections_per_user": 1_000_000,
    "messages_per_second": 1_000_000,
    "bytes_per_second": 1 << 40,
    "rooms_per_minute": 1_000_000,
    "handshakes_per_minute": 1_000_000,
    "connections_per_address": 1_000_000,
    "max_connections": 1_000_000,
}

LIFTED_ENVIRONMENT = {variable(name): str(value) for name, value in LIFTED.items()}
