"""Why an edit by the server is refused, as one tree (EDT-1).

EditRefused          nothing was changed; `str()` says what was wrong and what to do
├── ObjectExists     something else has this id
├── ObjectMissing    there is nothing with this id
├── InvalidId        nothing is projected under such an id
└── InvalidValue     what is to be written is over a limit, or clients could not read it
"""

from __future__ import annotations


class EditRefused(Exception):  # noqa: N818 - an outcome, as in crdt_docs.errors
    """An edit that cannot be carried out; the document is as it was."""


class ObjectExists(EditRefused):
    """The id of what is to be created is taken."""


class ObjectMissing(EditRefused):
    """What is to be changed or deleted is not there."""


class InvalidId(EditRefused):
    """An id that has no row (PRJ-2)."""


class InvalidValue(EditRefused):
    """A value that is not written.

    Attributes:
        field: where it is, as `properties.points[3]`; empty for the whole.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.field = field
        self.message = message
