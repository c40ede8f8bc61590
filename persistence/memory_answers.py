"""First answers to requests that may come again, in memory."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from persistence.answer_ports import (
    Busy,
    Claim,
    Different,
    KeptAnswer,
    RequestName,
    Reservation,
    Reserved,
)
from persistence.memory_names import names
from persistence.memory_store import MemorySwitches


@dataclass(slots=True)
class _Entry:
    held: Reservation
    answer: KeptAnswer | None = None


class MemoryAnswerStore(MemorySwitches):
    """`answer_ports.AnswerStore` in memory."""

    def __init__(self) -> None:
        super().__init__()
        self._entries: dict[RequestName, _Entry] = {}

    async def claim(self, wanted: Reservation, *, kept_since: datetime) -> Claim:
        """See `answer_ports.AnswerStore.claim`."""
        await self._enter()
        entry = self._entries.get(wanted.request)
        found = _found(entry, wanted, kept_since)
        if isinstance(found, Reserved):
            self._entries[wanted.request] = _Entry(wanted)
        self._leave()
        return found

    async def keep(self, held: Reservation, answer: KeptAnswer) -> None:
        """See `answer_ports.AnswerStore.keep`."""
        await self._enter()
        entry = self._entries.get(held.request)
        if entry is not None and entry.held == held and entry.answer is None:
            entry.answer = answer
        self._leave()

    async def release(self, held: Reservation) -> None:
        """See `answer_ports.AnswerStore.release`."""
        await self._enter()
        entry = self._entries.get(held.request)
        if entry is not None and entry.held == held and entry.answer is None:
            del self._entries[held.request]
        self._leave()

    async def forget_before(self, moment: datetime, *, limit: int = 1000) -> int:
        """See `answer_ports.AnswerStore.forget_before`."""
        await self._enter()
        due = sorted(
            (entry.held.at, name) for name, entry in self._entries.items() if entry.held.at < moment
        )[:limit]
        for _, name in due:
            del self._entries[name]
        self._leave()
        return len(due)

    def about(self, user_id: UUID) -> list[Reservation]:
        """Requests whose answers somebody was given, or that name them."""
        return [each.held for name, each in self._entries.items() if _is_about(each, name, user_id)]

    def forget_person(self, user_id: UUID) -> int:
        """Remove answers that somebody was given, or that name them; return how many."""
        due = [name for name, entry in self._entries.items() if _is_about(entry, name, user_id)]
        for name in due:
            del self._entries[name]
        return len(due)


def _is_about(entry: _Entry, name: RequestName, user_id: UUID) -> bool:
    if name.caller_id == user_id:
        return True
    answer = entry.answer
    return answer is not None and names(f"{answer.headers} {answer.body!r}", user_id)


def _found(entry: _Entry | None, wanted: Reservation, kept_since: datetime) -> Claim:
    if entry is None or entry.held.at < kept_since:
        return Reserved()
    if entry.answer is None and entry.held.until <= wanted.at:
        return Reserved()
    if entry.held.fingerprint != wanted.fingerprint:
        return Different()
    return entry.answer or Busy()
