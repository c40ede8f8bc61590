"""An audit trail that remembers what it was told."""

from __future__ import annotations

from server.audit import AuditEvent


class RecordedTrail:
    """`server.audit.AuditTrail` for tests.

    Attributes:
        events: what was recorded, in order.
        tallied: what was counted, in order.
    """

    def __init__(self) -> None:
        self.events: list[AuditEvent] = []
        self.tallied: list[AuditEvent] = []

    def record(self, event: AuditEvent) -> None:
        self.events.append(event)

    def tally(self, event: AuditEvent) -> None:
        self.tallied.append(event)

    @property
    def actions(self) -> list[str]:
        """Of what was recorded."""
        return [event.action for event in self.events]
