-- What people say about one object.

-- The annotations of an object in pages by id; few change what they are about.
CREATE INDEX ocw_annotations_by_object ON ocw_annotations (session_id, object_id, id)
    WHERE object_id IS NOT NULL;
