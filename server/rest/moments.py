"""Moments of a document's past, as requests name them and answers show them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from pydantic import BeforeValidator, Field, WithJsonSchema
from typing_extensions import TypedDict

from crdt_docs.errors import Malformed
from crdt_docs.identifiers import parse_uuid
from persistence.archive_ports import (
    AtSeq,
    AtSnapshot,
    AtTime,
    Moment,
    PastTooLarge,
    UnknownMoment,
    UnknownSnapshot,
)
from server.rest.descriptions import described
from server.rest.errors import (
    DOCUMENT_UNAVAILABLE,
    INVALID_PARAMETER,
    ApiError,
    ErrorKind,
    invalid_field,
    invalid_parameter,
    unavailable,
)
from server.time_travel import PastBusy, Shown

CLOCKS_APART = timedelta(seconds=5)
"""How far the database's clock may be ahead of ours: times come from there."""

MAX_SEQ = 2**63 - 1

SNAPSHOT_NOT_FOUND = ErrorKind(404, "SNAPSHOT_NOT_FOUND", "there is no snapshot with this id")
PAST_TOO_LARGE = ErrorKind(
    409, "PAST_TOO_LARGE", "too much was written between this moment and the nearest kept state"
)
PAST_BUSY = ErrorKind(503, "PAST_BUSY", "too many look at the past just now; try again")

PAST_REFUSALS = (
    INVALID_PARAMETER,
    SNAPSHOT_NOT_FOUND,
    PAST_TOO_LARGE,
    PAST_BUSY,
    DOCUMENT_UNAVAILABLE,
)
"""What an endpoint refuses that looks at the past."""

_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_SEQ = re.compile(r"\d{1,19}", re.ASCII)


def parse_time(text: object) -> datetime:
    """A time as RFC 3339 writes it, in UTC.

    Raises:
        ValueError: it is none.
    """
    if isinstance(text, str) and _TIME.fullmatch(text):
        try:
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise ValueError("must be a time as RFC 3339 writes it, such as 2030-05-17T12:00:00Z")


Time = Annotated[
    datetime,
    BeforeValidator(parse_time),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A time in a query or a body: RFC 3339, and none of the other forms that pydantic would take."""


def parse_moment(text: object) -> Moment:
    """A moment in one word: a time, a position of the log (digits) or a snapshot's id (a UUID).

    Raises:
        ValueError: it is none of these.
    """
    if isinstance(text, str):
        if _SEQ.fullmatch(text) and int(text) <= MAX_SEQ:
            return AtSeq(int(text))
        try:
            return AtSnapshot(parse_uuid(text))
        except Malformed:
            pass
        try:
            return AtTime(parse_time(text))
        except ValueError:
            pass
    raise ValueError(
        "must be a time such as 2030-05-17T12:00:00Z, a position of the log or a snapshot's id"
    )


AnyMoment = Annotated[
    Moment,
    BeforeValidator(parse_moment),
    WithJsonSchema({"type": "string", "examples": ["2030-05-17T12:00:00Z", "1204"]}),
]
"""A moment in one parameter."""

Seq = Annotated[int, Field(ge=0, le=MAX_SEQ)]


def chosen(**given: datetime | int | UUID | None) -> Moment | None:
    """The moment that is named, if one is.

    Args:
        given: fields by name: at most one is given.

    Raises:
        ValueError: several are.
    """
    named = [value for value in given.values() if value is not None]
    if len(named) > 1:
        raise ValueError(f"name one moment, by one of {', '.join(given)}")
    if not named:
        return None
    match named[0]:
        case datetime() as at:
            return AtTime(at)
        case UUID() as snapshot_id:
            return AtSnapshot(snapshot_id)
        case int(seq):
            return AtSeq(seq)


@described({"seq": 1204, "at": "2030-05-17T12:00:00.000123Z", "is_rounded": False})
class MomentView(TypedDict):
    """A moment that is shown.

    `seq` is the position of the document's log, `at` when that was stored. `is_rounded`: edits of
    that time have been merged, and this is the nearest earlier state that is kept.
    """

    seq: int
    at: datetime | None
    is_rounded: bool


def moment_view(shown: Shown[Any]) -> MomentView:
    """A moment as REST shows it."""
    return MomentView(seq=shown.seq, at=shown.at, is_rounded=shown.is_rounded)


@dataclass(frozen=True, slots=True)
class Source:
    """Where in a request a moment is named; refusals point there.

    Attributes:
        field: the parameter's name, or the field's.
        is_body: it is a field of the body.
    """

    field: str
    is_body: bool = False

    def refusal(self, problem: str) -> ApiError:
        """An answer that says what is wrong with it."""
        if self.is_body:
            return invalid_field(self.field, problem)
        errors = [{"field": self.field, "message": problem}]
        return invalid_parameter(f"{self.field}: {problem}", errors)

    def check(self, moment: Moment | None, now: datetime) -> None:
        """Nobody knows the future.

        Raises:
            ApiError: 400.
        """
        if isinstance(moment, AtTime) and moment.at > now + CLOCKS_APART:
            raise self.refusal("is in the future")


@contextmanager
def looking_back(source: Source) -> Iterator[None]:
    """What the past refuses, as answers.

    Raises:
        ApiError: in place of the exceptions of `archive_ports` and `time_travel`.
    """
    try:
        yield
    except UnknownSnapshot:
        raise ApiError(SNAPSHOT_NOT_FOUND) from None
    except UnknownMoment as error:
        raise source.refusal(str(error)) from None
    except PastTooLarge as error:
        raise ApiError(PAST_TOO_LARGE, str(error)) from None
    except PastBusy as error:
        raise unavailable(PAST_BUSY, str(error)) from None
