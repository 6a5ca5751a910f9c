"""The arguments of a datagram socket's `send` and `bind`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tessel.errors import NodeError
from tessel.node._net.options import DEFAULT_HOST, valid_port
from tessel.node.base import encodings
from tessel.node.base.arguments import (
    ArgumentTypeError,
    ArgumentValueError,
    Callback,
    check_options,
    options_mapping,
    split_callback,
    text_or_none,
)

MAX_ARGUMENTS = 4  # offset, length, port, address

UNSUPPORTED = {
    "reuse_addr": "the radio binds a port once",
    "reuse_port": "the radio binds a port once",
    "ipv6_only": "the radio has IPv4 alone for datagrams",
    "recv_buffer_size": "the radio's buffers have a fixed size",
    "send_buffer_size": "the radio's buffers have a fixed size",
    "lookup": "names are looked up by the radio",
    "signal": "call `close` to stop it",
    "exclusive": "a device has no cluster",
    "fd": "a device has no file descriptors",
}


@dataclass(eq=False, slots=True)
class Datagram:
    """A datagram to send, with its destination and callback. A port of None: the connected peer."""

    data: bytes
    port: int | None  # None: to the connected peer
    host: str
    callback: Callback | None


def send_arguments(message: object, rest: Sequence[object], callback: Callback | None) -> Datagram:
    """Parse `send(message[, offset, length][, port][, address][, callback])`.

    `rest` holds the positional arguments after the message. `callback` overrides the callback in
    `rest`. Raises NodeError for a wrong argument.
    """
    data = _as_bytes(message)
    places, found = split_callback(rest, MAX_ARGUMENTS, "send")
    if len(places) > 2 or (len(places) == 2 and isinstance(places[1], int)):  # noqa: PLR2004 - offset and length come in twos
        data, places = _piece(data, places), places[2:]
    port = _destination_port(places[0]) if places and places[0] is not None else None
    return Datagram(data, port, _host(places), found if callback is None else callback)


def _as_bytes(message: object) -> bytes:
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


def _piece(data: bytes, places: Sequence[object]) -> bytes:
    offset, length = places[0], places[1]
    if not isinstance(offset, int) or not isinstance(length, int):
        wrong = ("offset", offset) if not isinstance(offset, int) else ("length", length)
        raise ArgumentTypeError(wrong[0], "a whole number", wrong[1])
    end = offset + length
    if not 0 <= offset <= end <= len(data):
        raise ArgumentValueError(
            "offset and length",
            f"within the message of {len(data)} bytes",
            (offset, length),
            "ERR_BUFFER_OUT_OF_BOUNDS",
        )
    return data[offset:end]


def bind_arguments(
    given: Sequence[object], address: str | None
) -> tuple[int, str, Callback | None]:
    """Return port, address and callback of `bind(port, address, callback)` or `bind(options)`.

    `address` overrides the one in `given`. Port 0: any free port; address "": all addresses. Raises
    NodeError for a wrong argument.
    """
    places, callback = split_callback(given, 2, "bind")
    port, host = [*places, None, None][:2]
    if isinstance(port, Mapping):
        options = options_mapping(port)
        check_options(options, {"port", "address"}, "bind", UNSUPPORTED)
        port, host = options.get("port"), options.get("address")
    found = text_or_none(host if address is None else address, "address")
    return valid_port(port or 0), found or "", callback
