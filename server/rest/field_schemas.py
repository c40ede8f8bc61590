"""What the OpenAPI document says of the fields of objects.

`crdt_docs.object_fields` checks them, with what is there already, and in our words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import WithJsonSchema

Schema = dict[str, Any]


def numbers(*names: str) -> Schema:
    """An object in which these are numbers, perhaps with more."""
    return {
        "type": "object",
        "additionalProperties": True,
        "properties": {name: {"type": "number"} for name in names},
        "required": list(names),
    }


def partly(schema: Mapping[str, Any]) -> Schema:
    """What a patch may say of such an object: some members."""
    nullable = {name: or_null(inner) for name, inner in schema["properties"].items()}
    return {"type": "object", "additionalProperties": True, "properties": nullable}


def or_null(schema: Mapping[str, Any]) -> Schema:
    """This, or null."""
    return {"anyOf": [dict(schema), {"type": "null"}]}


def said(schema: Mapping[str, Any]) -> WithJsonSchema:
    """What the document says of a field."""
    return WithJsonSchema(dict(schema))


POINT: Final = numbers("x", "y")
EXTENT: Final = numbers("width", "height")
VECTOR: Final = numbers("x", "y", "z")
QUATERNION: Final = numbers("x", "y", "z", "w")
TYPE: Final[Schema] = {"type": "string", "minLength": 1}
ID: Final[Schema] = {
    "type": "string",
    "minLength": 1,
    "maxLength": 128,
    "description": "1 to 128 bytes of UTF-8. A UUID is made where there is none.",
}
TEXT: Final[Schema] = {"type": "string"}
NUMBER: Final[Schema] = {"type": "number"}
FLAG: Final[Schema] = {"type": "boolean"}
OBJECT: Final[Schema] = {"type": "object", "additionalProperties": True}
