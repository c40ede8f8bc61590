"""A document that is edited at random, with everything that it ever was."""

from __future__ import annotations

import json
import random
from typing import Any

from pycrdt import Doc, Map, Text, TransactionEvent

from crdt_docs.identifiers import DocumentName
from persistence.ports import Commit, Snapshot

ROOTS = ("objects", "annotations", "meta")
IDS = tuple(f"object {number}" for number in range(12))


class Lived:
    """One document.

    Attributes:
        log: its updates, oldest first.
        was: what it was at every position, as JSON of its roots; the first is empty.
    """

    def __init__(self, seed: int) -> None:
        self.doc: Doc[Any] = Doc()
        self.log: list[bytes] = []
        self.dice = random.Random(seed)
        self._subscription = self.doc.observe(self._collect)
        self.was = [self.shown()]

    def close(self) -> None:
        """Stop observing: otherwise the document is never freed."""
        self.doc.unobserve(self._subscription)

    def _collect(self, event: TransactionEvent) -> None:
        self.log.append(event.update)

    def shown(self) -> dict[str, Any]:
        """What it is now."""
        return {name: _json(self.doc.get(name, type=Map)) for name in ROOTS}

    def live(self, edits: int) -> None:
        """So many random edits, each of which is an entry of the log."""
        for _ in range(edits):
            before = len(self.log)
            while len(self.log) == before:
                with self.doc.transaction():
                    self._edit()
            self.was.append(self.shown())

    def _edit(self) -> None:
        objects = self.doc.get("objects", type=Map)
        key = self.dice.choice(IDS)
        if key not in objects:
            objects[key] = Map({"object_type": "sticky", "properties": Map({"text": Text("a")})})
            return
        match self.dice.randrange(6):
            case 0:
                del objects[key]
            case 1:
                objects[key]["properties"]["text"].insert(0, self.dice.choice(("x", "yz ")))
            case 2:
                objects[key]["properties"]["text"].format(0, 1, {"bold": self.dice.random() < 0.5})
            case 3:
                notes = self.doc.get("annotations", type=Map)
                notes[key] = {"annotation_type": "comment", "content": str(self.dice.random())}
            case _:
                objects[key]["position"] = {"x": self.dice.random(), "y": 1.5}

    def commits(self, name: DocumentName, first: int, last: int) -> list[Commit]:
        """These entries of its log."""
        return [Commit(name, seq, self.log[seq - 1], None) for seq in range(first, last + 1)]

    def snapshot(self, seq: int) -> Snapshot:
        """The whole document at a position."""
        doc: Doc[Any] = Doc()
        for update in self.log[:seq]:
            doc.apply_update(update)
        return Snapshot(seq, doc.get_update(), b"outline")


def _json(root: Map[Any]) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(str(root))
    return shown
