"""One datagram on its way from `send` to the radio, and the arguments of `send`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tessel.errors import NodeError
from tessel.node import encodings
from tessel.node.arguments import (
    ArgumentTypeError,
    ArgumentValueError,
    Callback,
    split_callback,
)
from tessel.node.options import DEFAULT_HOST, valid_port

MOST_ARGUMENTS = 4  # offset, length, port, address


@dataclass(eq=False, slots=True)
class Datagram:
    """What is sent, where to, and who is to be called back, once."""

    octets: bytes
    port: int | None  # None: to the connected peer
    host: str
    callback: Callback | None


def parsed(message: object, rest: Sequence[object], callback: Callback | None) -> Datagram:
    """The arguments of `send(message[, offset, length][, port][, address][, callback])`."""
    octets = _octets(message)
    places, found = split_callback(rest, MOST_ARGUMENTS, "send")
    if len(places) > 2 or (len(places) == 2 and isinstance(places[1], int)):  # noqa: PLR2004 - offset and length come in twos
        octets, places = _piece(octets, places), places[2:]
    port = _destination_port(places[0]) if places and places[0] is not None else None
    return Datagram(octets, port, _host(places), found if callback is None else callback)


def _octets(message: object) -> bytes:
    if isinstance(message, list | tuple):
        return b"".join(encodings.as_bytes(part, name="message") for part in message)
    return encodings.as_bytes(message, name="message")


def _destination_port(value: object) -> int:
    port = valid_port(value)
    if port == 0:
        raise NodeError("Port should be > 0 and < 65536. Received 0.", "ERR_SOCKET_BAD_PORT")
    return port


def _host(places: Sequence[object]) -> str:
    if len(places) < 2 or places[1] is None:  # noqa: PLR2004 - port, address
        return DEFAULT_HOST
    if not isinstance(places[1], str):
        raise ArgumentTypeError("address", "text", places[1])
    return places[1] or DEFAULT_HOST


def _piece(octets: bytes, places: Sequence[object]) -> bytes:
    offset, length = places[0], places[1]
    if not isinstance(offset, int) or not isinstance(length, int):
        wrong = ("offset", offset) if not isinstance(offset, int) else ("length", length)
        raise ArgumentTypeError(wrong[0], "a whole number", wrong[1])
    end = offset + length
    if not 0 <= offset <= end <= len(octets):
        raise ArgumentValueError(
            "offset and length",
            f"within the message of {len(octets)} bytes",
            (offset, length),
            "ERR_BUFFER_OUT_OF_BOUNDS",
        )
    return octets[offset:end]


class Unsent:
    """The datagrams that wait for a port or for an address. Each is settled exactly once."""

    def __init__(self, tell: Callable[[Datagram, BaseException | None], None]) -> None:
        """`tell` is called once for each datagram that was added."""
        self._tell = tell
        self._datagrams: dict[Datagram, None] = {}

    def __len__(self) -> int:
        return len(self._datagrams)

    def __contains__(self, datagram: Datagram) -> bool:
        return datagram in self._datagrams

    def add(self, datagram: Datagram) -> None:
        self._datagrams[datagram] = None

    def settle(self, datagram: Datagram, error: BaseException | None) -> None:
        """It was sent, or dropped with the error. Once settled, it stays as it is."""
        if datagram in self._datagrams:
            del self._datagrams[datagram]
            self._tell(datagram, error)

    def settle_all(self, error: BaseException) -> None:
        for datagram in list(self._datagrams):
            self.settle(datagram, error)

    def waiting(self) -> list[Datagram]:
        return list(self._datagrams)
