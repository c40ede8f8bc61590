"""The faults of storage, as one tree.

StorageUnavailable           not reachable, or no answer in time; the same call may work later
BatchRefused                 the database answered, and will never take these entries
├── LogConflict              the log already holds something else at that position
└── SequenceGap              the log does not reach up to that position
UnknownSession               a participant was put into a session that does not exist
DatabaseInUse                another server works on this database
DatabaseTooNew               the tables were made by a newer version of this program
DatabaseUnusable             a bad address, no such database, a wrong password, too few rights
EmbeddedPostgresError        the database that we run ourselves cannot be brought up
└── ClusterVersionMismatch   its files were written by another major version of PostgreSQL
"""

from __future__ import annotations


class StorageUnavailable(Exception):  # noqa: N818 - says what is the case
    """The database cannot be reached or does not answer in time; the same call may work later."""


class BatchRefused(Exception):  # noqa: N818 - an outcome, as in crdt_docs.errors
    """The database answered and refused the content: sending it again cannot help."""


class LogConflict(BatchRefused):
    """Another update is stored at this position of the document's log."""


class SequenceGap(BatchRefused):
    """A position was given whose predecessor is not in the document's log."""


class UnknownSession(LookupError):  # noqa: N818 - says what is the case
    """A participant was put into a session that does not exist."""


class DatabaseInUse(Exception):  # noqa: N818 - says what is the case
    """Another server works on this database (or on this data directory)."""


class DatabaseTooNew(Exception):  # noqa: N818 - says what is the case
    """The database has migrations that this program does not know: it must be upgraded."""


class DatabaseUnusable(Exception):  # noqa: N818 - says what is the case
    """The database does not let us in or work, or its address makes no sense: trying again is no
    use, somebody has to change something."""


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL could not be initialised, started or stopped."""


class ClusterVersionMismatch(EmbeddedPostgresError):  # noqa: N818 - says what is the case
    """The data directory belongs to another major version of PostgreSQL."""
