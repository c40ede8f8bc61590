-- Which rooms are still to be emptied after a session, and what in them belongs to somebody.
-- persistence/SCHEMA.md explains.

ALTER TABLE xr_sessions
    ADD COLUMN emptied_at timestamptz,
    ADD CHECK (emptied_at IS NULL OR ended_at IS NOT NULL);

-- What ended before was emptied then, and has perhaps been furnished since.
UPDATE xr_sessions SET emptied_at = ended_at;

-- The rooms that are to be emptied, also one of them.
CREATE INDEX xr_sessions_to_empty ON xr_sessions (room_id)
    WHERE ended_at IS NOT NULL AND emptied_at IS NULL;

-- What goes from a room with the people who own it.
CREATE INDEX xr_objects_owned ON xr_objects (room_id, created_by)
    WHERE deleted_at IS NULL AND lifetime = 'owner';
