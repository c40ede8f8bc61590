"""Between a socket and whoever receives its messages: lets through what may come (LIM-2, LIM-3)."""

from __future__ import annotations

from collections.abc import Callable

from crdt_docs.messages import CloseCode
from server.direct_channel import Receiver
from server.limits.users import Passage

TOO_FAST = "more messages or bytes than a user may send (messages a second, over all sockets)"


class Metered:
    """A `direct_channel.Receiver`, and `ControlReceiver`, around another one."""

    __slots__ = ("_is_over", "_let_go", "_passage", "_receiver")

    def __init__(
        self,
        receiver: Receiver,
        passage: Passage,
        *,
        let_go: Callable[[CloseCode, str], None],
    ) -> None:
        """
        Args:
            passage: of the user; left when the socket is gone.
            let_go: closes the socket, with a code and a reason.
        """
        self._receiver = receiver
        self._passage = passage
        self._let_go = let_go
        self._is_over = False

    def on_frame(self, frame: bytes, *, more: bool = False) -> None:
        """A binary message."""
        if self._passage.take_frame(frame, len(frame)):
            self._receiver.on_frame(frame, more=more)
        else:
            self._end()

    def on_control(self, size: int) -> None:
        """A ping or a pong: it has to be read, too."""
        if not self._passage.take(size):
            self._end()

    def _end(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._passage.refuse()
            self._let_go(CloseCode.TRY_LATER, TOO_FAST)

    def on_text(self) -> None:
        """A text message."""
        self._receiver.on_text()

    def on_writable(self) -> None:
        """The socket takes bytes again."""
        self._receiver.on_writable()

    def on_lost(self) -> None:
        """The socket is gone."""
        self._passage.leave()
        self._receiver.on_lost()
