-- Documents as they were: checkpoints, and names for some of them. persistence/SCHEMA.md explains.

CREATE TABLE document_checkpoints (
    document_id  bigint      NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    seq          bigint      NOT NULL CHECK (seq > 0),
    committed_at timestamptz NOT NULL,  -- of the log entry at seq, which may be gone
    state        bytea       NOT NULL,
    -- The nearest one at or before a position.
    PRIMARY KEY (document_id, seq)
);

-- What a large document at rest looks like, so that it need not be opened to be shown.
CREATE TABLE document_views (
    document_id bigint PRIMARY KEY REFERENCES documents (id) ON DELETE CASCADE,
    seq         bigint NOT NULL CHECK (seq > 0),
    view        bytea  NOT NULL  -- JSON of its root maps, compressed with zlib
);
ALTER TABLE document_views ALTER COLUMN view SET STORAGE EXTERNAL;

-- A name no longer holds a state of its own: the checkpoint at its position does. No server has
-- written to this table before.
ALTER TABLE document_snapshots DROP COLUMN state, DROP COLUMN outline;
ALTER TABLE document_snapshots ADD COLUMN committed_at timestamptz NOT NULL;
-- One page of a document's names, newest first.
CREATE INDEX document_snapshots_newest ON document_snapshots (document_id, created_at DESC, id DESC);
