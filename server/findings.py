"""What comparing rows with documents finds."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum

from crdt_docs.identifiers import DocumentName
from server.kept_history import Key


class Fault(StrEnum):
    """What is wrong, or only noted."""

    LOG_DAMAGED = "log_damaged"
    UNREADABLE = "unreadable"
    AUTHOR_MISSING = "author_missing"
    ROW_MISSING = "row_missing"
    ROW_UNFOUNDED = "row_unfounded"
    ROW_DIFFERS = "row_differs"
    HISTORY_BROKEN = "history_broken"
    HISTORY_DIFFERS = "history_differs"
    CONTENT_REFUSED = "content_refused"
    NOT_OPENED = "not_opened"


NOTES = frozenset((Fault.CONTENT_REFUSED, Fault.NOT_OPENED))
"""What is as it should be, but has to be told."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong, or to be noted.

    Attributes:
        where: an object, where it is one.
        detail: what exactly, without what people wrote.
    """

    document: DocumentName
    fault: Fault
    detail: str
    where: Key | None = None

    @property
    def is_note(self) -> bool:
        """Nothing is wrong."""
        return self.fault in NOTES

    def __str__(self) -> str:
        where = "" if self.where is None else f" {self.where[0].root}/{_plain(self.where[1])}"
        return f"{self.document}{where}: {self.detail}"

    def as_dict(self) -> dict[str, str | bool]:
        """For a machine."""
        found: dict[str, str | bool] = {
            "document": self.document,
            "fault": self.fault,
            "detail": self.detail,
            "is_note": self.is_note,
        }
        if self.where is not None:
            found.update(root=self.where[0].root, id=self.where[1])
        return found


def not_opened(document: DocumentName) -> Finding:
    """Of a document that is left alone (ROM-15)."""
    return Finding(document, Fault.NOT_OPENED, "not opened: that has stopped a worker")


@dataclass(slots=True)
class Counts:
    """What was looked at, and found."""

    documents: int = 0
    objects: int = 0
    versions: int = 0
    findings: int = 0
    notes: int = 0

    def __str__(self) -> str:
        found = f"{self.findings} findings" if self.findings else "nothing differs"
        noted = f", {self.notes} notes" if self.notes else ""
        looked = f"{self.documents} documents, {self.objects} objects, {self.versions} versions"
        return f"{looked}: {found}{noted}"

    def note(self, finding: Finding) -> None:
        """Something was found."""
        if finding.is_note:
            self.notes += 1
        else:
            self.findings += 1

    def as_dict(self) -> dict[str, int]:
        """By name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def _plain(identifier: str) -> str:
    """An id as a line of a terminal takes it: clients chose it."""
    return identifier if identifier.isprintable() else ascii(identifier)[1:-1]
