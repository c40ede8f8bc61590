"""How bodies and answers are described in the OpenAPI document: each with an example."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pydantic import ConfigDict, with_config

View = TypeVar("View", bound=type)


def example(body: Mapping[str, Any]) -> ConfigDict:
    """The configuration of a model of a body, with an example of it."""
    return ConfigDict(json_schema_extra={"examples": [dict(body)]})


def described(answer: Mapping[str, Any]) -> Callable[[View], View]:
    """Describe a TypedDict that is the data of answers, by an example.

    Answers are TypedDicts: the type checker sees that they are made as they are described, and
    nothing is checked when they are sent.
    """
    return with_config(ConfigDict(extra="forbid", **example(answer)))


def also(media_type: str, description: str) -> dict[int | str, dict[str, Any]]:
    """For `responses=`: an answer that may come as something else than JSON."""
    schema = {"type": "string", "contentMediaType": media_type, "description": description}
    return {200: {"content": {media_type: {"schema": schema}}}}
