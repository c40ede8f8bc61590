"""Ids of persons in what is kept in memory as text: however they are spelt."""

from __future__ import annotations

import re
from uuid import UUID


def names(text: str, user_id: UUID) -> bool:
    """Whether a text has somebody's id anywhere."""
    return str(user_id) in text.lower()


def renamed(text: str, user_id: UUID, alias: UUID) -> str:
    """The text with an alias in the id's place."""
    return re.sub(str(user_id), str(alias), text, flags=re.IGNORECASE)
