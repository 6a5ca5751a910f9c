"""What Twisted's own TCP keeps for a target that does not read: the fakes must do the same."""

import pytest_twisted
import trustme
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import Certificate, optionsForClientTLS, trustRootFromCertificates
from twisted.internet.task import deferLater
from twisted.protocols.tls import TLSMemoryBIOFactory

from support.proxy_on_sockets import Shows
from tessel_proxy.targets.connecting import TCPConnector
from tessel_proxy.targets.layered import SecureFactory, SecureTarget

MUCH = 32 * 1024 * 1024  # more than Linux and macOS buffer


class Deaf(Protocol):
    def connectionMade(self):
        self.gone = Deferred()
        self.factory.made.append(self)

    def connectionLost(self, reason):
        self.gone.callback(None)


class Nobody:
    def target_received(self, data):
        pass

    def target_lost(self, loss):
        pass

    def target_is_full(self):
        pass


class Plain:
    """A target without TLS."""

    def __init__(self, port, sockets):
        self.made = Deferred()
        self._sockets = sockets
        TCPConnector(reactor)("127.0.0.1", port, self)

    def connected(self, _address, connection):
        self.made.callback(connection.relay_for(Nobody(), reactor, self._sockets))


class Site:
    """Where deaf targets are."""

    def __init__(self, wrap):
        factory = Factory.forProtocol(Deaf)
        factory.noisy = False
        self.made = factory.made = []
        self._port = reactor.listenTCP(0, wrap(factory), interface="127.0.0.1")
        self.port = self._port.getHost().port
        self.endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", self.port)

    async def sees(self, target, sockets):
        """All that there is to see of a target that is written to and closed."""
        while not self.made:
            await deferLater(reactor, 0.01)
        (deaf,) = self.made
        deaf.transport.pauseProducing()
        target.write_pieces([bytes(MUCH)])
        await deferLater(reactor, 0.05)
        assert 0 < target.unsent_bytes <= MUCH + MUCH // 64  # what TLS adds
        target.close()
        assert target in sockets
        target.abort()
        deaf.transport.abortConnection()
        await deaf.gone
        while sockets:
            await deferLater(reactor, 0.01)
        await self._port.stopListening()


@pytest_twisted.ensureDeferred
async def test_of_a_plain_target():
    site = Site(lambda factory: factory)
    sockets = set()
    target = await Plain(site.port, sockets).made
    await site.sees(target, sockets)


@pytest_twisted.ensureDeferred
async def test_of_a_target_under_tls():
    authority = trustme.CA()
    shows = Shows(authority.issue_cert("localhost"))
    trust = trustRootFromCertificates([Certificate.loadPEM(authority.cert_pem.bytes())])
    site = Site(lambda factory: TLSMemoryBIOFactory(shows, False, factory, reactor))
    sockets = set()
    target = SecureTarget(Nobody(), reactor, sockets)
    above = Factory.forProtocol(lambda: target)
    options = optionsForClientTLS("localhost", trust)
    await site.endpoint.connect(SecureFactory(options, True, above, reactor))
    await target.secured
    await site.sees(target, sockets)
