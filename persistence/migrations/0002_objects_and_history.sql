-- OCW objects and annotations as rows, and their history. persistence/SCHEMA.md explains.
--
-- No table here refers to another: a row is written in the statement that stores the log entry
-- which caused it, and no content, nor a session that is not there, may keep that entry out.

CREATE TABLE ocw_objects (
    session_id  uuid             NOT NULL,
    id          text COLLATE "C" NOT NULL CHECK (octet_length(id) BETWEEN 1 AND 128),
    object_type text             NOT NULL,
    position    jsonb,
    size        jsonb,
    rotation    double precision,
    properties  jsonb            NOT NULL,
    layer       double precision,
    is_locked   boolean          NOT NULL,
    created_by  text,
    is_valid    boolean          NOT NULL,
    search_text text             NOT NULL,
    version     integer          NOT NULL CHECK (version > 0),
    created_at  timestamptz      NOT NULL DEFAULT now(),
    updated_by  uuid,
    updated_at  timestamptz      NOT NULL DEFAULT now(),
    deleted_at  timestamptz,
    search      tsvector GENERATED ALWAYS AS (
        CASE WHEN search_text <> ''
            THEN to_tsvector('french', search_text) || to_tsvector('english', search_text)
        END
    ) STORED,
    -- A session's objects, in pages by id; and one of them, to write it.
    PRIMARY KEY (session_id, id)
) WITH (
    -- What is dragged is written again and again: room in the page keeps that off the indexes.
    fillfactor = 70
);
-- Full text over what is there now.
CREATE INDEX ocw_objects_search ON ocw_objects USING gin (search)
    WHERE deleted_at IS NULL AND search IS NOT NULL;

CREATE TABLE ocw_annotations (
    session_id      uuid             NOT NULL,
    id              text COLLATE "C" NOT NULL CHECK (octet_length(id) BETWEEN 1 AND 128),
    object_id       text COLLATE "C",
    annotation_type text             NOT NULL,
    content         text             NOT NULL,
    position        jsonb,
    resolved        boolean          NOT NULL,
    created_by      text,
    is_valid        boolean          NOT NULL,
    search_text     text             NOT NULL,
    version         integer          NOT NULL CHECK (version > 0),
    agent_id        uuid,
    created_at      timestamptz      NOT NULL DEFAULT now(),
    updated_by      uuid,
    updated_at      timestamptz      NOT NULL DEFAULT now(),
    deleted_at      timestamptz,
    search          tsvector GENERATED ALWAYS AS (
        CASE WHEN search_text <> ''
            THEN to_tsvector('french', search_text) || to_tsvector('english', search_text)
        END
    ) STORED,
    -- A session's annotations, in pages by id; and one of them, to write it.
    PRIMARY KEY (session_id, id)
) WITH (fillfactor = 70);
-- Full text over what is there now.
CREATE INDEX ocw_annotations_search ON ocw_annotations USING gin (search)
    WHERE deleted_at IS NULL AND search IS NOT NULL;

CREATE TABLE ocw_object_history (
    id             bigint           GENERATED ALWAYS AS IDENTITY,
    session_id     uuid             NOT NULL,
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
    PRIMARY KEY (session_id, object_id, version)
) WITH (
    -- The newest row of what is being changed gets contributors and a later end.
    fillfactor = 80
);
-- One page of a session's history, newest first; also between two moments.
CREATE INDEX ocw_object_history_by_time
    ON ocw_object_history (session_id, changed_at DESC, id DESC);
-- One page of the gestures that a person began, newest first.
CREATE INDEX ocw_object_history_by_user
    ON ocw_object_history (session_id, changed_by, changed_at DESC, id DESC);
-- The gestures of several, among which are those that a person joined.
CREATE INDEX ocw_object_history_shared
    ON ocw_object_history (session_id, changed_at DESC, id DESC)
    WHERE cardinality(contributors) > 1 OR changed_by IS NULL;

CREATE TABLE ocw_annotation_history (
    id             bigint           GENERATED ALWAYS AS IDENTITY,
    session_id     uuid             NOT NULL,
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
    -- A version exists once; the versions of an annotation in order, and the newest, to extend it.
    PRIMARY KEY (session_id, object_id, version)
) WITH (fillfactor = 80);
-- One page of a session's history, newest first; also between two moments.
CREATE INDEX ocw_annotation_history_by_time
    ON ocw_annotation_history (session_id, changed_at DESC, id DESC);
-- One page of the gestures that a person began, newest first.
CREATE INDEX ocw_annotation_history_by_user
    ON ocw_annotation_history (session_id, changed_by, changed_at DESC, id DESC);
-- The gestures of several, among which are those that a person joined.
CREATE INDEX ocw_annotation_history_shared
    ON ocw_annotation_history (session_id, changed_at DESC, id DESC)
    WHERE cardinality(contributors) > 1 OR changed_by IS NULL;
