"""Answers, held against the OpenAPI document."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import httpx
import jsonschema_rs
from fastapi import FastAPI

from server.rest.openapi import openapi_document
from server.rest.routes import ROUTERS

PREFIX = "/api"
OUTSIDE = {"NOT_FOUND", "METHOD_NOT_ALLOWED", "INTERNAL"}  # of no operation, or of any

Json = dict[str, Any]


class Described:
    """What an OpenAPI document says that requests are answered with.

    Attributes:
        operations: all of them, as `GET /path`.
    """

    def __init__(self, document: Json) -> None:
        self.operations: dict[str, Json] = {
            f"{method.upper()} {path}": operation
            for path, methods in sorted(document["paths"].items())
            for method, operation in sorted(methods.items())
        }
        self._components = document["components"]
        self._paths = [
            (re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), operations)
            for path, operations in sorted(document["paths"].items())
        ]
        self._validators: dict[int, jsonschema_rs.Validator] = {}

    async def check(self, response: httpx.Response) -> None:
        """For `httpx.AsyncClient(event_hooks={"response": [described.check]})`."""
        path = response.request.url.raw_path.partition(b"?")[0].decode()  # ids may hold slashes
        operation = self.operation(response.request.method, path)
        if operation is None:
            return
        await response.aread()
        said = self._resolved(operation["responses"].get(str(response.status_code)))
        if said is None:
            assert _code(response) in OUTSIDE, (
                f"undocumented: {response.status_code} {response.text}"
            )
            return
        if _code(response) not in OUTSIDE:
            self._check_headers(said, response)
            self._check_content(said, response)

    def operation(self, method: str, path: str) -> Json | None:
        """The operation of a request; None where there is none."""
        method = "get" if method == "HEAD" else method.lower()
        for pattern, operations in self._paths:
            if pattern.fullmatch(path.removeprefix(PREFIX)) and method in operations:
                found: Json = operations[method]
                return found
        return None

    def example_of_body(self, operation: Json) -> Json:
        """The first example of a request's body."""
        told = operation["requestBody"]["content"]["application/json"]
        if "examples" in told:
            told = next(iter(told["examples"].values()))
            return dict(told["value"])
        schema = self._resolved(told["schema"]) or {}
        return dict(told["example"] if "example" in told else schema["examples"][0])

    def _check_headers(self, said: Json, response: httpx.Response) -> None:
        wanted = {name for name in said.get("headers", {}) if name != "Idempotency-Replayed"}
        assert {name for name in wanted if name not in response.headers} == set()

    def _check_content(self, said: Json, response: httpx.Response) -> None:
        if response.request.method == "HEAD":
            return
        media_type = response.headers.get("content-type", "").partition(";")[0]
        assert media_type in said.get("content", {}), f"undocumented: {media_type}"
        if media_type == "application/json":
            self.validator(said["content"][media_type]["schema"]).validate(response.json())

    def validator(self, schema: Json) -> jsonschema_rs.Validator:
        """A validator of a schema of the document."""
        if id(schema) not in self._validators:
            whole = {**schema, "components": self._components}
            self._validators[id(schema)] = jsonschema_rs.Draft202012Validator(
                whole, validate_formats=True
            )
        return self._validators[id(schema)]

    def _resolved(self, part: Json | None) -> Json | None:
        while part is not None and "$ref" in part:
            _, _, section, name = part["$ref"].split("/")
            part = self._components[section][name]
        return part


@cache
def described() -> Described:
    """The document of all endpoints there are."""
    app = FastAPI()
    for router in ROUTERS:
        app.include_router(router)
    return Described(openapi_document(app))


def _code(response: httpx.Response) -> str | None:
    if response.is_success or response.headers.get("content-type") != "application/json":
        return None
    code: str = response.json()["error"]["code"]
    return code
