"""Examples of values, made from their JSON Schema: what it gives itself, else the plainest."""

from __future__ import annotations

from typing import Any

_STRINGS = {
    "uuid": "6f1c1ad8-52a5-4a51-9f0c-7d2a3f6b9c11",
    "date-time": "2030-05-17T12:00:00Z",
}
_PLAIN = {"integer": 1, "number": 1.5, "boolean": True, "null": None, "string": "text"}


def example_of(schema: dict[str, Any], document: dict[str, Any]) -> object:
    """A value that a schema of an OpenAPI document takes; all of its properties are there."""
    while "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        schema = document["components"]["schemas"][name]
    for given in ("examples", "enum"):
        if schema.get(given):
            return schema[given][0]
    if "const" in schema:
        return schema["const"]
    if "anyOf" in schema:
        return example_of(schema["anyOf"][0], document)
    return _of_type(schema, document)


def _of_type(schema: dict[str, Any], document: dict[str, Any]) -> object:
    match schema.get("type"):
        case "object" | None:
            properties = schema.get("properties", {})
            return {name: example_of(inner, document) for name, inner in properties.items()}
        case "array":
            return [example_of(schema["items"], document)] if "items" in schema else []
        case "string" if schema.get("format") in _STRINGS:
            return _STRINGS[schema["format"]]
        case plain:
            return _PLAIN[plain]
