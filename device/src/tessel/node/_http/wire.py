"""One connection's HTTP/1.1: what was said in both directions, and whether it can serve again.

No I/O here.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from tessel.node._http.bodies import NoBody, OutgoingBody, Trailers
from tessel.node._http.events import Body, End, Event, RequestHead, ResponseHead
from tessel.node._http.parser import HttpParser

__all__ = ["HttpWire"]


@dataclass(slots=True)
class _Message:
    """How far the current message of one side is."""

    complete: bool = False
    closes: bool = False  # its sender closes the connection behind it


class HttpWire:
    """The parser of received bytes, the framing of sent messages, and the state of both sides."""

    def __init__(self, parser: HttpParser) -> None:
        self._parser = parser
        self._body: OutgoingBody = NoBody()
        self._own = _Message()
        self._peer = _Message()
        self._peer_ended = False  # the peer has closed its writing half

    # What comes.

    def receive(self, data: bytes) -> Iterator[Event]:
        """The events that these bytes complete, and after them the error if they hold one."""
        self._parser.receive(data)
        yield from self.events()

    def events(self) -> Iterator[Event]:
        if not self._peer.complete:
            more = self._parser.end() if self._peer_ended else self._parser.events()
            yield from map(self._noted, more)

    def receive_end(self) -> Iterator[Event]:
        """The peer sends no more: the end of a body without a stated length, or of too little."""
        self._peer_ended = True
        yield from self.events()

    def _noted(self, event: Event) -> Event:
        match event:
            case RequestHead() | ResponseHead():
                self._peer.closes = not event.keep_alive
            case End():
                self._peer.complete = True
            case Body():
                pass
        return event

    # What is sent.

    def begin(self, head: bytes, body: OutgoingBody, *, close: bool) -> bytes:
        """`close`: the message says that the connection is closed behind it."""
        self._body = body
        self._own.closes |= close
        return head

    def write(self, data: bytes) -> bytes:
        return self._body.write(data)

    def end(self, trailers: Trailers) -> bytes:
        nbytes = self._body.end(trailers)
        self._own.closes |= self._body.closes
        self._own.complete = True
        return nbytes

    # What follows.

    def next_cycle(self) -> None:
        """Both messages are complete: the connection is ready for the next two."""
        self._own.complete = self._peer.complete = False

    @property
    def reusable(self) -> bool:
        """As `done`, and nothing came behind the last message."""
        return self.done and self._parser.between

    @property
    def peer_stays(self) -> bool:
        """The peer's message is complete, and the peer keeps the connection open."""
        return self._peer.complete and not self._peer.closes

    @property
    def we_stay(self) -> bool:
        """Our message is complete, and we keep the connection open."""
        return self._own.complete and not self._own.closes

    @property
    def done(self) -> bool:
        """Both messages are complete, and nobody closes the connection. The peer may already have
        sent its next message.
        """
        stays = self.we_stay and self.peer_stays
        return stays and not (self._peer_ended and self._parser.between)

    @property
    def pending(self) -> int:
        """Bytes of later messages that wait."""
        return self._parser.pending

    @property
    def between(self) -> bool:
        """Nothing of a next message came."""
        return self._parser.between

    @property
    def left_over(self) -> bytes:
        """After a switch of protocols: the first bytes of the other one."""
        return self._parser.left_over()
