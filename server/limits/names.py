"""The limits by name, as they are counted."""

from __future__ import annotations

from enum import StrEnum


class Limit(StrEnum):
    """What was too much."""

    AUTHENTICATION = "authentication"
    READS = "reads"
    WRITES = "writes"
    CONNECTIONS = "connections"
    ALL_CONNECTIONS = "all_connections"
    ADDRESS_CONNECTIONS = "address_connections"
    HANDSHAKES = "handshakes"
    MESSAGES = "messages"
    ROOMS = "rooms"
    FRAGMENTS = "fragments"
    CONTROL_FRAMES = "control_frames"
    BAD_HEAD = "bad_head"
    SLOW_HEAD = "slow_head"
    SLOW_BODY = "slow_body"
    SLOW_MESSAGE = "slow_message"
    ORIGIN = "origin"
