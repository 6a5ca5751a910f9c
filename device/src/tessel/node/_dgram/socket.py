"""`dgram.Socket`: a UDP socket of the radio."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from functools import partial
from typing import Self, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IUDPTransport
from twisted.internet.protocol import DatagramProtocol
from twisted.python.failure import Failure

from tessel.addresses import is_ipv6
from tessel.errors import NodeError
from tessel.network.interface import IHostIgnored, IListening
from tessel.node._dgram.arguments import bind_arguments, send_arguments
from tessel.node._dgram.outbox import Outbox, no_receiver
from tessel.node._dgram.peer import DatagramPeer
from tessel.node._net.options import DEFAULT_HOST, valid_port
from tessel.node._streams.base import Chunk
from tessel.node.base import capability_warnings, runtime
from tessel.node.base.arguments import (
    Callback,
    call_with_error,
    callback_or_none,
    split_callback,
    text_or_none,
)
from tessel.node.base.handles import Holder
from tessel.radio.interface import ILosablePort, RadioError
from tessel.source_location import here


class _Phase(Enum):
    IDLE = auto()
    BINDING = auto()
    BOUND = auto()
    CLOSED = auto()


class DatagramSocket(Holder, DatagramPeer):
    """A UDP socket. `dgram.create_socket` returns it.

    Events: `listening`, `connect`, `message` (bytes, `{address, port, family, size}`), `error`,
    `close`.
    """

    type = "udp4"

    def __init__(self) -> None:
        super().__init__()
        self._runtime = runtime.current()
        self._phase = _Phase.IDLE
        self._receiver = _Receiver(self)
        self._port: IListening | None = None
        self._binding: Deferred[IListening] | None = None
        self._bind_callback: Callback | None = None
        self._outbox = Outbox(self._runtime, self._report_problem)
        self._connecting = False

    def bind(
        self,
        port: int | str | Mapping[str, object] | Callback | None = None,
        *rest: object,
        address: str | None = None,
        callback: Callback | None = None,
    ) -> Self:
        """Open the port: `bind(port=0, address, callback)` or `bind({port, address}, callback)`.

        Port 0 is any free port. The callback is a listener for `listening`.

        Raises:
            NodeError: an argument is wrong, or the socket is bound or closed.

        """
        self._check_running()
        if self._phase is not _Phase.IDLE:
            raise NodeError("Socket is already bound", "ERR_SOCKET_ALREADY_BOUND")
        number, host, found = bind_arguments((port, *rest), address)
        found = found if callback is None else callback_or_none(callback)
        if found is not None:
            self.once("listening", found)
        self._bind_callback = found  # set first: binding may fail at once
        self._bind(number, host)
        return self

    def send(self, message: Chunk, *rest: object, callback: Callback | None = None) -> None:
        """Send a datagram: `send(message, port, address, callback)`.

        `offset, length` before the port send a part of the message. A connected socket takes no
        port and address. The callback is called with `(None, nbytes)` when the radio has the
        datagram, or with the error. An error without a callback is the socket's `error`.

        Raises:
            NodeError: an argument is wrong, or the socket is closed.

        """
        self._check_running()
        datagram = send_arguments(message, rest, callback_or_none(callback))
        if self._outbox.peer is None and datagram.port is None:
            valid_port(datagram.port)  # raises the error for no port
        if self._outbox.peer is not None and datagram.port is not None:
            raise NodeError("Already connected", "ERR_SOCKET_DGRAM_IS_CONNECTED")
        self._outbox.send(datagram)
        if self._phase is _Phase.IDLE:
            self._bind(0, "")

    def close(self, callback: Callback | None = None) -> Self:
        """Close the socket; `callback` is a listener for `close`. Raises NodeError if it is closed.

        Unsent datagrams are dropped; their callbacks get an error.
        """
        self._check_running()
        found = callback_or_none(callback)
        if found is not None:
            self.once("close", found)
        self._phase = _Phase.CLOSED
        self._outbox.drop_all(_not_running())
        port, self._port = self._port, None
        if port is not None:
            self._stop(port)
        elif self._binding is not None:
            self._binding.cancel()
        else:
            self._closed()
        return self

    def address(self) -> dict[str, object]:
        """Return the own `{address, port, family}`; raises NodeError if the socket is not bound."""
        self._check_running()
        if self._port is None:
            raise NodeError("getsockname EBADF", "EBADF")
        host = self._port.getHost()
        return {
            "address": getattr(host, "host", None),
            "port": getattr(host, "port", None),
            "family": "IPv4",
        }

    def connect(
        self, port: int | str, address: str | Callback | None = None, callback: object = None
    ) -> None:
        """Send datagrams to one peer only, and ignore datagrams from others.

        The default address is 127.0.0.1. `callback` is a listener for `connect`, or is called with
        the error. Raises NodeError if the socket is connected or closed.
        """
        self._check_running()
        number = valid_port(port)
        places, found = split_callback((address, callback), 1, "connect")
        host = text_or_none(places[0] if places else None, "address") or DEFAULT_HOST
        if self._outbox.peer is not None or self._connecting:
            raise NodeError("Already connected", "ERR_SOCKET_DGRAM_IS_CONNECTED")
        if found is not None:
            self.once("connect", found)
        self._connecting = True
        if self._phase is _Phase.IDLE:
            self._bind(0, "")
        if is_ipv6(host):
            self._not_connected(Failure(no_receiver("connect", host, number)), found)
            return
        looking = self._runtime.ask(self._runtime.network.lookup, host, 4)
        looking.addCallback(lambda addresses: self._connected((addresses[0], number)))
        looking.addErrback(self._not_connected, found).addErrback(self._runtime.broken)

    # Binding.

    def _bind(self, port: int, host: str) -> None:
        self._phase = _Phase.BINDING
        self.opened_at = here()
        what = f"UDP socket on port {port}" if port else "UDP socket"
        self._take_handle(self._runtime.handles.open(what, self.opened_at))
        binding = self._runtime.ask(self._runtime.network.bind_udp, port, self._receiver, host=host)
        self._binding = binding
        binding.addCallbacks(self._bound, self._not_bound).addErrback(self._runtime.broken)

    def _bound(self, port: IListening) -> None:
        self._binding = None
        if self._phase is _Phase.CLOSED:
            self._stop(port)  # the port was opened before `close` could cancel it
            return
        if IHostIgnored.providedBy(port):
            capability_warnings.warn(capability_warnings.HOST, self.opened_at)
        if ILosablePort.providedBy(port):
            cast("ILosablePort", port).watch_loss(partial(self._runtime.call, self._port_lost))
        self._port = port
        self._phase = _Phase.BOUND
        self._options_apply()
        self._runtime.next_tick(self._emit_listening)
        self._name_handle(f"UDP socket on port {getattr(port.getHost(), 'port', 0)}")
        self._outbox.bound(cast("IUDPTransport", self._receiver.transport))

    def _port_lost(self, fault: RadioError) -> None:
        """Close with an error: the radio was off, and could not open the port again."""
        if self._phase is _Phase.BOUND:
            self._phase = _Phase.CLOSED
            self._port = None
            error = NodeError(f"bind {fault.code}: the port was lost: {fault}", fault.code)
            self._outbox.drop_all(error)
            self._runtime.next_tick(self.emit, "error", error)
            self._closed()

    def _emit_listening(self) -> None:
        if self._phase is _Phase.BOUND:
            self.emit("listening")

    def _not_bound(self, failure: Failure) -> None:
        self._binding = None
        if self._phase is _Phase.CLOSED:
            self._closed()  # cancelled by `close`
            return
        self._phase = _Phase.IDLE
        if self._bind_callback is not None:
            self.off("listening", self._bind_callback)  # not for a later `bind`
        problem = failure.value
        if isinstance(problem, NodeError):
            self._runtime.next_tick(self.emit, "error", problem)
            self._outbox.drop_all(problem)
        else:
            self._runtime.broken(failure)
        self._let_go()

    def _stop(self, port: IListening) -> None:
        stopping = self._runtime.ask(port.stop)
        stopping.addErrback(self._runtime.broken).addBoth(lambda _: self._closed())

    def _closed(self) -> None:
        self._runtime.later(self._emit_closed)

    def _emit_closed(self) -> None:
        try:
            self.emit("close")
        finally:
            self._let_go()

    # The peer.

    def _connected(self, peer: tuple[str, int]) -> None:
        self._connecting = False
        if self._phase is not _Phase.CLOSED:
            self._outbox.peer = peer
            self._runtime.later(self.emit, "connect")

    def _not_connected(self, failure: Failure, callback: Callback | None) -> None:
        self._connecting = False
        if callback is not None:
            self.off("connect", callback)
        if not failure.check(NodeError):
            self._runtime.broken(failure)
        elif self._phase is not _Phase.CLOSED:
            if callback is None:
                self._runtime.later(self.emit, "error", failure.value)
            else:
                self._runtime.later(call_with_error, callback, failure.value)

    def _report_problem(self, problem: BaseException) -> None:
        if self._phase is not _Phase.CLOSED:
            self.emit("error", problem)

    # For the options.

    def _check_running(self) -> None:
        if self._phase is _Phase.CLOSED:
            raise _not_running()

    def _bind_for_options(self) -> None:
        if self._phase is _Phase.IDLE:
            self._bind(0, "")

    def _transport(self) -> object | None:
        return self._receiver.transport if self._phase is _Phase.BOUND else None

    def _is_binding(self) -> bool:
        return self._phase is _Phase.BINDING

    def received(self, datagram: bytes, host: str, port: int) -> None:
        """Called with a received datagram and its sender: emits `message`, unless it is ignored."""
        if self._phase is _Phase.BOUND and self._outbox.peer in (None, (host, port)):
            sender = {"address": host, "port": port, "family": "IPv4", "size": len(datagram)}
            self._runtime.call(self.emit, "message", datagram, sender)


class _Receiver(DatagramProtocol):
    noisy = False

    def __init__(self, socket: DatagramSocket) -> None:
        self._socket = socket

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        self._socket.received(datagram, *addr)


def _not_running() -> NodeError:
    return NodeError("Not running", "ERR_SOCKET_DGRAM_NOT_RUNNING")
