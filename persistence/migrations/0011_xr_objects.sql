-- Objects of XR rooms as rows, and their history, like those of sessions (0002).
-- persistence/SCHEMA.md explains.

CREATE TABLE xr_objects (
    room_id        uuid             NOT NULL,
    id             text COLLATE "C" NOT NULL CHECK (octet_length(id) BETWEEN 1 AND 128),
    object_type    text             NOT NULL,
    position       jsonb,
    rotation       jsonb,
    scale          jsonb,
    parent_id      text COLLATE "C",
    asset_url      text,
    properties     jsonb            NOT NULL,
    is_interactive boolean          NOT NULL,
    is_locked      boolean          NOT NULL,
    lifetime       text             NOT NULL CHECK (lifetime IN ('room', 'session', 'owner')),
    created_by     text,
    is_valid       boolean          NOT NULL,
    search_text    text             NOT NULL,
    version        integer          NOT NULL CHECK (version > 0),
    created_at     timestamptz      NOT NULL DEFAULT now(),
    updated_by     uuid,
    updated_at     timestamptz      NOT NULL DEFAULT now(),
    deleted_at     timestamptz,
    -- A room's objects, in pages by id; and one of them, to write it.
    PRIMARY KEY (room_id, id)
) WITH (
    -- What is moved is written again and again: room in the page keeps that off the index.
    fillfactor = 70
);

CREATE TABLE xr_object_history (
    id             bigint           GENERATED ALWAYS AS IDENTITY,
    room_id        uuid             NOT NULL,
    object_id      text COLLATE "C" NOT NULL,
    version        integer          NOT NULL CHECK (version > 0),
    previous_state jsonb            NOT NULL,
    changed_by     uuid,
    actor_kind     text             NOT NULL CHECK (actor_kind IN ('user', 'agent', 'service')),
    contributors   uuid[]           NOT NULL,
    relayed_by     uuid,
    changed_at     timestamptz      NOT NULL DEFAULT now(),
    changed_until  timestamptz      NOT NULL DEFAULT now(),
    change_type    text             NOT NULL
        CHECK (change_type IN ('create', 'update', 'delete', 'restore')),
    update_seq     bigint           NOT NULL CHECK (update_seq > 0),
    -- A version exists once; the versions of an object in order, and the newest, to extend it.
    PRIMARY KEY (room_id, object_id, version)
) WITH (
    -- The newest row of what is being changed gets contributors and a later end.
    fillfactor = 80
);
-- One page of a room's history, newest first; also between two moments.
CREATE INDEX xr_object_history_by_time ON xr_object_history (room_id, changed_at DESC, id DESC);
-- One page of the gestures that a person began, newest first.
CREATE INDEX xr_object_history_by_user
    ON xr_object_history (room_id, changed_by, changed_at DESC, id DESC);
-- The gestures of several, among which are those that a person joined.
CREATE INDEX xr_object_history_shared ON xr_object_history (room_id, changed_at DESC, id DESC)
    WHERE cardinality(contributors) > 1 OR changed_by IS NULL;
