"""Counts of a target site's connections by service and peer, and records of their bytes.

The bytes are recorded between the socket and the service, below TLS if the service uses TLS. A
record therefore shows the bytes that a relay could read.
"""

import base64
from collections import Counter, deque

from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from zope.interface import alsoProvides

RECORDED_CONNECTIONS = 200  # of each service; more than any scenario opens
RECORDED_BYTES = 64 * 1024  # of each direction: enough for headers and small bodies


class Ledger:
    """The ServiceLedgers of one site, by service."""

    def __init__(self, site_name):
        self._site_name = site_name
        self._services = {}

    def service(self, name):
        return self._services.setdefault(name, ServiceLedger())

    def counts(self):
        return {
            "site": self._site_name,
            "services": {name: entry.counts() for name, entry in self._services.items()},
        }


class ServiceLedger:
    """Connections and requests of one service by the peer's address, and the recorded bytes."""

    def __init__(self):
        self._connections = Counter()
        self._requests = Counter()
        self._open = 0
        self._most_open = 0
        self.records = deque(maxlen=RECORDED_CONNECTIONS)

    def opened(self, peer):
        self._connections[peer] += 1
        self._open += 1
        self._most_open = max(self._most_open, self._open)

    def closed(self):
        self._open -= 1

    def requested(self, peer):
        self._requests[peer] += 1

    def counts(self):
        return {
            "connections": dict(self._connections),
            "requests": dict(self._requests),
            "open": self._open,
            "most_open": self._most_open,
        }


class _Record:
    """The first RECORDED_BYTES of one connection, in each direction."""

    def __init__(self):
        self._received = bytearray()
        self._sent = bytearray()

    def received(self, data):
        self._received += data[: RECORDED_BYTES - len(self._received)]

    def sent(self, data):
        self._sent += data[: RECORDED_BYTES - len(self._sent)]

    def as_json(self):
        return {
            "received": base64.b64encode(self._received).decode(),
            "sent": base64.b64encode(self._sent).decode(),
        }


class _Tapped(ProtocolWrapper):
    """A connection that is counted and whose bytes are recorded."""

    def makeConnection(self, transport):
        self._ledger = self.factory.ledger
        self._record = _Record()
        self._ledger.records.append(self._record)
        self._ledger.opened(transport.getPeer().host)
        super().makeConnection(transport)
        if IHalfCloseableProtocol.providedBy(self.wrappedProtocol):
            alsoProvides(self, IHalfCloseableProtocol)

    def dataReceived(self, data):
        self._record.received(data)
        super().dataReceived(data)

    def write(self, data):
        self._record.sent(data)
        super().write(data)

    def writeSequence(self, data):
        self.write(b"".join(data))

    def readConnectionLost(self):
        self.wrappedProtocol.readConnectionLost()

    def writeConnectionLost(self):
        self.wrappedProtocol.writeConnectionLost()

    def connectionLost(self, reason):
        self._ledger.closed()
        super().connectionLost(reason)


class Tap(WrappingFactory):
    """Wraps a service's factory, so that its connections are counted and recorded."""

    protocol = _Tapped

    def __init__(self, factory, ledger):
        super().__init__(factory)
        self.ledger = ledger
