"""What can be seen of a document, in a form that compares."""

from __future__ import annotations

import json
import re
from typing import Any

from pycrdt import Doc, Map, Text, XmlFragment
from pycrdt._base import BaseType

_SUBDOCUMENT = re.compile(r"Doc\(id: \d+, ")
"""A document within a document shows an id that is drawn anew for every copy."""


def contents(doc: Doc[Any]) -> str:
    """All roots as maps, as texts and as XML, without empty ones.

    Not as arrays: yrs loops for ever when there are characters beyond U+FFFF in one (GRD-21).
    """
    seen = []
    for name in sorted(doc.keys()):
        root = doc.get(name, type=Map)
        with doc.transaction() as transaction:
            encoded = root.integrated.to_json(transaction._txn)
        # yrs keeps the members of maps in no order.
        seen.append(json.dumps(json.loads(encoded), sort_keys=True))
        formatted = _formatted(doc.get(name, type=Text))
        seen.append(formatted)
        if "Xml" in formatted:
            seen.append(str(doc.get(name, type=XmlFragment)))
    return _SUBDOCUMENT.sub("Doc(", "|".join(each for each in seen if each not in ("{}", "")))


def _formatted(text: Text) -> str:
    """A text with its formats; types embedded in it by their names only."""
    parts = []
    for part, attributes in text.diff():
        shown = type(part).__name__ if isinstance(part, BaseType) else part
        parts.append(json.dumps([shown, attributes], sort_keys=True, default=repr))
    return "".join(parts)
