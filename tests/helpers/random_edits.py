"""Seeded random editing of a document, with every kind of edit there is."""

from __future__ import annotations

import random
from typing import Any

from pycrdt import Array, Doc, Map, Text

PLAIN = tuple(f"plain{number}" for number in range(8))
NESTED = tuple(f"nested{number}" for number in range(3))
OWN_KEYS = frozenset(PLAIN + NESTED)
"""Keys of `objects` that are set and deleted; others are left alone."""


def random_edit(doc: Doc[Any], rng: random.Random) -> None:
    """One edit of the roots `objects`, `list` and `text`, or of what is nested in them.

    Text stays ASCII: pycrdt counts it in bytes, and must not cut a character in two.
    """
    objects = doc.get("objects", type=Map)
    text = doc.get("text", type=Text)
    items = doc.get("list", type=Array)
    match rng.randrange(10):
        case 0 | 1:
            objects[rng.choice(PLAIN)] = rng.choice([rng.random(), None, "ü", [1, {"a": 2}]])
        case 2:
            inner = Map({"n": rng.randrange(100), "t": Text("x"), "a": Array([1, 2])})
            objects[rng.choice(NESTED)] = inner
        case 3:
            _edit_nested(objects, rng)
        case 4:
            keys = sorted(key for key in objects if key in OWN_KEYS)
            if keys:
                del objects[rng.choice(keys)]
        case 5 | 6:
            text.insert(rng.randint(0, len(text)), rng.choice(["a", "bc", "def "]))
        case 7:
            if len(text):
                start = rng.randrange(len(text))
                del text[start : min(len(text), start + rng.randint(1, 3))]
        case 8:
            items.insert(rng.randint(0, len(items)), rng.randrange(100))
        case _:
            if len(items):
                del items[rng.randrange(len(items))]


def _edit_nested(objects: Map[Any], rng: random.Random) -> None:
    # While the rest of what somebody wrote is asked for again, half of it is there (ROM-4).
    nested = [
        objects[key]
        for key in NESTED
        if key in objects and all(member in objects[key] for member in "nta")
    ]
    if not nested:
        return
    inner = rng.choice(nested)
    match rng.randrange(3):
        case 0:
            inner[f"i{rng.randrange(3)}"] = rng.randrange(100)
        case 1:
            inner["t"].insert(0, rng.choice("xyz"))
        case _:
            inner["a"].append(rng.randrange(100))
