-- Which documents' rows are not what their logs say (HST-8). Known across restarts: a document may
-- not be opened for long, and nothing else tells.

ALTER TABLE documents ADD COLUMN has_lost_changes boolean NOT NULL DEFAULT false;
