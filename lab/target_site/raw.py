"""The site's plain TCP services, each named for what it does to its peer."""

import hashlib

from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Protocol
from twisted.internet.task import LoopingCall
from twisted.protocols.basic import FileSender, LineOnlyReceiver
from zope.interface import implementer

from lab.target_site.bodies import Body

TRICKLE_BYTES = 1024
TRICKLE_SECONDS = 0.02


@implementer(IHalfCloseableProtocol)
class Echo(Protocol):
    """Sends back what comes, and ends when its peer has ended."""

    def connectionMade(self):
        # who does not read the answer is not read either
        self.transport.registerProducer(self.transport, True)

    def dataReceived(self, data):
        self.transport.write(data)

    def readConnectionLost(self):
        self.transport.unregisterProducer()
        self.transport.loseConnection()

    def writeConnectionLost(self):
        """Ends with the reading side."""


@implementer(IHalfCloseableProtocol)
class Count(Protocol):
    """Says nothing until its peer has ended, then how many bytes came and their SHA-256."""

    def connectionMade(self):
        self._count = 0
        self._digest = hashlib.sha256()

    def dataReceived(self, data):
        self._count += len(data)
        self._digest.update(data)

    def readConnectionLost(self):
        self.transport.write(f"{self._count} {self._digest.hexdigest()}\n".encode())
        self.transport.loseConnection()

    def writeConnectionLost(self):
        """Ends with the reading side."""


class Source(LineOnlyReceiver):
    """Takes a line with a number, sends as many bytes and ends."""

    delimiter = b"\n"

    def lineReceived(self, line):
        sending = FileSender().beginFileTransfer(Body(int(line)), self.transport)
        # a peer that leaves early stops the sender, which is an errback and no fault of the site
        sending.addBoth(lambda _: self.transport.loseConnection())


class Trickle(Protocol):
    """A slow download without an end."""

    def connectionMade(self):
        self._call = LoopingCall(self.transport.write, b"." * TRICKLE_BYTES)
        self._call.start(TRICKLE_SECONDS)

    def connectionLost(self, reason):
        self._call.stop()


class Reset(Protocol):
    """Resets the connection at the first byte."""

    def dataReceived(self, data):
        self.transport.abortConnection()


@implementer(IHalfCloseableProtocol)
class Farewell(Protocol):
    """Says its word, ends its own side at once, and hears its peer out."""

    def connectionMade(self):
        self.transport.write(b"farewell\n")
        self.transport.loseWriteConnection()

    def readConnectionLost(self):
        self.transport.loseConnection()

    def writeConnectionLost(self):
        """The reading side goes on."""


SERVICES = {
    "echo": Echo,
    "count": Count,
    "source": Source,
    "trickle": Trickle,
    "reset": Reset,
    "farewell": Farewell,
}
