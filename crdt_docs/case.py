"""One update that is held against the rules, and what became of it (RUL)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from crdt_docs.clocks import ClockRanges
from crdt_docs.object_trees import Tree
from crdt_docs.ownership import Entry, Foreseen
from crdt_docs.rules import Fault, Rule, RuleBroken

TOO_MUCH: Final = "too much is changed in large objects; wait a moment and reload"


@dataclass(slots=True)
class Case:
    """One update, while it is looked at.

    Attributes:
        forbidden: objects that it must not change, whatever they become.
        held: objects that it must not move (RUL-9).
        suspects: objects that are looked at once it is applied.
        refused: what it brings in forbidden objects: it is deleted, also what `mend` cannot see.
        trees: what these were before.
        kept: about how many bytes that takes.
        parts: of how many parts they are.
        taken_back: objects in which it broke a rule, and which are what they were.
        put_back: objects that it moved, and that are where they were, but otherwise changed.
    """

    foreseen: Foreseen
    forbidden: Mapping[Entry, Fault]
    held: Mapping[Entry, Fault]
    suspects: set[Entry]
    refused: ClockRanges = field(default_factory=dict)
    trees: dict[Entry, Tree] = field(default_factory=dict)
    kept: int = 0
    parts: int = 0
    taken_back: dict[Entry, Fault] = field(default_factory=dict)
    put_back: dict[Entry, Fault] = field(default_factory=dict)

    @property
    def faults(self) -> Mapping[Entry, Fault]:
        """Objects in which it broke a rule."""
        return {**self.put_back, **self.taken_back}

    def give_up(self) -> None:
        """Raises:
        RuleBroken: for what it must not change, or what cannot be looked at now.
        """
        for fault in (*self.forbidden.values(), *self.held.values()):
            raise RuleBroken(*fault)
        if self.suspects:
            raise RuleBroken(Rule.SCHEMA, TOO_MUCH)
