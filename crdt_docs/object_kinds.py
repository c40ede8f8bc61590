"""What of documents has tables, and where it stands in them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, Self

from crdt_docs.identifiers import DocumentKind, DocumentName, kind_of


class ObjectRoot(StrEnum):
    """The root map in which something lives."""

    OBJECTS = "objects"
    ANNOTATIONS = "annotations"


class ObjectKind(StrEnum):
    """What has a table and a history of its own.

    Attributes:
        document: what kind of document it lives in.
        root: in which root map of it.
    """

    document: DocumentKind
    root: ObjectRoot

    def __new__(cls, value: str, document: DocumentKind, root: ObjectRoot) -> Self:
        """One of the kinds below."""
        kind = str.__new__(cls, value)
        kind._value_ = value
        kind.document = document
        kind.root = root
        return kind

    OCW_OBJECT = "ocw_object", DocumentKind.OCW, ObjectRoot.OBJECTS
    OCW_ANNOTATION = "ocw_annotation", DocumentKind.OCW, ObjectRoot.ANNOTATIONS
    XR_OBJECT = "xr_object", DocumentKind.XR, ObjectRoot.OBJECTS


KINDS: Final[Mapping[DocumentKind, tuple[ObjectKind, ...]]] = {
    document: tuple(kind for kind in ObjectKind if kind.document is document)
    for document in DocumentKind
}
"""What has tables, by the kind of document; nothing of some."""


def kinds_in(document: DocumentName) -> tuple[ObjectKind, ...]:
    """What of a document has tables."""
    return KINDS[kind_of(document)]
