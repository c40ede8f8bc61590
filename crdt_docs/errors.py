"""The faults that a peer can commit, as one tree.

Refusal                what a peer did cannot stand; carries a sentence for its developer
├── Malformed          the bytes are not what the protocol says (close 4400)
├── LimitExceeded      well-formed, but more than this server takes
└── NotNow             well-formed, but it has to come again later
"""

from __future__ import annotations


class Refusal(Exception):  # noqa: N818 - a refusal is an outcome, not a fault of ours
    """What a peer sent cannot be accepted. `str()` says what was wrong and what to do."""


class Malformed(Refusal):
    """The bytes break the protocol's grammar: nothing in them can be trusted."""


class LimitExceeded(Refusal):
    """The bytes are well-formed but exceed a limit of this server."""


class NotNow(Refusal):
    """The server takes no edits at the moment; the same will do later."""
