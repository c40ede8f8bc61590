-- Which objects an update left as they were, because what it changed of them broke a rule (RUL-5):
-- `[[root, id], …]`, NULL for nearly every entry. When histories are made from the log, these are
-- not changes.

ALTER TABLE document_updates ADD COLUMN taken_back text;
