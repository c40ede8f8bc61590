"""Which columns can tell of a person, and what becomes of them when the person is forgotten.

Every column that could hold an id or a text is listed: a test compares with the tables, so that a
new one has to be thought about.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Fate(StrEnum):
    """What becomes of a column of a person who is forgotten."""

    ALIAS = "alias"  # the person's id becomes that of nobody, drawn for each session
    ALIASES = "aliases"  # the same in an array
    REWRITTEN = "rewritten"  # the same in JSON of ours
    REMOVED = "removed"  # the row goes: it is about this person
    PART = "part"  # of a row that goes for another column
    CONTENT = "content"  # what people wrote: it is the session's, and goes with it
    PASSING = "passing"  # stays as long as it is needed against the person's tokens
    NOBODY = "nobody"  # tells of no person


_ROW = {
    "id": Fate.CONTENT,
    "position": Fate.CONTENT,
    "search_text": Fate.CONTENT,
    "created_by": Fate.CONTENT,
    "updated_by": Fate.ALIAS,
}
_HISTORY = {
    "object_id": Fate.CONTENT,
    "previous_state": Fate.CONTENT,
    "changed_by": Fate.ALIAS,
    "actor_kind": Fate.NOBODY,
    "contributors": Fate.ALIASES,
    "relayed_by": Fate.ALIAS,
    "change_type": Fate.NOBODY,
}

COLUMNS: Final[Mapping[str, Mapping[str, Fate]]] = {
    "audit_log": {
        # Pseudonyms, which mean nobody once the row of audit_subjects is gone.
        "id": Fate.NOBODY,
        "action": Fate.NOBODY,
        "actor": Fate.NOBODY,
        "actor_kind": Fate.NOBODY,
        "via": Fate.NOBODY,
        "session_id": Fate.NOBODY,
        "workspace_id": Fate.NOBODY,
        "target": Fate.NOBODY,
        "request_id": Fate.NOBODY,
        "identity_id": Fate.NOBODY,
        "network": Fate.NOBODY,
        "details": Fate.NOBODY,
    },
    "audit_subjects": {"user_id": Fate.REMOVED, "pseudonym": Fate.PART},
    "document_authors": {"user_id": Fate.ALIAS},
    "document_checkpoints": {"state": Fate.CONTENT},
    "document_snapshots": {
        "id": Fate.NOBODY,
        "label": Fate.CONTENT,
        "created_by": Fate.ALIAS,
    },
    "document_updates": {
        "update": Fate.CONTENT,
        "user_id": Fate.ALIAS,
        "actor_kind": Fate.NOBODY,
        "taken_back": Fate.CONTENT,
    },
    "document_views": {"view": Fate.CONTENT},
    "documents": {"name": Fate.NOBODY, "state": Fate.CONTENT, "outline": Fate.CONTENT},
    "kept_answers": {
        "caller_id": Fate.REMOVED,
        "request": Fate.PART,
        "fingerprint": Fate.PART,
        "headers": Fate.REMOVED,
        "body": Fate.REMOVED,
    },
    "ocw_annotation_history": {"session_id": Fate.NOBODY, **_HISTORY},
    "ocw_annotations": {
        "session_id": Fate.NOBODY,
        **_ROW,
        "object_id": Fate.CONTENT,
        "annotation_type": Fate.CONTENT,
        "content": Fate.CONTENT,
        "agent_id": Fate.CONTENT,
    },
    "ocw_object_history": {"session_id": Fate.NOBODY, **_HISTORY},
    "ocw_objects": {
        "session_id": Fate.NOBODY,
        **_ROW,
        "object_type": Fate.CONTENT,
        "size": Fate.CONTENT,
        "properties": Fate.CONTENT,
    },
    "ocw_participants": {
        "id": Fate.NOBODY,
        "session_id": Fate.NOBODY,
        "user_id": Fate.REMOVED,
        "agent_id": Fate.REMOVED,
        "role": Fate.PART,
        "cursor_position": Fate.PART,
        "viewport": Fate.PART,
    },
    "ocw_sessions": {
        "id": Fate.NOBODY,
        "workspace_id": Fate.NOBODY,
        "session_type": Fate.NOBODY,
        "host_user_id": Fate.ALIAS,
        "status": Fate.NOBODY,
        "config": Fate.REWRITTEN,
    },
    "refresh_tokens": {"digest": Fate.PART, "family_id": Fate.PART},  # with their family
    "revoked_tokens": {"kind": Fate.NOBODY, "key": Fate.PASSING},
    "schema_migrations": {"name": Fate.NOBODY},
    "token_families": {
        "id": Fate.PART,
        "user_id": Fate.REMOVED,
        "minted_by": Fate.ALIAS,
        "terms": Fate.PART,
    },
    "user_sessions": {
        "id": Fate.PART,
        "session_id": Fate.PART,
        "user_id": Fate.REMOVED,
        "actor_kind": Fate.PART,
        "device": Fate.PART,
    },
    "xr_avatars": {
        "id": Fate.PART,
        "user_id": Fate.REMOVED,
        "avatar_name": Fate.PART,
        "avatar_config": Fate.PART,
    },
    "xr_object_history": {"room_id": Fate.NOBODY, **_HISTORY},
    "xr_objects": {
        "room_id": Fate.NOBODY,
        **_ROW,
        "object_type": Fate.CONTENT,
        "rotation": Fate.CONTENT,
        "scale": Fate.CONTENT,
        "parent_id": Fate.CONTENT,
        "asset_url": Fate.CONTENT,
        "properties": Fate.CONTENT,
        "lifetime": Fate.CONTENT,
    },
    "xr_participants": {
        "id": Fate.PART,
        "session_id": Fate.PART,
        "connection_id": Fate.PART,
        "user_id": Fate.REMOVED,
        "avatar_id": Fate.PART,
        "avatar_config": Fate.PART,
        "device_type": Fate.PART,
        "position": Fate.PART,
        "rotation": Fate.PART,
    },
    "xr_room_members": {"room_id": Fate.PART, "user_id": Fate.REMOVED, "role": Fate.PART},
    "xr_rooms": {
        "id": Fate.NOBODY,
        "workspace_id": Fate.NOBODY,
        "name": Fate.CONTENT,
        "room_type": Fate.NOBODY,
        "room_template": Fate.NOBODY,
        "dimensions": Fate.CONTENT,
        "environment_config": Fate.CONTENT,
        "config": Fate.REWRITTEN,
        "dataspace_id": Fate.NOBODY,
        "meeting_id": Fate.NOBODY,
        "created_by": Fate.ALIAS,
    },
    "xr_sessions": {"id": Fate.NOBODY, "room_id": Fate.NOBODY, "status": Fate.NOBODY},
}


def fated(table: str, *fates: Fate) -> tuple[str, ...]:
    """The columns of a table with one of these fates."""
    return tuple(column for column, fate in COLUMNS[table].items() if fate in fates)
