"""`dgram`: datagrams in the Node manner. As on the Tessel, of IPv4 alone, and never tunneled."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from typing import Self, cast

from twisted.internet import error
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IUDPTransport
from twisted.internet.protocol import DatagramProtocol
from twisted.python.failure import Failure

from tessel.errors import NodeError
from tessel.network.interface import IHostIgnored, IListening
from tessel.node import runtime, weak
from tessel.node.events import EventEmitter
from tessel.node.handles import Holder
from tessel.node.options import DEFAULT_HOST, Callback, valid_port
from tessel.node.stream_base import Chunk
from tessel.node.writable import as_octets
from tessel.places import here

MOST_WAITING = 64  # datagrams for a port or an address that is not there yet; more are lost

__all__ = ["Socket", "create_socket"]


class _Phase(Enum):
    IDLE = auto()
    BINDING = auto()
    BOUND = auto()
    CLOSED = auto()


def create_socket(
    kind: str | Mapping[str, object] = "udp4", listener: Callback | None = None
) -> Socket:
    """`listener` is for `message`."""
    name = kind.get("type") if isinstance(kind, Mapping) else kind
    if name != "udp4":
        raise NodeError(f"Bad socket type: the radio has udp4 alone, not {name!r}", _BAD_TYPE)
    socket = Socket()
    if listener is not None:
        socket.on("message", listener)
    return socket


class Socket(Holder, EventEmitter):
    """Events: listening, message (octets and where they came from), error, close."""

    def __init__(self) -> None:
        super().__init__()
        self._runtime = runtime.current()
        self._phase = _Phase.IDLE
        self._receiver = _Receiver(self)
        self._port: IListening | None = None
        self._binding: Deferred[None] | None = None
        self._waiting: list[tuple[bytes, int, str, Callback | None]] = []

    def bind(
        self,
        port: int | str | Mapping[str, object] | Callback = 0,
        address: str | Callback | None = None,
        callback: Callback | None = None,
    ) -> Self:
        """`bind(port=0, address, callback)` or `bind({port, address}, callback)`."""
        if self._phase is not _Phase.IDLE:
            raise NodeError("Socket is already bound", "ERR_SOCKET_ALREADY_BOUND")
        given: Mapping[str, object] = {"port": port, "address": address}
        if isinstance(port, Mapping):
            given = port
        callback = next((one for one in (port, address, callback) if callable(one)), None)
        if callback is not None:
            self.once("listening", callback)
        number = 0 if callable(given.get("port")) else valid_port(given.get("port") or 0)
        host = given.get("address")
        self._bind(number, host if isinstance(host, str) else "")
        return self

    def send(self, message: Chunk, *rest: object, callback: Callback | None = None) -> None:
        """`send(message, port, address, callback)`, or with `offset, length` before the port.

        The callback is given `(error, octets)` when the datagram is the radio's. An error without
        a callback is the socket's.
        """
        octets = as_octets(message)
        callback = next((one for one in rest if callable(one)), callback)
        places = [one for one in rest if not callable(one) and one is not None]
        if len(places) > 2 or (len(places) == 2 and not isinstance(places[1], str)):  # noqa: PLR2004 - offset, length, port, address
            octets, places = _piece(octets, places), places[2:]
        port = valid_port(places[0] if places else None)
        host = str(places[1]) if len(places) > 1 else DEFAULT_HOST
        if self._phase is _Phase.CLOSED:
            raise _not_running()
        if self._phase is _Phase.IDLE:
            self._bind(0, "")
        self._send(octets, port, host, callback)

    def close(self, callback: Callback | None = None) -> Self:
        if self._phase is _Phase.CLOSED:
            raise _not_running()
        if callback is not None:
            self.once("close", callback)
        self._phase = _Phase.CLOSED
        self._waiting.clear()
        port, self._port = self._port, None
        if port is not None:
            port.stop().addCallback(lambda _: self._closed())
        elif self._binding is not None:
            self._binding.cancel()
        else:
            self._runtime.next_tick(self._closed)
        return self

    def address(self) -> dict[str, object]:
        """`{address, port, family}`. Raises NodeError where it is not bound."""
        if self._port is None:
            raise NodeError("getsockname EBADF", "EBADF")
        host = self._port.getHost()
        return {
            "address": getattr(host, "host", None),
            "port": getattr(host, "port", None),
            "family": "IPv4",
        }

    def set_broadcast(self, enabled: bool) -> None:
        self._transport().setBroadcastAllowed(enabled)

    # Binding.

    def _bind(self, port: int, host: str) -> None:
        self._phase = _Phase.BINDING
        self.opened_at = here()
        self._take_handle(self._runtime.handles.open(f"datagrams on port {port}"))
        binding = self._runtime.network.bind_udp(port, self._receiver, host=host)
        self._binding = binding.addCallbacks(self._bound, self._not_bound)

    def _bound(self, port: IListening) -> None:
        if self._phase is _Phase.CLOSED:
            port.stop().addCallback(lambda _: self._closed())  # it came before it was given up
            return
        if IHostIgnored.providedBy(port):
            weak.warn(weak.HOST, self.opened_at)
        self._port = port
        self._phase = _Phase.BOUND
        self._runtime.next_tick(self._tell_listening)
        waiting, self._waiting = self._waiting, []
        for datagram in waiting:
            self._send(*datagram)

    def _tell_listening(self) -> None:
        if self._phase is _Phase.BOUND:
            self.emit("listening")

    def _not_bound(self, failure: Failure) -> None:
        if self._phase is _Phase.CLOSED:
            self._closed()  # given up
            return
        self._phase = _Phase.IDLE
        self._waiting.clear()
        if failure.check(NodeError):
            self._runtime.next_tick(self.emit, "error", failure.value)
        else:
            self._runtime.call(failure.raiseException)  # a bug below
        self._let_go()

    def _closed(self) -> None:
        self._runtime.next_tick(self.emit, "close")
        self._let_go()

    # Datagrams.

    def _send(self, octets: bytes, port: int, host: str, callback: Callback | None) -> None:
        if self._phase is _Phase.BINDING:
            if len(self._waiting) < MOST_WAITING:
                self._waiting.append((octets, port, host, callback))
            return
        looking = self._runtime.network.lookup(host, 4)
        looking.addCallback(lambda found: self._write(octets, (found[0], port), callback))
        looking.addErrback(self._not_sent, callback)

    def _write(self, octets: bytes, to: tuple[str, int], callback: Callback | None) -> None:
        if self._phase is not _Phase.BOUND:
            return  # closed while the name was looked up
        try:
            self._transport().write(octets, to)
        except error.MessageLengthError as fault:
            raise NodeError(f"send EMSGSIZE {to[0]}:{to[1]}", "EMSGSIZE") from fault
        except OSError as fault:
            raise NodeError(f"send {fault.strerror} {to[0]}:{to[1]}", "EIO") from fault
        if callback is not None:
            self._runtime.call(callback, None, len(octets))

    def _not_sent(self, failure: Failure, callback: Callback | None) -> None:
        if not failure.check(NodeError):
            self._runtime.call(failure.raiseException)  # a bug below
        elif callback is not None:
            self._runtime.call(callback, failure.value)
        elif self._phase is not _Phase.CLOSED:
            self._runtime.call(self.emit, "error", failure.value)

    def _transport(self) -> IUDPTransport:
        if self._phase is not _Phase.BOUND:
            raise _not_running()
        return cast("IUDPTransport", self._receiver.transport)

    def received(self, datagram: bytes, host: str, port: int) -> None:
        if self._phase is _Phase.BOUND:
            sender = {"address": host, "port": port, "family": "IPv4", "size": len(datagram)}
            self._runtime.call(self.emit, "message", datagram, sender)


class _Receiver(DatagramProtocol):
    noisy = False

    def __init__(self, socket: Socket) -> None:
        self._socket = socket

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        self._socket.received(datagram, *addr)


def _piece(octets: bytes, places: list[object]) -> bytes:
    offset, length = places[0], places[1]
    if isinstance(offset, int) and isinstance(length, int):
        end = offset + length
        if 0 <= offset <= end <= len(octets):
            return octets[offset:end]
    raise NodeError(
        f"offset and length must lie in the message. Received {offset!r}, {length!r}",
        "ERR_OUT_OF_RANGE",
    )


def _not_running() -> NodeError:
    return NodeError("Not running", "ERR_SOCKET_DGRAM_NOT_RUNNING")


_BAD_TYPE = "ERR_SOCKET_BAD_TYPE"
