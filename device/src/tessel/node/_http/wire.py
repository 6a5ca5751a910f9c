"""The state of HTTP/1.1 on one connection: both messages, and whether it can be reused. No I/O."""

from collections.abc import Iterator
from dataclasses import dataclass

from tessel.node._http.bodies import NoBody, OutgoingBody, Trailers
from tessel.node._http.events import Body, End, Event, RequestHead, ResponseHead
from tessel.node._http.parser import HttpParser

__all__ = ["HttpWire"]


@dataclass(slots=True)
class _Message:
    """The states of the current message of one side."""

    complete: bool = False
    closes: bool = False  # True: its sender closes the connection after it


class HttpWire:
    """The state of HTTP on one connection: parses received bytes, and frames sent messages."""

    def __init__(self, parser: HttpParser) -> None:
        self._parser = parser
        self._body: OutgoingBody = NoBody()
        self._own = _Message()
        self._peer = _Message()
        self._peer_ended = False  # the peer has closed its writing half

    # Receiving.

    def receive(self, data: bytes) -> Iterator[Event]:
        """Yield the events of newly received bytes; raises HttpWireError for malformed bytes."""
        self._parser.receive(data)
        yield from self.events()

    def events(self) -> Iterator[Event]:
        """Yield the events of bytes that were received before, such as a pipelined request."""
        if not self._peer.complete:
            more = self._parser.end() if self._peer_ended else self._parser.events()
            yield from map(self._noted, more)

    def receive_end(self) -> Iterator[Event]:
        """Yield the last events after the peer's FIN; raises HttpWireError for a cut message.

        A FIN completes a body without a length.
        """
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

    # Sending.

    def begin(self, head: bytes, body: OutgoingBody, *, close: bool) -> bytes:
        """Begin to send a message, and return its head unchanged.

        `close`: the head announces that the connection closes after the message.
        """
        self._body = body
        self._own.closes |= close
        return head

    def write(self, data: bytes) -> bytes:
        """Return the bytes to send for a part of the body, with its framing."""
        return self._body.write(data)

    def end(self, trailers: Trailers) -> bytes:
        """Return the last bytes of the message to send, and mark the message as complete."""
        last = self._body.end(trailers)
        self._own.closes |= self._body.closes
        self._own.complete = True
        return last

    # The next request.

    def next_cycle(self) -> None:
        """Reset the state for the next request and response, when both messages are complete."""
        self._own.complete = self._peer.complete = False

    @property
    def reusable(self) -> bool:
        """True if both messages are complete, both sides keep the connection, and no byte waits."""
        return self.done and self._parser.between

    @property
    def peer_stays(self) -> bool:
        """True if the peer's message is complete, and the peer keeps the connection open."""
        return self._peer.complete and not self._peer.closes

    @property
    def we_stay(self) -> bool:
        """True if the sent message is complete, and this side keeps the connection open."""
        return self._own.complete and not self._own.closes

    @property
    def done(self) -> bool:
        """True if both messages are complete and neither side closes the connection.

        The peer may have sent its next message already.
        """
        stays = self.we_stay and self.peer_stays
        return stays and not (self._peer_ended and self._parser.between)

    @property
    def pending(self) -> int:
        """The number of received bytes that are not parsed yet."""
        return self._parser.pending

    @property
    def between(self) -> bool:
        """True if no byte of the peer's next message was received."""
        return self._parser.between

    @property
    def left_over(self) -> bytes:
        """The bytes received after a switch to another protocol, which HTTP does not parse."""
        return self._parser.left_over()
