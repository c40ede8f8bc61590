"""REST: what it says of itself."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from server.rest.docs_page import docs_page
from server.rest.openapi import TAGS
from tests.server.described import Described, described
from tests.server.rest_client import Api

Json = dict[str, Any]


@pytest.fixture
def api(tmp_path: Path) -> Api:
    return Api(tmp_path)


@pytest.fixture
async def document(api: Api) -> Json:
    found: Json = (await api.client.get("/openapi.json")).json()
    return found


def operations(document: Json) -> list[Json]:
    return [one for methods in document["paths"].values() for one in methods.values()]


async def test_the_document_is_in_two_places(api: Api, document: Json) -> None:
    inside = await api.client.get("/api/openapi.json")
    assert inside.json() == document
    assert inside.headers["content-type"] == "application/json"
    assert document["openapi"].startswith("3.1")
    assert document["servers"] == [{"url": "/api"}]


async def test_operations_have_names_of_their_own_and_known_tags(document: Json) -> None:
    names = [operation["operationId"] for operation in operations(document)]
    assert len(set(names)) == len(names)
    for operation in operations(document):
        (tag,) = operation["tags"]
        assert tag in TAGS
        assert operation["summary"]
        assert not operation["summary"].endswith(".")


async def test_who_needs_no_token_is_known(document: Json) -> None:
    free = {
        path
        for path, methods in document["paths"].items()
        for operation in methods.values()
        if "security" not in operation
    }
    tokens = {"/auth/refresh", "/auth/revoke"}
    assert free == {"/health", "/health/ready"} | tokens
    for path, methods in document["paths"].items():
        for operation in methods.values():
            told = "401" in operation["responses"]
            assert told == ("security" in operation or path in tokens), path


async def test_every_reference_leads_somewhere(document: Json) -> None:
    text = orjson.dumps(document).decode()
    found = set(re.findall(r'"\$ref":"#/components/(\w+)/([^"]+)"', text))
    assert found
    assert all(name in document["components"][section] for section, name in found)
    assert "HTTPValidationError" not in document["components"]["schemas"]
    assert all("422" not in operation["responses"] for operation in operations(document))


def told_with_examples(document: Json) -> list[tuple[str, Json, object]]:
    """Every body and answer in JSON: whose, its schema, an example."""
    found: list[tuple[str, Json, object]] = []
    for operation in operations(document):
        parts = [operation.get("requestBody", {}), *operation["responses"].values()]
        for part in parts:
            told = part.get("content", {}).get("application/json")
            if told is not None:
                name, schema = operation["operationId"], told["schema"]
                found.extend((name, schema, example) for example in examples(told, document))
    return found


def examples(told: Json, document: Json) -> list[object]:
    if "example" in told:
        return [told["example"]]
    if "examples" in told:
        return [example["value"] for example in told["examples"].values()]
    schema = document["components"]["schemas"][told["schema"]["$ref"].rpartition("/")[2]]
    given: list[object] = schema.get("examples", [])
    return given


async def test_bodies_and_answers_have_examples_that_fit(document: Json) -> None:
    told = told_with_examples(document)
    described = Described(document)
    for name, schema, example in told:
        assert described.validator(schema).is_valid(example), (name, example)
    named = {name for name, _, _ in told}
    assert named == {operation["operationId"] for operation in operations(document)}
    for operation in operations(document):
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        assert content is None or examples(content, document), operation["operationId"]


async def test_posts_take_an_idempotency_key(document: Json) -> None:
    reference = {"$ref": "#/components/parameters/IdempotencyKey"}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            takes = reference in operation["parameters"]
            is_secret = path == "/auth/token"  # an answer that is kept would keep a token
            assert takes == (method == "post" and "security" in operation and not is_secret)
            assert ("IDEMPOTENCY_KEY_REUSED" in repr(operation)) == takes


class _Reader(HTMLParser):
    """What a page would load, and which ids and links it has."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            self.attributes.add(name)
            if name == "id":
                self.ids.add(value or "")
            if name in {"href", "src"}:
                self.links.add(value or "")


def read(html: str) -> _Reader:
    reader = _Reader()
    reader.feed(html)
    return reader


async def test_the_page_needs_no_network_and_no_script(api: Api, document: Json) -> None:
    answer = await api.client.get("/docs")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    page = read(answer.text)
    assert not page.tags & {"script", "img", "iframe", "style"}
    assert not [name for name in page.attributes if name.startswith("on") or name == "style"]
    outside = {link for link in page.links if not link.startswith("#")}
    assert outside == {"/docs/style.css", "/openapi.json"}
    for link in outside:
        assert (await api.client.get(link)).status_code == 200
    assert {link[1:] for link in page.links if link.startswith("#")} <= page.ids
    assert {operation["operationId"] for operation in operations(document)} <= page.ids


def test_what_a_document_says_is_only_text() -> None:
    hostile = "<script>alert(1)</script>\n\n- `<b>`\n- \"'&"
    document = {
        "openapi": "3.1.0",
        "info": {"title": hostile, "version": hostile, "description": hostile},
        "servers": [{"url": "/api"}],
        "tags": [{"name": "T", "description": hostile}],
        "paths": {
            "/<i>": {
                "get": {
                    "tags": ["T"],
                    "operationId": '"><script>',
                    "summary": hostile,
                    "description": hostile + " more",
                    "responses": {"200": {"description": hostile}},
                }
            }
        },
        "components": {"schemas": {"<u>": {"description": hostile, "enum": ["<s>"]}}},
    }
    page = read(docs_page(document, style="/docs/style.css", source="/openapi.json"))
    assert not page.tags & {"script", "i", "u", "s"}


async def test_undocumented_answers_are_noticed() -> None:
    """The tests' client would not let them pass."""
    request = httpx.Request("GET", "http://collab.test/api/health")
    meta = {"request_id": "r", "timestamp": "2030-05-17T12:00:00Z", "version": "v1"}
    good = {"success": True, "data": {"status": "alive", "version": "1"}, "meta": meta}
    headers = {"X-Request-ID": "r"}
    await described().check(httpx.Response(200, headers=headers, json=good, request=request))
    for status, body, sent in (
        (200, {**good, "data": {"status": "alive"}}, headers),
        (200, {**good, "data": {"status": "alive", "version": "1", "more": 1}}, headers),
        (200, good, {}),
        (418, {**good, "success": False, "error": {"code": "TEAPOT"}}, headers),
    ):
        answer = httpx.Response(status, headers=sent, json=body, request=request)
        with pytest.raises((AssertionError, ValueError)):
            await described().check(answer)
