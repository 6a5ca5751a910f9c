"""A TCP server of a JavaScript program: a port of the radio joined to the channel."""

from __future__ import annotations

from functools import partial
from typing import Final, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol
from twisted.python.failure import Failure

from tessel.errors import NodeError
from tessel.javascript.channel import BadCallError, Channel
from tessel.javascript.connection import Connection, address_fields
from tessel.javascript.error_fields import error_fields
from tessel.javascript.frames import Fields
from tessel.network.interface import BACKLOG, IHostIgnored, IListening
from tessel.node.base.runtime import Runtime
from tessel.radio.interface import ILosablePort, RadioError

MAX_UNCLAIMED: Final = BACKLOG
"""Accepted connections of a server that the program has not confirmed yet. Further ones are closed,
as with a full backlog, so that they do not pile up while the program is busy."""


class Server:
    """A server of the program, from the call of `listen` to its close."""

    def __init__(self, channel: Channel, runtime: Runtime, object_id: int) -> None:
        self._channel = channel
        self._runtime = runtime
        self._object_id = object_id
        self._starting: Deferred[None] | None = None
        self._port: IListening | None = None
        self._closing = False
        self._unclaimed = 0

    def listen(self, port: int, host: str, backlog: int) -> None:
        """Open the port."""
        listening = self._runtime.network.listen(port, self._accept, host=host, backlog=backlog)
        self._starting = listening.addCallbacks(self._started, self._not_started)
        self._starting.addErrback(self._runtime.broken)

    def called(self, fields: Fields, data: bytes) -> None:
        """Called with a call of the program for this server."""
        del data
        if fields.get("op") != "close":
            raise BadCallError(f"a server has no call {fields.get('op')!r}")
        self.abandon()

    def received(self, data: bytes) -> None:
        """Called with bytes for this object, which a server does not accept."""
        raise BadCallError(f"{len(data)} bytes for a server")

    def credited(self, nbytes: int) -> None:
        """Called when the program has confirmed that many accepted connections."""
        self._unclaimed = max(0, self._unclaimed - nbytes)

    def abandon(self) -> None:
        """Close the port. Accepted connections stay open."""
        self._closing = True
        port, self._port = self._port, None
        if port is not None:
            self._stop(port)
        elif self._starting is not None:
            self._starting.cancel()

    # Listening.

    def _started(self, port: IListening) -> None:
        self._starting = None
        if self._closing:
            self._stop(port)  # the port was opened before the attempt could be cancelled
            return
        if ILosablePort.providedBy(port):
            cast("ILosablePort", port).watch_loss(partial(self._runtime.call, self._port_lost))
        self._port = port
        address = port.getHost()
        self._channel.rename(self._object_id, f"server on port {getattr(address, 'port', 0)}")
        self._event(
            "listening",
            address=address_fields(address),
            host_ignored=IHostIgnored.providedBy(port),
        )

    def _not_started(self, failure: Failure) -> None:
        self._starting = None
        if self._closing:
            self._closed()
        elif isinstance(failure.value, NodeError):
            self._event("failed", error=error_fields(failure.value))
            self._channel.remove(self._object_id)
        else:
            failure.raiseException()

    def _port_lost(self, fault: RadioError) -> None:
        """Report that the radio was off, and could not open the port again."""
        self._port = None
        error = NodeError(f"listen {fault.code}: the port was lost: {fault}", fault.code)
        self._event("lost", error=error_fields(error))
        self._closed()

    def _stop(self, port: IListening) -> None:
        port.stop().addErrback(self._runtime.broken).addBoth(lambda _: self._closed())

    def _closed(self) -> None:
        self._event("closed")
        self._channel.remove(self._object_id)

    # Accepting.

    def _accept(self) -> IProtocol:
        return Connection(self._channel, self._runtime, announce=self._accepted).protocol()

    def _accepted(self, connection: Connection) -> None:
        connection.object_id = self._channel.add_accepted(
            connection, f"socket from {getattr(connection.link.peer_address(), 'host', None)}"
        )
        if self._closing or self._unclaimed >= MAX_UNCLAIMED:
            connection.abandon()
            return
        self._unclaimed += 1
        self._event("connection", id=connection.object_id, **connection.addresses())

    def _event(self, name: str, **fields: object) -> None:
        self._channel.send(self._object_id, {"event": name, **fields})
