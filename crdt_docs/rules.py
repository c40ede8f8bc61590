"""What a session asks of edits besides the role of their author (RUL)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple


class Rule(StrEnum):
    """Why an edit was refused; for counting and the audit trail."""

    READ_ONLY = "read_only"
    PAUSED = "paused"
    FULL = "full"
    LOCKED = "locked"
    HELD = "held"
    NOT_OWN = "not_own"
    SCHEMA = "schema"
    TOO_MANY = "too_many_objects"
    STALE = "stale"


class RuleBroken(Exception):  # noqa: N818 - says what is the case
    """An edit breaks a rule, and nothing of it was applied."""

    def __init__(self, rule: Rule, reason: str) -> None:
        super().__init__(reason)
        self.rule = rule


class Fault(NamedTuple):
    """Which rule an edit of an object broke, and what to tell its author."""

    rule: Rule
    reason: str


@dataclass(frozen=True, slots=True)
class SessionRules:
    """What the config of a session says.

    Attributes:
        own_objects_only: editors change only what they created (RUL-2).
        strict_schema: objects that are not as they should be are refused (RUL-3).
        viewers_annotate: viewers may annotate (ACC-6).
    """

    own_objects_only: bool = False
    strict_schema: bool = False
    viewers_annotate: bool = True


ORDINARY = SessionRules()
"""What holds where nothing is said."""


def session_rules(config: Mapping[str, Any]) -> SessionRules:
    """Read a session's config. Anything but true and false counts as not said: rows can be written
    by SQL as well."""

    def says(name: str, default: bool) -> bool:  # noqa: FBT001 - the value itself
        value = config.get(name)
        return value if isinstance(value, bool) else default

    return SessionRules(
        own_objects_only=says("own_objects_only", ORDINARY.own_objects_only),
        strict_schema=says("strict_schema", ORDINARY.strict_schema),
        viewers_annotate=says("viewers_annotate", ORDINARY.viewers_annotate),
    )
