"""SECURITY.md names tests and files that exist, and names every family of attacks."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "SECURITY.md").read_text()

_PATH = re.compile(r"`((?:tests|server|crdt_docs|docs)/[\w/.-]*)`")


def test_what_it_names_is_there() -> None:
    named = _PATH.findall(TEXT)
    assert len(named) > 25
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_family_of_attacks_is_named() -> None:
    families = {path.name for path in Path(__file__).parent.glob("test_*.py")}
    families.remove(Path(__file__).name)
    assert sorted(name for name in families if name not in TEXT) == []
