"""What requests may say: the parts that bodies and query parameters of all subjects share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from crdt_docs.errors import Malformed
from crdt_docs.identifiers import parse_uuid

MAX_LIST = 100
MAX_NAMES = 100
MAX_CURSOR_CHARACTERS = 512
MAX_LINE_CHARACTERS = 200


def _uuid(value: object) -> UUID:
    try:
        return parse_uuid(value if isinstance(value, str) else "")
    except Malformed as error:
        raise ValueError(str(error)) from None


UUID_PATTERN = "^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"

Uuid = Annotated[
    UUID,
    BeforeValidator(_uuid),
    WithJsonSchema({"type": "string", "format": "uuid", "pattern": UUID_PATTERN}),
]
"""A UUID in its canonical form, and in no other that pydantic would take."""


def _one_line(text: str) -> str:
    text = text.strip()
    if not text:
        raise ValueError("must say something")
    if not text.isprintable():
        raise ValueError("must be one line of text")
    return text


Line = Annotated[
    str, Field(min_length=1, max_length=MAX_LINE_CHARACTERS), AfterValidator(_one_line)
]
"""What something is called: one line of text, without blanks around it."""


class Strict(BaseModel):
    """Names nobody knows are errors: a misspelt option must not be ignored in silence."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _few_names(cls, given: Any) -> Any:
        """Of each name that nobody knows pydantic would tell: of 80,000 for half a second."""
        if isinstance(given, Mapping) and len(given) > MAX_NAMES:
            raise ValueError(f"may have {MAX_NAMES} names")
        return given


class PageQuery(Strict):
    """Query of a list. A list with filters extends it."""

    limit: int = Field(50, ge=1, le=MAX_LIST, description="How many at most.")
    cursor: str | None = Field(
        None,
        max_length=MAX_CURSOR_CHARACTERS,
        description="`next_cursor` of the page before; the first page without.",
    )
