"""What can be seen of a document, in a form that compares."""

from __future__ import annotations

import json
import re
from typing import Any

from pycrdt import Doc, Map, Text, XmlElement, XmlFragment, XmlText
from pycrdt._base import BaseType

_SUBDOCUMENT = re.compile(r"Doc\(id: \d+, ")
"""A document within a document shows an id that is drawn anew for every copy."""


def contents(doc: Doc[Any]) -> str:
    """All roots as maps and as texts, those with nothing but XML in them as XML, no empty ones.

    Not as arrays, and not as XML what is none: yrs loops for ever over a sequence that it does not
    take for a text when there are characters beyond U+FFFF in it (GRD-21).
    """
    seen = []
    for name in sorted(doc.keys()):
        root = doc.get(name, type=Map)
        with doc.transaction() as transaction:
            encoded = root.integrated.to_json(transaction._txn)
        # yrs keeps the members of maps in no order.
        seen.append(json.dumps(json.loads(encoded), sort_keys=True))
        parts = doc.get(name, type=Text).diff()
        seen.append(_formatted(parts))
        if all(isinstance(part, XmlElement | XmlText) for part, _ in parts):
            seen.append(str(doc.get(name, type=XmlFragment)))
    return _SUBDOCUMENT.sub("Doc(", "|".join(each for each in seen if each not in ("{}", "")))


def _formatted(parts: list[tuple[Any, dict[str, Any] | None]]) -> str:
    """The parts of a text with their formats; types embedded in it by their names only."""
    formatted = []
    for part, attributes in parts:
        shown = type(part).__name__ if isinstance(part, BaseType) else part
        formatted.append(json.dumps([shown, attributes], sort_keys=True, default=repr))
    return "".join(formatted)
