"""The chip's sockets by their numbers, and the sockets of this machine behind them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import ClassVar, TypeAlias, TypeVar, cast

from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IAddress, IListeningPort, IProtocol, IReactorTime
from twisted.internet.protocol import ServerFactory
from twisted.internet.tcp import Port

from tessel.cc3000.hci.codes import Option
from tessel.emulator.datagram_queue import DatagramQueue
from tessel.emulator.peer_connection import PeerConnection
from tessel.emulator.quirks import Quirks

FOREVER = 0  # of a receive timeout: no timeout


def _default_options() -> dict[int, int]:
    """Return the options of a new socket: everything waits. The value 0 means on."""
    return {Option.RECV_NONBLOCK: 1, Option.RECV_TIMEOUT_MS: FOREVER, Option.ACCEPT_NONBLOCK: 1}


class AcceptQueue(ServerFactory):
    """Holds connections that the host has not accepted yet.

    At most `depth` wait here; further ones wait in the kernel of this machine.
    """

    noisy = False

    def __init__(
        self, build: Callable[[], PeerConnection], depth: int, arrived: Callable[[], None]
    ) -> None:
        self._build = build
        self._depth = depth
        self._arrived = arrived
        self._pending: deque[PeerConnection] = deque()
        self.port: IListeningPort | None = None

    def buildProtocol(self, addr: IAddress) -> PeerConnection:  # type: ignore[override]  # as in the stubs
        del addr
        stream = self._build()
        stream.changed = self._arrived  # called as soon as it has a transport
        self._pending.append(stream)
        if len(self._pending) >= self._depth:
            self._reading().pauseProducing()
        return stream

    def __len__(self) -> int:
        return len(self._pending)

    def pop(self) -> PeerConnection:
        """Remove and return the oldest connection. Raises IndexError if there is none."""
        stream = self._pending.popleft()
        if len(self._pending) < self._depth and self.port is not None:
            self._reading().resumeProducing()
        return stream

    def stop(self) -> Deferred[None]:
        """Close the port and its waiting connections.

        The Deferred fires when the port is free again.
        """
        for stream in self._pending:
            stream.abort()
        self._pending.clear()
        port, self.port = self.port, None
        return stopped(port)

    def _reading(self) -> Port:
        return cast("Port", self.port)


def stopped(port: IListeningPort | None) -> Deferred[None]:
    """Close a port; the Deferred fires when it is closed, at once if `port` is None."""
    if port is None:
        return succeed(None)
    return cast("Deferred[None]", maybeDeferred(port.stopListening))


@dataclass(eq=False, slots=True)
class TcpSocket:
    """A TCP socket of the chip: fresh, dialling, connected, listening or dead."""

    sd: int
    opened_at: float
    bound_port: int = 0
    options: dict[int, int] = field(default_factory=_default_options)
    dial: Deferred[IProtocol] | None = None
    stream: PeerConnection | None = None
    listener: AcceptQueue | None = None
    dead: bool = False  # closed by the chip: by a timer, or with the link
    close_wait_reported: bool = False

    @property
    def last_used(self) -> float:
        """The time, in seconds of the clock, of the last send, read or received byte."""
        return self.opened_at if self.stream is None else self.stream.last_used

    @property
    def is_over(self) -> bool:
        """True if the chip has closed the socket, or its connection is lost."""
        return self.dead or (self.stream is not None and self.stream.lost)

    @property
    def is_fresh(self) -> bool:
        """True if the socket is not connected, connecting, listening or dead."""
        begun = (self.dial, self.stream, self.listener)
        return not self.dead and all(one is None for one in begun)

    def may_send(self, quirks: Quirks) -> bool:
        """Return True if the chip accepts a send on this socket."""
        stream = self.stream
        if self.dead or stream is None or stream.lost:
            return False
        return quirks.half_close or not stream.finished

    def has_to_read(self) -> bool:
        """Return True if a read is answered at once: bytes are there, or none will come."""
        if self.stream is None:
            return self.dead or self.is_fresh
        return self.dead or self.stream.is_over or bool(self.stream.received)

    @property
    def may_be_written(self) -> bool:
        """True if a send is answered at once, even with an error, as BSD's `select` reports."""
        return self.dead or (self.dial is None and self.listener is None)

    @property
    def was_cut(self) -> bool:
        """True if the socket is dead, or its connection closed without the peer's FIN."""
        return self.dead or (self.stream is not None and self.stream.was_cut)

    def cut(self) -> Deferred[None]:
        """Mark the socket as dead and reset its connection.

        Received bytes can still be read. The Deferred fires when the port is free again.
        """
        self.dead = True
        if self.stream is not None:
            self.stream.abort()
        return self._leave()

    def close(self) -> Deferred[None]:
        """Close the socket. The Deferred fires when its port, if it has one, is free again."""
        if self.stream is not None:
            self.stream.close()
        return self._leave()

    def _leave(self) -> Deferred[None]:
        if self.dial is not None:
            self.dial.cancel()
        listener, self.listener = self.listener, None
        return succeed(None) if listener is None else listener.stop()


@dataclass(eq=False, slots=True)
class UdpSocket:
    """A UDP socket of the chip. Its port of this machine is opened when first needed."""

    sd: int
    bound_port: int = 0
    options: dict[int, int] = field(default_factory=_default_options)
    datagrams: DatagramQueue | None = None
    port: IListeningPort | None = None
    dead: bool = False

    may_be_written: ClassVar[bool] = True

    @property
    def is_over(self) -> bool:
        """True if the chip has closed the socket."""
        return self.dead

    @property
    def was_cut(self) -> bool:
        """True if the chip has closed the socket."""
        return self.dead

    def may_send(self, quirks: Quirks) -> bool:
        """Return True if the chip has not closed the socket."""
        del quirks
        return not self.dead

    def has_to_read(self) -> bool:
        """Return True if a read is answered at once: a datagram is there, or none will come."""
        return self.dead or (self.datagrams is not None and bool(self.datagrams.arrived))

    def cut(self) -> Deferred[None]:
        """Mark the socket as dead and close its port. Fires when the port is free again."""
        self.dead = True
        return self.close()

    def close(self) -> Deferred[None]:
        """Close the socket's port. The Deferred fires when the port is free again."""
        port, self.port = self.port, None
        return stopped(port)


ChipSocket: TypeAlias = TcpSocket | UdpSocket
S = TypeVar("S", TcpSocket, UdpSocket)


class SocketTable:
    """Holds the open sockets by number. A new socket gets the lowest free number."""

    def __init__(self, limit: int, clock: IReactorTime) -> None:
        self._limit = limit
        self._clock = clock
        self._open: dict[int, ChipSocket] = {}
        self._closed: set[int] = set()  # numbers that were used, and are free now

    def __iter__(self) -> Iterator[ChipSocket]:
        return iter(list(self._open.values()))

    def __len__(self) -> int:
        return len(self._open)

    @property
    def has_room(self) -> bool:
        """True if one more socket can be opened."""
        return len(self._open) < self._limit

    def open_tcp(self) -> TcpSocket:
        """Open a TCP socket and return it. The caller checks `has_room`."""
        return self._kept(TcpSocket(self._lowest(), self._clock.seconds()))

    def open_udp(self) -> UdpSocket:
        """Open a UDP socket and return it. The caller checks `has_room`."""
        return self._kept(UdpSocket(self._lowest()))

    def get(self, sd: int) -> ChipSocket | None:
        """Return the open socket with the number `sd`, or None."""
        return self._open.get(sd)

    def tcp(self, sd: int) -> TcpSocket | None:
        """Return the open TCP socket with the number `sd`, or None."""
        found = self._open.get(sd)
        return found if isinstance(found, TcpSocket) else None

    def was_closed(self, sd: int) -> bool:
        """Return True if a socket with the number `sd` was closed and none is open now."""
        return sd in self._closed

    def drop(self, sd: int) -> ChipSocket | None:
        """Remove a socket from the table and return it, or None if it is not open.

        The socket itself is not closed.
        """
        dropped = self._open.pop(sd, None)
        if dropped is not None:
            self._closed.add(sd)
        return dropped

    def _kept(self, opened: S) -> S:
        self._open[opened.sd] = opened
        self._closed.discard(opened.sd)
        return opened

    def _lowest(self) -> int:
        return next(sd for sd in count() if sd not in self._open)
