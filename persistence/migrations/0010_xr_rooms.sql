-- XR rooms, who may open them, their sessions, who is in them, and avatars. persistence/SCHEMA.md
-- explains.

CREATE TABLE xr_rooms (
    id                 uuid        PRIMARY KEY,
    workspace_id       uuid        NOT NULL,
    name               text        NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
    room_type          text        NOT NULL
        CHECK (room_type IN ('meeting', 'presentation', 'brainstorm', 'walkthrough', 'showroom')),
    room_template      text        NOT NULL
        CHECK (room_template IN ('conference', 'amphitheater', 'open_space', 'custom')),
    dimensions         jsonb       NOT NULL DEFAULT '{}'
        CHECK (jsonb_typeof(dimensions) = 'object'),
    environment_config jsonb       NOT NULL DEFAULT '{}'
        CHECK (jsonb_typeof(environment_config) = 'object'),
    config             jsonb       NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(config) = 'object'),
    dataspace_id       uuid,
    meeting_id         uuid,
    is_persistent      boolean     NOT NULL,
    is_public          boolean     NOT NULL,
    max_participants   integer     NOT NULL CHECK (max_participants > 0),
    created_by         uuid        NOT NULL,
    created_at         timestamptz NOT NULL DEFAULT now(),
    deleted_at         timestamptz
);

-- One page of a workspace's rooms, newest first.
CREATE INDEX xr_rooms_by_workspace ON xr_rooms (workspace_id, created_at DESC, id DESC)
    WHERE deleted_at IS NULL;
-- One page of a dataspace's rooms, newest first.
CREATE INDEX xr_rooms_by_dataspace ON xr_rooms (dataspace_id, created_at DESC, id DESC)
    WHERE deleted_at IS NULL AND dataspace_id IS NOT NULL;
-- One page of all rooms, newest first: a service that no workspace bounds.
CREATE INDEX xr_rooms_newest ON xr_rooms (created_at DESC, id DESC) WHERE deleted_at IS NULL;
-- One page of the rooms that everybody may read, newest first.
CREATE INDEX xr_rooms_public ON xr_rooms (created_at DESC, id DESC)
    WHERE deleted_at IS NULL AND is_public;
-- The rooms a person made, for the list of what they may read.
CREATE INDEX xr_rooms_by_creator ON xr_rooms (created_by) WHERE deleted_at IS NULL;
-- The deleted ones whose grace time is over.
CREATE INDEX xr_rooms_deleted ON xr_rooms (deleted_at) WHERE deleted_at IS NOT NULL;

CREATE TABLE xr_room_members (
    room_id    uuid        NOT NULL REFERENCES xr_rooms (id) ON DELETE CASCADE,
    user_id    uuid        NOT NULL,
    role       text        NOT NULL CHECK (role IN ('host', 'editor', 'viewer', 'spectator')),
    added_at   timestamptz NOT NULL DEFAULT now(),
    removed_at timestamptz,
    -- One row a person and room: it decides access.
    PRIMARY KEY (room_id, user_id)
);
-- One page of a room's members, in the order in which they were added.
CREATE INDEX xr_room_members_by_adding ON xr_room_members (room_id, added_at, user_id)
    WHERE removed_at IS NULL;
-- The rooms a person is a member of, for the list of what they may read.
CREATE INDEX xr_room_members_by_user ON xr_room_members (user_id, room_id);

CREATE TABLE xr_sessions (
    id         uuid        PRIMARY KEY,
    room_id    uuid        NOT NULL REFERENCES xr_rooms (id) ON DELETE CASCADE,
    status     text        NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'ended')),
    started_at timestamptz NOT NULL DEFAULT now(),
    ended_at   timestamptz,
    CHECK ((status = 'ended') = (ended_at IS NOT NULL))
);
-- A room has one that has not ended, and everybody who starts one finds it.
CREATE UNIQUE INDEX xr_sessions_active ON xr_sessions (room_id) WHERE ended_at IS NULL;
-- One page of a room's sessions, newest first; those that go with a room.
CREATE INDEX xr_sessions_by_room ON xr_sessions (room_id, started_at DESC, id DESC);

CREATE TABLE xr_participants (
    id            uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    session_id    uuid        NOT NULL REFERENCES xr_sessions (id) ON DELETE CASCADE,
    connection_id uuid        NOT NULL,
    user_id       uuid        NOT NULL,
    -- No foreign key: it tells what was worn, and the avatar may be gone since.
    avatar_id     uuid,
    avatar_config jsonb       CHECK (jsonb_typeof(avatar_config) = 'object'),
    device_type   text        NOT NULL
        CHECK (device_type IN ('vr_headset', 'ar_glasses', 'desktop', 'mobile')),
    position      jsonb       CHECK (jsonb_typeof(position) = 'object'),
    rotation      jsonb       CHECK (jsonb_typeof(rotation) = 'object'),
    joined_at     timestamptz NOT NULL DEFAULT now(),
    last_seen_at  timestamptz NOT NULL,
    left_at       timestamptz
) WITH (
    -- Where somebody is, is written every few seconds: room in the page keeps that off the indexes.
    fillfactor = 70
);
-- One row a connection, which is how a person can be there twice; found to write it.
CREATE UNIQUE INDEX xr_participants_connection ON xr_participants (session_id, connection_id);
-- One page of all that took part in a session, in the order in which they joined.
CREATE INDEX xr_participants_by_joining ON xr_participants (session_id, joined_at, id);
-- The same of those who are there; whom the end of a session, or a crash, left.
CREATE INDEX xr_participants_there ON xr_participants (session_id, joined_at, id)
    WHERE left_at IS NULL;
-- Those that are kept no longer.
CREATE INDEX xr_participants_gone ON xr_participants (left_at) WHERE left_at IS NOT NULL;
-- All of a person: to be told of them, and to be forgotten.
CREATE INDEX xr_participants_by_user ON xr_participants (user_id);

CREATE TABLE xr_avatars (
    id            uuid        PRIMARY KEY,
    user_id       uuid        NOT NULL,
    avatar_name   text        NOT NULL CHECK (char_length(avatar_name) BETWEEN 1 AND 200),
    avatar_config jsonb       NOT NULL CHECK (jsonb_typeof(avatar_config) = 'object'),
    is_default    boolean     NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now()
);
-- Whoever has a default has one; found when they join.
CREATE UNIQUE INDEX xr_avatars_default ON xr_avatars (user_id) WHERE is_default;
-- One page of a person's avatars, newest first.
CREATE INDEX xr_avatars_by_user ON xr_avatars (user_id, created_at DESC, id DESC);
