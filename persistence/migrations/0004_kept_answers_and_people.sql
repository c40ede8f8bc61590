-- First answers to requests that may come again, and pages of people. persistence/SCHEMA.md explains.

CREATE TABLE kept_answers (
    caller_id      uuid        NOT NULL,
    request        bytea       NOT NULL,  -- SHA-256 of what names it: method, path, key
    fingerprint    bytea       NOT NULL,  -- SHA-256 of what it says: who acts, query, body
    reserved_at    timestamptz NOT NULL,
    reserved_until timestamptz NOT NULL,
    status         smallint,
    headers        jsonb,
    body           bytea,
    -- A request is answered once; looked up and reserved by every one that has a key.
    PRIMARY KEY (caller_id, request),
    CHECK ((status IS NULL) = (headers IS NULL)),
    CHECK (status IS NOT NULL OR body IS NULL)
);

-- Those that are kept no longer.
CREATE INDEX kept_answers_by_time ON kept_answers (reserved_at);

-- One page of a session's people, in the order in which they joined.
CREATE INDEX ocw_participants_by_joining ON ocw_participants (session_id, joined_at, user_id)
    WHERE user_id IS NOT NULL AND removed_at IS NULL;
