-- Who did what, and who was connected. persistence/SCHEMA.md explains.

-- Who is meant by a pseudonym. Without its row, nobody.
CREATE TABLE audit_subjects (
    user_id    uuid        PRIMARY KEY,  -- looked up whenever somebody is named
    pseudonym  uuid        NOT NULL UNIQUE DEFAULT gen_random_uuid(),  -- whom does it mean?
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE audit_log (
    id           uuid        NOT NULL,
    at           timestamptz NOT NULL,
    action       text        NOT NULL CHECK (octet_length(action) BETWEEN 1 AND 64),
    actor        uuid,
    actor_kind   text        CHECK (actor_kind IN ('user', 'agent', 'service')),
    via          uuid,
    session_id   uuid,
    workspace_id uuid,
    target       text,
    request_id   text,
    identity_id  uuid,
    network      text,
    details      jsonb       NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(details) = 'object'),
    -- One page of everything, newest first; an entry that is sent again is known.
    PRIMARY KEY (at, id)
) PARTITION BY RANGE (at);
-- One page of a session's trail, newest first.
CREATE INDEX audit_log_by_session ON audit_log (session_id, at DESC, id DESC)
    WHERE session_id IS NOT NULL;
-- One page of a workspace's trail, newest first.
CREATE INDEX audit_log_by_workspace ON audit_log (workspace_id, at DESC, id DESC)
    WHERE workspace_id IS NOT NULL;
-- One page of what a person did, newest first.
CREATE INDEX audit_log_by_actor ON audit_log (actor, at DESC, id DESC) WHERE actor IS NOT NULL;
-- One page of one kind of deed, newest first.
CREATE INDEX audit_log_by_action ON audit_log (action, at DESC, id DESC);

CREATE FUNCTION audit_log_is_final() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail is never changed: it goes by retention, a month at a time'
        USING ERRCODE = 'insufficient_privilege';
END $$;

-- Partitions inherit this one, those made later too.
CREATE TRIGGER audit_log_rows_are_final BEFORE UPDATE OR DELETE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION audit_log_is_final();
-- This one they do not.
CREATE TRIGGER audit_log_is_final BEFORE TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION audit_log_is_final();

-- Add a partition; whether it was made. It is not where it is there, nor where the default
-- partition has rows of that month, which stay in it.
CREATE FUNCTION audit_log_add_partition(name text, bounds text) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    IF to_regclass(quote_ident(name)) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE %I PARTITION OF audit_log %s', name, bounds);
    EXECUTE format(
        'CREATE TRIGGER audit_log_is_final BEFORE TRUNCATE ON %I '
        'FOR EACH STATEMENT EXECUTE FUNCTION audit_log_is_final()', name
    );
    RETURN true;
EXCEPTION WHEN check_violation THEN
    RETURN false;
END $$;

-- Make the partition of the month (UTC) in which a moment lies.
CREATE FUNCTION audit_log_make_month(moment timestamptz) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    first timestamp := date_trunc('month', moment AT TIME ZONE 'UTC');
BEGIN
    RETURN audit_log_add_partition(
        'audit_log_' || to_char(first, 'YYYY_MM'),
        format(
            'FOR VALUES FROM (%L) TO (%L)',
            first::text || '+00', (first + interval '1 month')::text || '+00'
        )
    );
END $$;

-- What comes when no partition is there for it: nothing is ever turned away.
SELECT audit_log_add_partition('audit_log_default', 'DEFAULT');
SELECT audit_log_make_month(now());

-- One row a socket and session: who was connected, with what, and when.
CREATE TABLE user_sessions (
    id              uuid        PRIMARY KEY,  -- written twice: at both ends
    session_id      uuid        NOT NULL,
    user_id         uuid        NOT NULL,
    actor_kind      text        NOT NULL CHECK (actor_kind IN ('user', 'agent', 'service')),
    device          text        NOT NULL CHECK (octet_length(device) BETWEEN 1 AND 32),
    connected_at    timestamptz NOT NULL,
    disconnected_at timestamptz,
    close_code      integer,
    CHECK (disconnected_at IS NOT NULL OR close_code IS NULL)
);
-- Those that a crash left open.
CREATE INDEX user_sessions_open ON user_sessions (connected_at) WHERE disconnected_at IS NULL;
-- Those that are kept no longer.
CREATE INDEX user_sessions_ended ON user_sessions (disconnected_at)
    WHERE disconnected_at IS NOT NULL;
-- All of a person: to be told of them, and to be forgotten.
CREATE INDEX user_sessions_by_user ON user_sessions (user_id);
