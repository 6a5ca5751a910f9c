"""UDP ports of a JavaScript program: ports of the radio joined to the channel.

Node's own `dgram` does the rest in the program's process: arguments, look-ups, the connected peer.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from functools import partial
from typing import Final, cast

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IUDPTransport
from twisted.internet.protocol import DatagramProtocol
from twisted.python.failure import Failure

from tessel.addresses import is_ipv4
from tessel.errors import NodeError
from tessel.javascript import call_fields
from tessel.javascript.channel import BadCallError, Channel
from tessel.javascript.connection import address_fields
from tessel.javascript.error_fields import error_fields
from tessel.javascript.frames import Fields
from tessel.network.interface import IHostIgnored, IListening
from tessel.node._dgram.options import HIGHEST_TTL, able_to, apply_option, member, set_broadcast
from tessel.node._dgram.outbox import written
from tessel.node.base.runtime import Runtime
from tessel.radio.interface import IDatagramOptions, ILosablePort, RadioError

MAX_UNREAD_BYTES: Final = 256 * 1024
"""Bytes of received datagrams that the program has not confirmed yet. Further ones are dropped, as
by a system whose receive buffer is full; Linux has 208 KiB."""

DATAGRAM_BYTES: Final = 128
"""Bytes that a datagram counts besides its own: those of its frame, and of its object in Node."""


class ClosingPorts:
    """The UDP ports of a program that are being closed. A new one waits until they are.

    For Node, a port is free as soon as `close` returns.
    """

    def __init__(self) -> None:
        self._closing = 0
        self._waiting: list[Deferred[None]] = []

    def stop(self, port: IListening) -> Deferred[None]:
        """Close a port; fires when it is closed."""
        self._closing += 1
        return port.stop().addBoth(self._stopped)

    def over(self) -> Deferred[None]:
        """Return a Deferred that fires when no port is being closed."""
        if self._closing == 0:
            return succeed(None)
        waiter: Deferred[None] = Deferred(self._waiting.remove)
        self._waiting.append(waiter)
        return waiter

    def _stopped(self, result: object) -> object:
        self._closing -= 1
        if self._closing == 0:
            waiting, self._waiting = self._waiting, []
            for waiter in waiting:
                waiter.callback(None)
        return result


class _Phase(Enum):
    BINDING = auto()
    BOUND = auto()
    CLOSED = auto()


class DatagramPort(DatagramProtocol):
    """A UDP port of the program, from the call of `bind` to its close."""

    noisy = False

    def __init__(
        self, channel: Channel, runtime: Runtime, object_id: int, closing: ClosingPorts
    ) -> None:
        self._channel = channel
        self._runtime = runtime
        self._object_id = object_id
        self._closing = closing
        self._phase = _Phase.BINDING
        self._binding: Deferred[None] | None = None
        self._port: IListening | None = None
        self._unread_bytes = 0

    def bind(self, fields: Fields) -> None:
        """Open the port of a call; the answer is the event `bound` or `failed`."""
        number, host = call_fields.port(fields), _address(fields, "host")
        opening = Deferred.fromCoroutine(self._open(number, host))
        self._binding = opening.addCallbacks(self._bound, self._not_bound)
        self._binding.addErrback(self._runtime.broken)

    def called(self, fields: Fields, data: bytes) -> None:
        """Called with a call of the program for this port, and the bytes of a datagram to send."""
        match fields.get("op"):
            case "send":
                self._send((_address(fields, "host"), call_fields.port(fields)), data)
            case "option":
                self._set_option(fields)
            case "close":
                self.abandon()
            case other:
                raise BadCallError(f"a UDP port has no call {other!r}")

    def received(self, data: bytes) -> None:
        """Called with bytes for this object; a datagram is sent with a call instead."""
        raise BadCallError(f"{len(data)} bytes without a destination for a UDP port")

    def credited(self, nbytes: int) -> None:
        """Called when the program has confirmed so many bytes of datagrams."""
        self._unread_bytes = max(0, self._unread_bytes - nbytes)

    def abandon(self) -> None:
        """Close the port."""
        if self._phase is _Phase.CLOSED:
            return
        self._phase = _Phase.CLOSED
        port, self._port = self._port, None
        if port is not None:
            self._stop(port)
        elif self._binding is not None:
            self._binding.cancel()

    # Binding.

    async def _open(self, number: int, host: str) -> IListening:
        await self._closing.over()
        return await self._runtime.network.bind_udp(number, self, host=host)

    def _bound(self, port: IListening) -> None:
        if self._phase is _Phase.CLOSED:
            self._stop(port)  # the port was opened before the attempt could be cancelled
            return
        if ILosablePort.providedBy(port):
            cast("ILosablePort", port).watch_loss(self._port_lost)
        self._port = port
        self._phase = _Phase.BOUND
        address = port.getHost()
        name = f"UDP socket on port {getattr(address, 'port', 0)}"
        self._channel.rename(self._object_id, name)
        self._event(
            "bound",
            address=address_fields(address),
            options=IDatagramOptions.providedBy(self.transport),
            host_ignored=IHostIgnored.providedBy(port),
        )

    def _not_bound(self, failure: Failure) -> None:
        if self._phase is _Phase.CLOSED:
            self._closed()  # cancelled by `close`
        elif isinstance(failure.value, NodeError):
            self._phase = _Phase.CLOSED
            self._event("failed", error=error_fields(failure.value))
            self._channel.remove(self._object_id)
        else:
            failure.raiseException()

    def _port_lost(self, fault: RadioError) -> None:
        """Report that the radio was off, and could not open the port again."""
        if self._phase is not _Phase.BOUND:
            return
        self._phase = _Phase.CLOSED
        self._port = None
        error = NodeError(f"bind {fault.code}: the port was lost: {fault}", fault.code)
        self._event("lost", error=error_fields(error))
        self._closed()

    def _stop(self, port: IListening) -> None:
        stopping = self._closing.stop(port).addErrback(self._runtime.broken)
        stopping.addBoth(lambda _: self._closed())

    def _closed(self) -> None:
        self._event("closed")
        self._channel.remove(self._object_id)

    # Datagrams.

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        """Called by the radio with a datagram: passes it on, or drops it if too many wait."""
        nbytes = len(datagram) + DATAGRAM_BYTES
        if self._phase is not _Phase.BOUND or self._unread_bytes + nbytes > MAX_UNREAD_BYTES:
            return
        self._unread_bytes += nbytes
        fields = {"event": "message", "address": addr[0], "port": addr[1]}
        self._channel.send(self._object_id, fields, datagram)

    def _send(self, to: tuple[str, int], data: bytes) -> None:
        """Send a datagram. The answer is a credit of 1, or the event `unsent`."""
        if self._phase is not _Phase.BOUND:
            return
        try:
            problem = written(cast("IUDPTransport", self.transport), data, to)
        except Exception:  # noqa: BLE001 - a bug below, and not an error of the program's call
            self._runtime.broken(Failure())
            return
        if problem is None:
            self._channel.send_credit(self._object_id, 1)
        else:
            self._event("unsent", code=problem.code)

    # Options.

    def _set_option(self, fields: Fields) -> None:
        name = call_fields.text(fields, "name")
        step = _step(name, fields)
        if self._phase is not _Phase.BOUND:
            return
        try:
            apply_option(name, step, self.transport)
        except NodeError as problem:
            self._event("refused", option=name, error=error_fields(problem))

    def _event(self, name: str, **fields: object) -> None:
        self._channel.send(self._object_id, {"event": name, **fields})


def _step(name: str, fields: Fields) -> Callable[[object], None]:
    """Return what sets an option; raises BadCallError."""
    match name:
        case "setBroadcast":
            return partial(set_broadcast, call_fields.flag(fields, "value"))
        case "setTTL":
            ttl = call_fields.whole(fields, "value", HIGHEST_TTL)
            return lambda below: able_to(below, name).set_ttl(ttl)
        case "setMulticastTTL":
            ttl = call_fields.whole(fields, "value", HIGHEST_TTL)
            return lambda below: able_to(below, name).setTTL(ttl)
        case "setMulticastLoopback":
            wanted = call_fields.flag(fields, "value")
            return lambda below: able_to(below, name).setLoopbackMode(wanted)
        case "setMulticastInterface":
            address = _address(fields, "value")
            return lambda below: able_to(below, name).set_interface(address)
        case "addMembership":
            where = _membership(fields)
            return lambda below: member(able_to(below, name).joinGroup(*where))
        case "dropMembership":
            where = _membership(fields)
            return lambda below: member(able_to(below, name).leaveGroup(*where))
    raise BadCallError(f"a UDP port has no option {name!r}")


def _membership(fields: Fields) -> tuple[str, str]:
    """Return a group and the address of an interface; "": the default one."""
    interface = "" if fields.get("interface") is None else _address(fields, "interface")
    return _address(fields, "value"), interface


def _address(fields: Fields, name: str) -> str:
    address = call_fields.text(fields, name)
    if not is_ipv4(address):
        raise BadCallError(f"{fields.get('op')}: {name} is {address!r}; allowed: IPv4 addresses")
    return address
