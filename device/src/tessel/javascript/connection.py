"""One TCP or TLS connection of a program: a link of the network joined to the channel."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from twisted.internet.address import HostnameAddress
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress, IProtocol
from twisted.python.failure import Failure

from tessel.addresses import family_name
from tessel.errors import NodeError
from tessel.javascript import call_fields
from tessel.javascript.channel import BadCallError, Channel
from tessel.javascript.directions import FromProgram, ToProgram
from tessel.javascript.error_fields import error_fields
from tessel.javascript.frames import Fields
from tessel.javascript.tls_fields import tls_facts
from tessel.network.socket_link import SocketLink
from tessel.node.base.runtime import Runtime

MAX_TIMEOUT_MS = 2**31 - 1  # as Node's timers


class Connection:
    """A connection of the program, from the call of `connect`, or its acceptance, to its close."""

    def __init__(
        self,
        channel: Channel,
        runtime: Runtime,
        object_id: int = 0,
        announce: Callable[[Connection], None] = lambda _: None,
    ) -> None:
        """Create a connection.

        Args:
            channel: the channel to the program.
            runtime: the board's.
            object_id: its number on the channel. The server sets it for an accepted connection.
            announce: called when there is a transport, before all events.

        """
        self._runtime = runtime
        self._announce = announce
        self.link = SocketLink(self, runtime.clock)
        self._attempt: Deferred[IProtocol] | None = None
        self._down = ToProgram(channel, object_id)
        self._up = FromProgram(channel, self.link)
        self._gone = False  # the program has destroyed the socket
        self._on_open: list[Callable[[], None]] = []  # options set before there is a transport

    @property
    def object_id(self) -> int:
        """The connection's number on the channel."""
        return self._down.object_id

    @object_id.setter
    def object_id(self, number: int) -> None:
        self._down.object_id = number

    def protocol(self) -> IProtocol:
        """Return the protocol for the network."""
        return cast("IProtocol", self.link)

    # The attempt.

    def begin(self, attempt: Deferred[IProtocol]) -> None:
        """Follow a connection attempt of the network."""
        self._attempt = attempt
        attempt.addCallbacks(lambda _: self._succeeded(), self._failed)
        attempt.addErrback(self._runtime.broken)

    def _succeeded(self) -> None:
        self._attempt = None
        if self._gone:
            self.link.discard()  # established before the attempt could be cancelled
            return
        self._down.event("connected", **self.addresses(), tls=tls_facts(self.link.secured()))

    def _failed(self, failure: Failure) -> None:
        self._attempt = None
        self.link.give_up()
        if failure.check(CancelledError) and self._gone:
            self._over(None)
        elif isinstance(failure.value, NodeError):
            self._over(failure.value)
        else:
            failure.raiseException()

    def addresses(self) -> Fields:
        """Return the addresses of both ends as fields of an event."""
        return {
            "local": address_fields(self.link.local_address()),
            "remote": address_fields(self.link.peer_address()),
        }

    # Calls of the program.

    def called(self, fields: Fields, data: bytes) -> None:
        """Called with a call of the program for this socket."""
        del data
        match fields.get("op"):
            case "end":
                if not self._gone:
                    self._up.end()
            case "destroy":
                self._destroy()
            case "reset":
                self._reset()
            case "nodelay":
                enabled = call_fields.flag(fields, "on")
                self._when_open(lambda: self.link.set_no_delay(enabled))
            case "keepalive":
                enabled = call_fields.flag(fields, "on")
                self._when_open(lambda: self.link.set_keep_alive(enabled))
            case "timeout":
                self._watch_idle(call_fields.whole(fields, "ms", MAX_TIMEOUT_MS))
            case other:
                raise BadCallError(f"a socket has no call {other!r}")

    def received(self, data: bytes) -> None:
        """Called with bytes that the program has written."""
        if not self._gone:
            self._up.write(self.object_id, data)

    def credited(self, nbytes: int) -> None:
        """Called when the program has consumed bytes."""
        if self._gone:
            return
        was_full = self._down.full
        self._down.credited(nbytes)
        if was_full and not self._down.full and self.link.usable:
            self.link.resume()

    def abandon(self) -> None:
        """Called when the program has ended: sends what it has written, and closes."""
        self._destroy()

    def _destroy(self) -> None:
        if self._gone:
            return
        self._gone = True
        if self._attempt is not None:
            self._attempt.cancel()
        elif self.link.usable:
            self.link.discard()
        else:
            self._over(None)

    def _reset(self) -> None:
        if self.link.usable and not self._gone:
            self._gone = True
            self.link.abort()
        else:
            self._destroy()

    def _when_open(self, action: Callable[[], None]) -> None:
        if self.link.usable:
            action()
        else:
            self._on_open.append(action)

    def _watch_idle(self, timeout_ms: float) -> None:
        self._when_open(lambda: self._ask_idle(timeout_ms))

    def _ask_idle(self, timeout_ms: float) -> None:
        self.link.watch_idle(timeout_ms, lambda: self._down.event("idle"))

    # Events of the link.

    def link_opened(self) -> None:
        """Called when there is a transport: passes on what the program did before."""
        if self._gone:
            return
        self._announce(self)
        self._down.event("opened", watched=self.link.watches_idle, weak=self.link.weak)
        for action in self._on_open:
            action()
        self._up.opened(self.object_id)

    def link_looked_up(
        self, error: NodeError | None, address: str | None, family: int | None
    ) -> None:
        """Called when the target's name was looked up, by the device or by the proxy."""
        fault = None if error is None else error_fields(error)
        self._down.event("lookup", error=fault, address=address, family=family)

    def link_connected(self) -> None:
        """Called when TCP is established; with TLS, the handshake follows."""
        self._down.event("tcp")

    def link_received(self, data: bytes) -> None:
        """Called with bytes from the target: sends those that the program has room for."""
        if self._gone:
            return
        self._down.send(data)
        if self._down.full and self.link.usable:
            self.link.pause()

    def link_drained(self) -> None:
        """Called when the transport has room again."""
        self._up.drained(self.object_id)

    def link_peer_ended(self) -> None:
        """Called when the target has closed its half."""
        self._down.event("end")

    def link_lost(self, reason: Failure) -> None:
        """Called when the connection is lost."""
        if reason.check(ConnectionDone):
            self._over(None)
        elif isinstance(reason.value, NodeError):
            self._over(reason.value)
        else:
            self._over(NodeError("read ECONNRESET", "ECONNRESET"))

    def _over(self, error: NodeError | None) -> None:
        """Report the end of the connection; after an error, bytes that wait are dropped."""
        if error is not None or self._gone:
            self._down.drop()
        self._down.event("closed", error=None if error is None else error_fields(error))


def address_fields(address: IAddress) -> Fields | None:
    """Return `{address, port, family}`; None for an address without an IP address or a name.

    Behind the tunnel, the address is the target as the program has named it. A name has no family.
    """
    name = address.hostname.decode("utf-8") if isinstance(address, HostnameAddress) else None
    host = getattr(address, "host", name)
    if host is None:
        return None
    family = family_name(host)
    fields: Fields = {"address": host, "port": getattr(address, "port", None)}
    return fields if family is None else {**fields, "family": family}
