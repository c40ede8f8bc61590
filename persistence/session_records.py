"""Everything that is stored of a session or room, as records: what is exported and imported.

One list says which tables and columns there are. A test compares it with the database, so that a
migration that adds a column cannot be forgotten here.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple
from uuid import UUID

from crdt_docs.errors import Malformed
from crdt_docs.identifiers import DocumentKind, parse_uuid


class RecordKind(StrEnum):
    """What a record is; in a file they follow one another in this order."""

    SESSION = "session"
    PARTICIPANT = "participant"
    ROOM = "room"
    MEMBER = "member"
    DOCUMENT = "document"
    AUTHOR = "author"
    CHECKPOINT = "checkpoint"
    NAMED_SNAPSHOT = "named_snapshot"
    UPDATE = "update"
    OBJECT = "object"
    OBJECT_VERSION = "object_version"
    ANNOTATION = "annotation"
    ANNOTATION_VERSION = "annotation_version"
    ROOM_OBJECT = "room_object"
    ROOM_OBJECT_VERSION = "room_object_version"


class ColumnType(NamedTuple):
    """How a value is spelt in JSON. Neither is ever asked about null."""

    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]


def _same(value: Any) -> Any:
    return value


def _expected(kind: type | tuple[type, ...], what: str) -> Callable[[Any], Any]:
    def decode(value: Any) -> Any:
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise Malformed(f"must be {what}")
        return value

    return decode


def _text(value: Any) -> str:
    if not isinstance(value, str) or "\x00" in value:
        raise Malformed("must be a text without U+0000")
    return value


def _uuid(value: Any) -> UUID:
    return parse_uuid(_text(value))


def _uuids(value: Any) -> list[UUID]:
    if not isinstance(value, list):
        raise Malformed("must be a list of ids")
    return [_uuid(each) for each in value]


def _time(value: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(_text(value))
    except ValueError:
        raise Malformed("must be a time such as 2026-01-31T12:00:00+00:00") from None
    if moment.tzinfo is None:
        raise Malformed("must be a time with its offset from UTC")
    return moment


def _integer(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not -(2**63) <= value < 2**63:
        raise Malformed("must be an integer of at most 64 bits")
    return value


def _bytes(value: Any) -> bytes:
    try:
        return base64.b64decode(_text(value).encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise Malformed("must be bytes in base64") from None


TEXT: Final = ColumnType(_same, _text)
ID: Final = ColumnType(str, _uuid)
IDS: Final = ColumnType(lambda ids: [str(each) for each in ids], _uuids)
TIME: Final = ColumnType(datetime.isoformat, _time)
INTEGER: Final = ColumnType(_same, _integer)
NUMBER: Final = ColumnType(_same, _expected((int, float), "a number"))
FLAG: Final = ColumnType(_same, _expected(bool, "true or false"))
JSON: Final = ColumnType(_same, _same)
JSON_OBJECT: Final = ColumnType(_same, _expected(dict, "a JSON object"))
BYTES: Final = ColumnType(lambda data: base64.b64encode(data).decode("ascii"), _bytes)


class Records(NamedTuple):
    """The records of one kind, and the table they come from.

    Attributes:
        owner: the column that says whose rows they are; not in the records.
        of_document: the owner is a document, else a session or a room.
        order: SQL; histories get new numbers in this order.
        made: columns that are made again: numbers, and what follows from other columns.
        ids: columns that are unique in the whole database, not within a session or room.
    """

    table: str
    owner: str
    columns: Mapping[str, ColumnType]
    order: str
    of_document: bool = False
    made: frozenset[str] = frozenset()
    ids: frozenset[str] = frozenset()


_VERSION: Final[Mapping[str, ColumnType]] = {
    "object_id": TEXT,
    "version": INTEGER,
    "previous_state": JSON_OBJECT,
    "changed_by": ID,
    "actor_kind": TEXT,
    "contributors": IDS,
    "relayed_by": ID,
    "changed_at": TIME,
    "changed_until": TIME,
    "change_type": TEXT,
    "update_seq": INTEGER,
}

_ROW: Final[Mapping[str, ColumnType]] = {
    "created_by": TEXT,
    "is_valid": FLAG,
    "search_text": TEXT,
    "version": INTEGER,
    "created_at": TIME,
    "updated_by": ID,
    "updated_at": TIME,
    "deleted_at": TIME,
}

RECORDS: Final[Mapping[RecordKind, Records]] = {
    RecordKind.SESSION: Records(
        "ocw_sessions",
        "id",
        {
            "workspace_id": ID,
            "session_type": TEXT,
            "host_user_id": ID,
            "status": TEXT,
            "config": JSON_OBJECT,
            "max_participants": INTEGER,
            "is_recording": FLAG,
            "started_at": TIME,
            "ended_at": TIME,
        },
        "id",
        made=frozenset({"deleted_at"}),  # a deleted one is not exported
    ),
    RecordKind.PARTICIPANT: Records(
        "ocw_participants",
        "session_id",
        {
            "id": ID,
            "user_id": ID,
            "agent_id": ID,
            "role": TEXT,
            "cursor_position": JSON,
            "viewport": JSON,
            "joined_at": TIME,
            "last_active_at": TIME,
            "left_at": TIME,
            "removed_at": TIME,
        },
        "joined_at, id",
        ids=frozenset({"id"}),
    ),
    RecordKind.ROOM: Records(
        "xr_rooms",
        "id",
        {
            "workspace_id": ID,
            "name": TEXT,
            "room_type": TEXT,
            "room_template": TEXT,
            "dimensions": JSON_OBJECT,
            "environment_config": JSON_OBJECT,
            "config": JSON_OBJECT,
            "dataspace_id": ID,
            "meeting_id": ID,
            "is_persistent": FLAG,
            "is_public": FLAG,
            "max_participants": INTEGER,
            "created_by": ID,
            "created_at": TIME,
        },
        "id",
        made=frozenset({"deleted_at"}),  # a deleted one is not exported
    ),
    RecordKind.MEMBER: Records(
        "xr_room_members",
        "room_id",
        {"user_id": ID, "role": TEXT, "added_at": TIME, "removed_at": TIME},
        "added_at, user_id",
    ),
    RecordKind.DOCUMENT: Records(
        "documents",
        "id",
        {
            "last_seq": INTEGER,
            "created_at": TIME,
            "updated_at": TIME,
            "has_lost_changes": FLAG,
        },
        "id",
        of_document=True,
        made=frozenset({"name", "snapshot_seq", "state", "outline"}),
    ),
    RecordKind.AUTHOR: Records(
        "document_authors",
        "document_id",
        {"client_id": INTEGER, "user_id": ID, "seq": INTEGER},
        "client_id",
        of_document=True,
    ),
    RecordKind.CHECKPOINT: Records(
        "document_checkpoints",
        "document_id",
        {"seq": INTEGER, "committed_at": TIME, "state": BYTES},
        "seq",
        of_document=True,
    ),
    RecordKind.NAMED_SNAPSHOT: Records(
        "document_snapshots",
        "document_id",
        {
            "id": ID,
            "seq": INTEGER,
            "label": TEXT,
            "created_by": ID,
            "created_at": TIME,
            "committed_at": TIME,
        },
        "created_at, id",
        of_document=True,
        ids=frozenset({"id"}),
    ),
    RecordKind.UPDATE: Records(
        "document_updates",
        "document_id",
        {
            "seq": INTEGER,
            "update": BYTES,
            "user_id": ID,
            "actor_kind": TEXT,
            "taken_back": TEXT,
            "committed_at": TIME,
        },
        "seq",
        of_document=True,
    ),
    RecordKind.OBJECT: Records(
        "ocw_objects",
        "session_id",
        {
            "id": TEXT,
            "object_type": TEXT,
            "position": JSON,
            "size": JSON,
            "rotation": NUMBER,
            "properties": JSON_OBJECT,
            "layer": NUMBER,
            "is_locked": FLAG,
            **_ROW,
        },
        "id",
        made=frozenset({"search"}),
    ),
    RecordKind.OBJECT_VERSION: Records(
        "ocw_object_history", "session_id", _VERSION, "id", made=frozenset({"id"})
    ),
    RecordKind.ANNOTATION: Records(
        "ocw_annotations",
        "session_id",
        {
            "id": TEXT,
            "object_id": TEXT,
            "annotation_type": TEXT,
            "content": TEXT,
            "position": JSON,
            "resolved": FLAG,
            "agent_id": ID,
            **_ROW,
        },
        "id",
        made=frozenset({"search"}),
    ),
    RecordKind.ANNOTATION_VERSION: Records(
        "ocw_annotation_history", "session_id", _VERSION, "id", made=frozenset({"id"})
    ),
    RecordKind.ROOM_OBJECT: Records(
        "xr_objects",
        "room_id",
        {
            "id": TEXT,
            "object_type": TEXT,
            "position": JSON,
            "rotation": JSON,
            "scale": JSON,
            "parent_id": TEXT,
            "asset_url": TEXT,
            "properties": JSON_OBJECT,
            "is_interactive": FLAG,
            "is_locked": FLAG,
            "lifetime": TEXT,
            **_ROW,
        },
        "id",
    ),
    RecordKind.ROOM_OBJECT_VERSION: Records(
        "xr_object_history", "room_id", _VERSION, "id", made=frozenset({"id"})
    ),
}
"""By kind, in the order in which they stand in a file: what is referred to comes first."""

_OF_DOCUMENTS: Final = tuple(kind for kind in RecordKind if RECORDS[kind].of_document)

KINDS_OF: Final[Mapping[DocumentKind, tuple[RecordKind, ...]]] = {
    DocumentKind.OCW: (
        RecordKind.SESSION,
        RecordKind.PARTICIPANT,
        *_OF_DOCUMENTS,
        RecordKind.OBJECT,
        RecordKind.OBJECT_VERSION,
        RecordKind.ANNOTATION,
        RecordKind.ANNOTATION_VERSION,
    ),
    DocumentKind.XR: (
        RecordKind.ROOM,
        RecordKind.MEMBER,
        *_OF_DOCUMENTS,
        RecordKind.ROOM_OBJECT,
        RecordKind.ROOM_OBJECT_VERSION,
    ),
}
"""What belongs to a session, and to a room, in that order; the first is it itself."""

LEFT_OUT: Final = frozenset(
    {"document_views", "audit_log", "user_sessions", "xr_participants", "xr_sessions"}
)
"""Tables of what is made again when somebody asks for it, and of what this server has seen of
people: that stays where it was seen."""


def encode_record(kind: RecordKind, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as JSON values; what is null is left out."""
    return {
        name: column.encode(row[name])
        for name, column in RECORDS[kind].columns.items()
        if row[name] is not None
    }


def decode_record(kind: RecordKind, values: Mapping[str, Any]) -> dict[str, Any]:
    """The row that a record describes, every column of it.

    Raises:
        Malformed: it has others, or one is not what it should be.
    """
    columns = RECORDS[kind].columns
    unknown = sorted(values.keys() - columns.keys())
    if unknown:
        raise Malformed(f"{kind}: there is no {unknown[0][:40]!r}")
    row = {}
    for name, column in columns.items():
        value = values.get(name)
        try:
            row[name] = None if value is None else column.decode(value)
        except Malformed as error:
            raise Malformed(f"{kind}: {name} {error}") from None
    return row
