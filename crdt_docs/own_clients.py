"""Which client ids are a member's own (ACC-4).

Yjs clients choose their ids themselves. Whose one is, is known from who first wrote with it, and
before that from who first spoke of it in presence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from uuid import UUID

from crdt_docs.identifiers import Identity
from crdt_docs.member import Member
from crdt_docs.update_facts import UpdateFacts


class OwnClients:
    """Finds out which client ids are whose."""

    __slots__ = ("_authors", "_holder")

    def __init__(
        self,
        authors: Mapping[int, UUID | None],
        holder: Callable[[int], Identity | None],
    ) -> None:
        """
        Args:
            authors: who first introduced each client id of the document, as it is at any time.
            holder: who speaks of a client id in presence.
        """
        self._authors = authors
        self._holder = holder

    def may_write_as(self, member: Member, client: int) -> bool:
        """Whether a reader may write as this client id: with somebody else's it would use up clocks
        of edits that are still to come."""
        if client in self._authors:
            return self._authors[client] == member.identity.user_id
        if member.own_client is None and self._holder(client) is None:
            member.own_client = client
        return client == member.own_client

    def anticipates_another(self, member: Member, facts: UpdateFacts) -> bool:
        """Whether an update brings what a client id wrote with which nobody has yet, and under
        which somebody else is present (ACC-7). Asked for every one."""
        for client, _, _ in facts.ranges:
            if client not in self._authors:
                holder = self._holder(client)
                if holder is not None and holder.user_id != member.identity.user_id:
                    return True
        return False

    def adopt(self, member: Member, facts: UpdateFacts) -> None:
        """One without presence: the first client id that is its own, or nobody's yet."""
        for client, _, _ in facts.ranges:
            if self._holder(client) is None and self.introduced_by(member, client):
                member.own_client = client
                return

    def introduced_by(self, member: Member, client: int) -> bool:
        """Whether nobody else has introduced this client id."""
        user_id = member.identity.user_id
        return self._authors.get(client, user_id) == user_id
