"""One connection's HTTP/1.1: octets into events and back, by h11, with limits on what comes in.

An event is h11's: Request, InformationalResponse, Response, Data, EndOfMessage. No I/O here.
"""

from collections.abc import Iterator
from http import HTTPStatus

import h11

from tessel.errors import NodeError

# Node's default too. Many short fields cost more memory than their octets tell.
MAX_HEADER_FIELDS = 2000


class HttpWireError(NodeError):
    """What the peer sent is not HTTP, or more than is allowed."""

    def __init__(self, code: str, message: str, status: int) -> None:
        super().__init__(message, code)
        self.status = status  # what a server answers to it


class HttpWire:
    """h11's connection with its limits made exact, and a limit on the received body."""

    def __init__(
        self,
        role: type[h11.CLIENT] | type[h11.SERVER],
        max_header_octets: int,
        max_body_octets: int | None,
    ) -> None:
        self._h11 = h11.Connection(role, max_incomplete_event_size=max_header_octets)
        self._max_header_octets = max_header_octets
        self._max_body_octets = max_body_octets
        self._body_octets = 0

    def send(self, event: h11.Event) -> bytes:
        """Raises h11.LocalProtocolError for what HTTP forbids to be sent now."""
        return self._h11.send(event) or b""

    def receive(self, octets: bytes) -> Iterator[h11.Event]:
        """The events that these octets complete, and after them the error, if they hold one."""
        self._h11.receive_data(octets)
        yield from self.events()

    def receive_end(self) -> Iterator[h11.Event]:
        """The peer sends no more: the end of a body without a stated length, or of too little."""
        self._h11.receive_data(b"")
        yield from self.events()

    def events(self) -> Iterator[h11.Event]:
        while isinstance(event := self._next(), h11.Event):
            if isinstance(event, h11.ConnectionClosed):
                return
            self._judge(event)
            yield event

    def next_cycle(self) -> None:
        """Both messages are whole: the connection is ready for the next two."""
        self._h11.start_next_cycle()
        self._body_octets = 0

    @property
    def reusable(self) -> bool:
        """Both messages are whole, nobody asked to close, and nothing came behind them."""
        done = self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE
        return done and self._h11.trailing_data == (b"", False)

    @property
    def peer_stays(self) -> bool:
        """The peer's message is whole, and it did not ask to close."""
        return self._h11.their_state is h11.DONE

    @property
    def we_stay(self) -> bool:
        """Our message is whole, and nobody asked to close."""
        return self._h11.our_state is h11.DONE

    @property
    def done(self) -> bool:
        """As `reusable`, but the peer may already have sent the next message."""
        return self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE

    @property
    def peer_is_waiting(self) -> bool:
        """The client said `Expect: 100-continue` and holds its body back."""
        return self._h11.they_are_waiting_for_100_continue

    @property
    def left_over(self) -> bytes:
        """What came behind the last message; after a switch of protocols, the other one's first."""
        return bytes(self._h11.trailing_data[0])

    def _next(self) -> object:
        try:
            return self._h11.next_event()
        except h11.RemoteProtocolError as problem:
            if problem.error_status_hint == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE:
                raise self._header_overflow() from problem
            raise HttpWireError("HPE_INVALID_MESSAGE", f"Parse Error: {problem}", 400) from problem

    def _judge(self, event: h11.Event) -> None:
        match event:
            case h11.Data(data=data):
                self._count_body(len(data))
            case h11.Request() | h11.Response() | h11.InformationalResponse() | h11.EndOfMessage():
                fields = event.headers.raw_items()
                octets = sum(len(name) + len(value) + 4 for name, value in fields)
                if octets > self._max_header_octets or len(fields) > MAX_HEADER_FIELDS:
                    raise self._header_overflow()

    def _count_body(self, octets: int) -> None:
        self._body_octets += octets
        if self._max_body_octets is not None and self._body_octets > self._max_body_octets:
            raise HttpWireError(
                "ERR_HTTP_BODY_TOO_LARGE",
                f"body is longer than the {self._max_body_octets} octets allowed",
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            )

    def _header_overflow(self) -> HttpWireError:
        return HttpWireError(
            "HPE_HEADER_OVERFLOW",
            f"Parse Error: headers exceed {self._max_header_octets} octets"
            f" or {MAX_HEADER_FIELDS} fields",
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        )
