-- OCW sessions, who takes part in them, and the CRDT documents. persistence/SCHEMA.md explains.

CREATE TABLE ocw_sessions (
    id               uuid        PRIMARY KEY,
    workspace_id     uuid        NOT NULL,
    session_type     text        NOT NULL
        CHECK (session_type IN ('shareview', 'whiteboard', 'cockpit', 'collaboration')),
    host_user_id     uuid        NOT NULL,
    status           text        NOT NULL DEFAULT 'active'
        CHECK (status IN ('active', 'paused', 'ended')),
    config           jsonb       NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(config) = 'object'),
    max_participants integer     NOT NULL CHECK (max_participants > 0),
    is_recording     boolean     NOT NULL DEFAULT false,
    started_at       timestamptz NOT NULL DEFAULT now(),
    ended_at         timestamptz,
    deleted_at       timestamptz,
    CHECK ((status = 'ended') = (ended_at IS NOT NULL))
);

-- One page of a workspace's sessions, newest first.
CREATE INDEX ocw_sessions_by_workspace ON ocw_sessions (workspace_id, started_at DESC, id DESC)
    WHERE deleted_at IS NULL;
-- One page of all sessions, newest first: a service that no workspace bounds.
CREATE INDEX ocw_sessions_newest ON ocw_sessions (started_at DESC, id DESC)
    WHERE deleted_at IS NULL;
-- The sessions a person hosts, for the list of what they may read.
CREATE INDEX ocw_sessions_by_host ON ocw_sessions (host_user_id)
    WHERE deleted_at IS NULL;

-- The deleted ones whose grace time is over.
CREATE INDEX ocw_sessions_deleted ON ocw_sessions (deleted_at) WHERE deleted_at IS NOT NULL;

CREATE TABLE ocw_participants (
    id              uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    session_id      uuid        NOT NULL REFERENCES ocw_sessions (id) ON DELETE CASCADE,
    user_id         uuid,
    agent_id        uuid,
    role            text        NOT NULL
        CHECK (role IN ('host', 'editor', 'viewer', 'spectator')),
    cursor_position jsonb,
    viewport        jsonb,
    joined_at       timestamptz NOT NULL DEFAULT now(),
    last_active_at  timestamptz,
    left_at         timestamptz,
    removed_at      timestamptz,
    CHECK (num_nonnulls(user_id, agent_id) = 1)
);

-- One row a person and session: it decides access. Also finds the people of a session.
CREATE UNIQUE INDEX ocw_participants_user ON ocw_participants (session_id, user_id)
    WHERE user_id IS NOT NULL;
-- One row an agent and session.
CREATE UNIQUE INDEX ocw_participants_agent ON ocw_participants (session_id, agent_id)
    WHERE agent_id IS NOT NULL;
-- The sessions a person takes part in, for the list of what they may read.
CREATE INDEX ocw_participants_by_user ON ocw_participants (user_id, session_id)
    WHERE user_id IS NOT NULL;

CREATE TABLE documents (
    id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name         text        NOT NULL UNIQUE,  -- every access starts from the name
    last_seq     bigint      NOT NULL CHECK (last_seq >= 0),
    snapshot_seq bigint      NOT NULL DEFAULT 0 CHECK (snapshot_seq BETWEEN 0 AND last_seq),
    state        bytea,
    outline      bytea,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    CHECK ((snapshot_seq > 0) = (state IS NOT NULL)),
    CHECK ((state IS NULL) = (outline IS NULL))
) WITH (
    -- Every commit changes last_seq of the rows it touches. Room in the page lets such a change
    -- stay beside the old version without touching an index (HOT), and moving the snapshot out
    -- of the row, even a small one, keeps what is rewritten short.
    fillfactor = 70,
    toast_tuple_target = 128
);

CREATE TABLE document_updates (
    -- No foreign key: the statement that inserts here makes the documents row itself, and checking
    -- every row again costs a third of a commit (measured: 500 rows 6.5 ms with it, 4.9 without).
    document_id  bigint      NOT NULL,
    seq          bigint      NOT NULL CHECK (seq > 0),
    update       bytea       NOT NULL,
    user_id      uuid,
    actor_kind   text        NOT NULL CHECK (actor_kind IN ('user', 'agent', 'service')),
    committed_at timestamptz NOT NULL DEFAULT now(),
    -- The log of a document in order: opening reads its tail, time travel a range.
    PRIMARY KEY (document_id, seq)
);
-- Written once, read seldom, and a commit waits for it: large updates are stored uncompressed.
ALTER TABLE document_updates ALTER COLUMN update SET STORAGE EXTERNAL;

CREATE TABLE document_authors (
    document_id bigint NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    client_id   bigint NOT NULL CHECK (client_id >= 0),
    user_id     uuid,
    seq         bigint NOT NULL CHECK (seq > 0),
    -- All authors of a document, read when it is opened; a client id has one author.
    PRIMARY KEY (document_id, client_id)
);

CREATE TABLE document_snapshots (
    id          uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    document_id bigint      NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    seq         bigint      NOT NULL CHECK (seq > 0),
    label       text        NOT NULL CHECK (label <> ''),
    state       bytea       NOT NULL,
    outline     bytea       NOT NULL,
    created_by  uuid,
    created_at  timestamptz NOT NULL DEFAULT now()
);
-- A document's versions in a list, and the nearest one before a moment.
CREATE INDEX document_snapshots_by_document ON document_snapshots (document_id, seq);
