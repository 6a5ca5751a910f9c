"""The site's plain TCP services, named after their behaviour."""

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
    """Sends all received bytes back, and ends when its peer ends."""

    def connectionMade(self):
        # stop reading while the peer does not read
        self.transport.registerProducer(self.transport, True)

    def dataReceived(self, data):
        self.transport.write(data)

    def readConnectionLost(self):
        self.transport.unregisterProducer()
        self.transport.loseConnection()

    def writeConnectionLost(self):
        """Do nothing: the connection closes when the peer ends."""


@implementer(IHalfCloseableProtocol)
class Count(Protocol):
    """Waits until its peer ends, then sends the number of received bytes and their SHA-256."""

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
        """Do nothing: the connection closes when the peer ends."""


class Source(LineOnlyReceiver):
    """Reads a line with a number, sends that many bytes and ends."""

    delimiter = b"\n"

    def lineReceived(self, line):
        sending = FileSender().beginFileTransfer(Body(int(line)), self.transport)
        # if the peer closes early, the Deferred fails; that is not an error here
        sending.addBoth(lambda _: self.transport.loseConnection())


class Trickle(Protocol):
    """Sends 1 KiB every 20 ms, without end."""

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
    """Sends one line, ends its own side at once, and reads until its peer ends."""

    def connectionMade(self):
        self.transport.write(b"farewell\n")
        self.transport.loseWriteConnection()

    def readConnectionLost(self):
        self.transport.loseConnection()

    def writeConnectionLost(self):
        """Do nothing: reading continues."""


SERVICES = {
    "echo": Echo,
    "count": Count,
    "source": Source,
    "trickle": Trickle,
    "reset": Reset,
    "farewell": Farewell,
}
