"""Whether the rows of objects say what the documents say, and their history holds together.

One document after the other, each as it was at one moment, with no more memory than it takes. What
differs is told as findings: a line each. Two kinds are none: a document that is not opened because
that has stopped a worker (ROM-15), and content that the database did not take (HST-7).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from crdt_docs.identifiers import DocumentName
from persistence.inspection_ports import Inspection
from server.findings import Counts, Finding, not_opened
from server.history_check import history_findings
from server.row_check import row_findings


class Verification:
    """Looks at documents one by one.

    Attributes:
        counts: of all that was looked at.
    """

    def __init__(
        self,
        inspection: Inspection,
        *,
        is_closed: Callable[[DocumentName], bool] = lambda _: False,
        whole_log: bool = False,
    ) -> None:
        """
        Args:
            is_closed: which documents must not be opened (ROM-15).
            whole_log: also go through all of the log, and compare the whole history with it.
        """
        self.counts = Counts()
        self._inspection = inspection
        self._is_closed = is_closed
        self._whole_log = whole_log

    async def document(self, name: DocumentName) -> AsyncGenerator[Finding]:
        """What is to be said of one document.

        Raises:
            StorageUnavailable: it could not be read to the end.
        """
        self.counts.documents += 1
        if self._is_closed(name):
            finding = not_opened(name)
            self.counts.note(finding)
            yield finding
            return
        async with self._inspection.moment(name) as moment:
            looks = [row_findings(moment, name, self.counts)]
            if self._whole_log:
                looks.append(history_findings(moment, name))
            for look in looks:
                async with aclosing(look) as findings:
                    async for finding in findings:
                        self.counts.note(finding)
                        yield finding
