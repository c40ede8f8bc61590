"""The rules and the tests name one another: what is only written down is kept by nobody."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SPEC = ROOT / "crdt_docs" / "SPEC.md"
FAMILIES = "LIF|XRB|XRS|HOC|FRM|GRD|ACC|RUL|ROM|AWR|LOG|EPG|LCK|HST|PRJ|EDT|SVG|PST|TOK|POS"

_IN_SPEC = re.compile(rf"^- \*\*((?:{FAMILIES})-\d+)\*\* ", re.MULTILINE)
_IN_MODULE = re.compile(rf"^((?:{FAMILIES})-\d+) {{2,}}\S", re.MULTILINE)
_CITED = re.compile(rf"\b(?:{FAMILIES})-\d+\b|(?<=\btest_)(?:{FAMILIES.lower()})_\d+(?=_)")


def _sources(*folders: str) -> Iterator[tuple[Path, str]]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path, path.read_text()


def _defined() -> Counter[str]:
    """How often each rule is written down, in the SPEC or at the top of a module."""
    found = Counter(_IN_SPEC.findall(SPEC.read_text()))
    for _, text in _sources("crdt_docs", "persistence", "server"):
        found.update(_IN_MODULE.findall(ast.get_docstring(ast.parse(text)) or ""))
    return found


def _cited(text: str) -> set[str]:
    """Rules that a text names, as `GRD-20` or within a name: `test_grd_20_…`."""
    return {rule.replace("_", "-").upper() for rule in _CITED.findall(text)}


def _tried() -> set[str]:
    """Rules that tests name. The head of a file does not count: it names what all of it is about,
    and would go on to when a test is gone."""
    tried: set[str] = set()
    for path, text in _sources("tests"):
        if path.name.startswith("test_"):
            head = ast.parse(text).body[0].end_lineno
            tried |= _cited("\n".join(text.splitlines()[head:]))
    return tried


def _in_order(rules: set[str]) -> list[str]:
    return sorted(rules, key=lambda rule: (rule[:3], int(rule[4:])))


def test_every_rule_has_a_test_that_names_it() -> None:
    assert _in_order(set(_defined()) - _tried()) == []


def test_every_rule_is_written_down_once() -> None:
    assert [rule for rule, times in _defined().items() if times > 1] == []


def test_every_rule_that_is_named_is_written_down() -> None:
    named = {
        (rule, str(path.relative_to(ROOT)))
        for path, text in _sources("crdt_docs", "persistence", "server", "tests")
        for rule in _cited(text)
    }
    defined = _defined()
    assert [each for each in sorted(named) if each[0] not in defined] == []
