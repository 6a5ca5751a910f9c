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
from tessel.javascript.error_fields import error_fields
from tessel.javascript.flow import WINDOW_BYTES, Received, Window
from tessel.javascript.frames import Fields
from tessel.javascript.tls_fields import tls_facts
from tessel.node._net.socket_link import SocketLink
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
        self._channel = channel
        self._runtime = runtime
        self._announce = announce
        self.object_id = object_id
        self.link = SocketLink(self, runtime)
        self._attempt: Deferred[IProtocol] | None = None
        self._down = Window()  # bytes to the program
        self._up = Received()  # bytes from the program
        self._early: list[bytes] = []  # written before there is a transport
        self._early_bytes = 0
        self._ending = False  # the program has closed its half
        self._gone = False  # the program has destroyed the socket
        self._after_bytes: list[Fields] = []  # events that follow bytes which wait for credit
        self._on_open: list[Callable[[], None]] = []  # options set before there is a transport

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
        self._event("connected", **self.addresses(), tls=tls_facts(self.link.secured()))

    def _failed(self, failure: Failure) -> None:
        self._attempt = None
        self.link.give_up()
        if failure.check(CancelledError) and self._gone:
            self._over(None)
        elif isinstance(failure.value, NodeError) and failure.value.code != "ERR_SETTINGS":
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
                self._end()
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
        if self._gone:
            return
        if self.link.usable:
            self.link.write(data)
            self._return_credit(len(data))
            return
        self._early_bytes += len(data)
        if self._early_bytes > WINDOW_BYTES:
            raise BadCallError(f"{self._early_bytes} bytes beyond the credit of a socket")
        self._early.append(data)

    def credited(self, nbytes: int) -> None:
        """Called when the program has consumed bytes."""
        self._flush_down(self._down.credited(nbytes))
        if not self._down.full and self.link.usable:
            self.link.resume()

    def abandon(self) -> None:
        """Called when the program has ended: sends what it has written, and closes."""
        self._destroy()

    def _end(self) -> None:
        self._ending = True
        if self.link.usable:
            self.link.end()

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
        self.link.watch_idle(timeout_ms, lambda: self._event("idle"))

    def _return_credit(self, nbytes: int, *, all_of_it: bool = False) -> None:
        if self.link.congested:
            self._up.owe(nbytes)  # until the transport has room
            return
        credit = self._up.consumed(nbytes, all_of_it=all_of_it)
        if credit:
            self._channel.send_credit(self.object_id, credit)

    # Events of the link.

    def link_opened(self) -> None:
        """Called when there is a transport: passes on what the program did before."""
        if self._gone:
            return
        self._announce(self)
        self._event("opened", watched=self.link.watches_idle, weak=self.link.weak)
        for action in self._on_open:
            action()
        early, self._early = b"".join(self._early), []
        if early:
            self.link.write(early)
            self._return_credit(len(early))
        if self._ending:
            self.link.end()

    def link_looked_up(
        self, error: NodeError | None, address: str | None, family: int | None
    ) -> None:
        """Called when the target's name was looked up, by the device or by the proxy."""
        fault = None if error is None else error_fields(error)
        self._event("lookup", error=fault, address=address, family=family)

    def link_connected(self) -> None:
        """Called when TCP is established; with TLS, the handshake follows."""
        self._event("tcp")

    def link_received(self, data: bytes) -> None:
        """Called with bytes from the target: sends those that the program has room for."""
        if self._gone:
            return
        self._flush_down(self._down.take(data))
        if self._down.full and self.link.usable:
            self.link.pause()

    def _flush_down(self, data: bytes) -> None:
        if data:
            self._channel.send_data(self.object_id, data)
        if not self._down.full:
            waiting, self._after_bytes = self._after_bytes, []
            for fields in waiting:
                self._send(fields)

    def link_drained(self) -> None:
        """Called when the transport has room again: returns the credit that was held back."""
        self._return_credit(0, all_of_it=True)

    def link_peer_ended(self) -> None:
        """Called when the target has closed its half."""
        self._event("end")

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
            self._down = Window()
            self._after_bytes = []
        self._event("closed", error=None if error is None else error_fields(error))

    def _event(self, name: str, **fields: object) -> None:
        """Report an event to the program, after the bytes that came before it."""
        if self._down.full:
            self._after_bytes.append({"event": name, **fields})
        else:
            self._send({"event": name, **fields})

    def _send(self, fields: Fields) -> None:
        self._channel.send(self.object_id, fields)
        if fields["event"] == "closed":
            self._channel.remove(self.object_id)


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
