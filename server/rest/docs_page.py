"""The OpenAPI document as a page that a browser shows without scripts and without a network."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

Json = Mapping[str, Any]

STYLE_FILE = Path(__file__).with_name("docs.css")

_CODE = re.compile(r"`([^`]+)`")
_BREAK = re.compile(r"[:;,.] ")
_LISTED = "- "


def docs_page(document: Json, *, style: str, source: str) -> str:
    """The page.

    Args:
        document: in OpenAPI 3.1.
        style: address of the style sheet.
        source: address of the document itself.
    """
    title = escape(document["info"]["title"])
    return "\n".join(
        (
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{title}</title>",
            f'<link rel="stylesheet" href="{escape(style)}"></head><body>',
            f"<header><h1>{title} <small>{escape(document['info']['version'])}</small></h1>",
            f"{_text(document['info']['description'])}",
            f'<p><a href="{escape(source)}">OpenAPI {escape(document["openapi"])}</a></p></header>',
            f"<nav>{''.join(_contents(document))}</nav>",
            f"<main>{''.join(_subjects(document))}{''.join(_schemas(document))}</main>",
            "</body></html>",
        )
    )


def _by_tag(document: Json, tag: str) -> Iterator[tuple[str, str, Json]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if tag in operation["tags"]:
                yield path, method, operation


def _contents(document: Json) -> Iterator[str]:
    for tag in document["tags"]:
        yield f"<h2>{escape(tag['name'])}</h2><ul>"
        for _, _, operation in _by_tag(document, tag["name"]):
            link = escape(operation["operationId"])
            yield f'<li><a href="#{link}">{_line(_short(operation["summary"]))}</a></li>'
        yield "</ul>"
    yield '<h2>Bodies and answers</h2><p><a href="#schemas">All types</a></p>'


def _short(summary: str) -> str:
    """The beginning of a sentence, as far as it makes sense alone."""
    return _BREAK.split(summary, maxsplit=1)[0]


def _subjects(document: Json) -> Iterator[str]:
    base = document["servers"][0]["url"]
    for tag in document["tags"]:
        yield f"<section><h2>{escape(tag['name'])}</h2>{_text(tag['description'])}"
        for path, method, operation in _by_tag(document, tag["name"]):
            yield from _operation(base + path, method, operation, document)
        yield "</section>"


def _operation(path: str, method: str, operation: Json, document: Json) -> Iterator[str]:
    name = escape(operation["operationId"])
    yield f'<article id="{name}"><h3><b class="{method}">{method.upper()}</b> '
    yield f"<code>{escape(path)}</code></h3><p><strong>{_line(operation['summary'])}</strong></p>"
    if operation["description"].rstrip(".") != operation["summary"]:
        yield _text(operation["description"])
    if "security" not in operation:
        yield "<p>Open to everybody.</p>"
    yield from _parameters(operation.get("parameters", ()), document)
    if "requestBody" in operation:
        yield "<h4>Body</h4>"
        yield from _content(operation["requestBody"]["content"], document)
    yield "<h4>Answers</h4>"
    for status, response in sorted(operation["responses"].items()):
        yield f"<details><summary><b>{escape(status)}</b> {_codes(response)}</summary>"
        if _codes(response) != _line(response["description"]):
            yield _text(response["description"])
        yield from _content(response.get("content", {}), document)
        yield "</details>"
    yield "</article>"


def _codes(response: Json) -> str:
    """The codes of a refusal, or what the answer is."""
    content = response.get("content", {}).get("application/json", {})
    names = content.get("examples")
    return ", ".join(map(_code, names)) if names else _line(response["description"])


def _parameters(parameters: Iterable[Json], document: Json) -> Iterator[str]:
    rows = [_resolved(parameter, document) for parameter in parameters]
    if not rows:
        return
    yield "<h4>Parameters</h4><table>"
    for row in rows:
        need = "required" if row.get("required") else ""
        yield f"<tr><th>{_code(row['name'])}</th><td>{escape(row['in'])} {need}</td>"
        yield f"<td>{_kind(row['schema'])}</td><td>{_line(row.get('description', ''))}</td></tr>"
    yield "</table>"


def _content(content: Json, document: Json) -> Iterator[str]:
    for media_type, told in content.items():
        yield f"<p>{_code(media_type)} {_told(told['schema'], document)}</p>"
        for example in _examples(told, document):
            yield f"<pre>{escape(json.dumps(example, indent=2, ensure_ascii=False))}</pre>"


def _told(schema: Json, document: Json) -> str:
    """What a body is; of an answer in the envelope, what its data are."""
    properties = _resolved(schema, document).get("properties", {})
    if {"success", "data", "meta"} <= set(properties):
        return f"{_code('data')}: {_kind(properties['data'])}"
    return _kind(schema)


def _examples(told: Json, document: Json) -> Iterator[object]:
    if "example" in told:
        yield told["example"]
    elif "examples" in told:
        yield from (example["value"] for example in told["examples"].values())
    else:
        yield from _resolved(told["schema"], document).get("examples", ())


def _schemas(document: Json) -> Iterator[str]:
    yield '<section id="schemas"><h2>Bodies and answers</h2>'
    for name, schema in document["components"]["schemas"].items():
        yield f'<article id="schema-{escape(name)}"><h3>{_code(name)}</h3>'
        yield _text(schema.get("description", ""))
        if "enum" in schema:
            yield f"<p>{_kind(schema)}</p>"
        if "properties" in schema:
            yield f"<table>{''.join(_properties(schema))}</table>"
        yield "</article>"
    yield "</section>"


def _properties(schema: Json) -> Iterator[str]:
    required = schema.get("required", ())
    for name, inner in schema["properties"].items():
        need = "required" if name in required else ""
        yield f"<tr><th>{_code(name)}</th><td>{need}</td><td>{_kind(inner)}</td>"
        yield f"<td>{_line(inner.get('description', ''))}</td></tr>"


def _kind(schema: Json) -> str:
    """What a value is, in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#schema-{escape(name)}">{_code(name)}</a>'
    if "const" in schema:
        return _code(json.dumps(schema["const"]))
    if "enum" in schema:
        return ", ".join(_code(json.dumps(value)) for value in schema["enum"])
    for several, between in (("anyOf", " or "), ("oneOf", " or "), ("allOf", " and ")):
        if several in schema:
            return between.join(_kind(inner) for inner in schema[several])
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return f"{escape(str(schema.get('type', 'any value')))}{_bounds(schema)}"


def _bounds(schema: Json) -> str:
    told = [
        f"{word} {schema[key]}"
        for key, word in (
            ("format", ","),
            ("minimum", "≥"),
            ("maximum", "≤"),
            ("maxLength", "of length ≤"),
            ("default", ", else"),
        )
        if schema.get(key) is not None
    ]
    return escape(" ".join(["", *told]).replace(" ,", ","))


def _resolved(part: Json, document: Json) -> Json:
    while "$ref" in part:
        _, _, section, name = part["$ref"].split("/")
        part = document["components"][section][name]
    return part


def _text(text: str) -> str:
    """Paragraphs and lists of a text; nothing else of Markdown."""
    return "".join(_paragraph(paragraph) for paragraph in text.split("\n\n") if paragraph.strip())


def _paragraph(paragraph: str) -> str:
    lines = paragraph.strip().splitlines()
    if all(line.startswith(_LISTED) for line in lines):
        items = "".join(f"<li>{_line(line.removeprefix(_LISTED))}</li>" for line in lines)
        return f"<ul>{items}</ul>"
    return f"<p>{_line(' '.join(lines))}</p>"


def _line(text: str) -> str:
    return _CODE.sub(r"<code>\1</code>", escape(text))


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>"
