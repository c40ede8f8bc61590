"""What a role may do in a document (ACC)."""

from __future__ import annotations

from enum import StrEnum
from typing import assert_never


class Role(StrEnum):
    """A participant's role, as stored and as shown to others."""

    HOST = "host"
    EDITOR = "editor"
    VIEWER = "viewer"
    SPECTATOR = "spectator"


def may_edit(role: Role) -> bool:
    """ACC-1: hosts and editors change the document; viewers and spectators read it."""
    match role:
        case Role.HOST | Role.EDITOR:
            return True
        case Role.VIEWER | Role.SPECTATOR:
            return False
        case _:
            assert_never(role)


def is_seen(role: Role) -> bool:
    """ACC-2: everybody but a spectator is present for the others."""
    return role is not Role.SPECTATOR
