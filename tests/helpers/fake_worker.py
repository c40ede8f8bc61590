"""A worker process that does what a test says, for tests of what watches it."""

from __future__ import annotations

from dataclasses import dataclass, field

from server.applying_note import NoteUnreadable, Suspicion
from server.blame import WorkerDeath
from server.worker_channel import Message, SupervisorEnd, open_channel


@dataclass
class FakeWorker:
    """A worker that does what a test says."""

    pid: int
    poison_list: bytes
    says: list[Message] = field(default_factory=list)
    count: int = 0
    allowed: float = 0.0
    fate: WorkerDeath | None = None
    noted: Suspicion | None = None
    is_note_overwritten: bool = False
    done_to_it: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.channel: SupervisorEnd
        self.channel, self.theirs = open_channel()

    def heard(self) -> list[Message]:
        said, self.says = self.says, []
        return said

    def beats(self) -> int:
        return self.count

    def allowance(self) -> float:
        return self.allowed

    def death(self) -> WorkerDeath | None:
        return self.fate

    def suspicion(self) -> Suspicion | None:
        if self.is_note_overwritten:
            raise NoteUnreadable
        return self.noted

    def stop(self) -> None:
        self.done_to_it.append("stop")

    def kill(self) -> None:
        self.done_to_it.append("kill")

    def close(self) -> None:
        self.done_to_it.append("close")
        self.channel.close()
        self.theirs.close()
