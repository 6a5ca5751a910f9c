"""The protocol of a substream, which passes its events to a proxied connection.

It is separate from the connection because of Twisted's TLS, which provides all interfaces of its
transport. If the connection were a half-closeable protocol itself, TLS would appear as one, too,
and the connection would get its own end again and again.
"""

from __future__ import annotations

from typing import Protocol as Shape

from twisted.internet.interfaces import IHalfCloseableProtocol, ITransport
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from streamplex.jsontext import Json
from streamplex.tx import ISubstreamProtocol


class SubstreamEvents(Shape):
    """The methods of a connection that SubstreamAdapter calls; ProxiedConnection has them."""

    def heard_made(self) -> None: ...
    def heard_event(self, name: str) -> None: ...
    def heard_data(self, data: bytes) -> None: ...
    def heard_end(self) -> None: ...
    def heard_own_end_sent(self) -> None: ...
    def heard_error(self, message: str) -> None: ...
    def heard_reset(self) -> None: ...
    def heard_lost(self, reason: Failure) -> None: ...
    def take_leave(self) -> None: ...


@implementer(ISubstreamProtocol, IHalfCloseableProtocol)
class SubstreamAdapter:
    """A substream's protocol that passes each event to a connection."""

    def __init__(self, connection: SubstreamEvents) -> None:
        self.connection = connection

    def makeConnection(self, transport: ITransport) -> None:
        del transport  # the connection has the substream
        self.connection.heard_made()

    def connectionMade(self) -> None:
        """Do nothing: `makeConnection` has done the work. Part of Twisted's interface."""

    def customReceived(self, name: str, args: tuple[Json, ...]) -> None:
        del args  # the device needs none of the arguments
        self.connection.heard_event(name)

    def dataReceived(self, data: bytes) -> None:
        self.connection.heard_data(data)

    def readConnectionLost(self) -> None:
        self.connection.heard_end()

    def writeConnectionLost(self) -> None:
        self.connection.heard_own_end_sent()

    def errorReceived(self, message: str) -> None:
        self.connection.heard_error(message)

    def resetReceived(self) -> None:
        self.connection.heard_reset()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.connection.heard_lost(reason)
