"""Devices that connect over TLS to a proxy on the running reactor, and the proxy's certificate."""

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.internet.protocol import Factory
from twisted.internet.ssl import Certificate, optionsForClientTLS, trustRootFromCertificates
from zope.interface import implementer

from streamplex import Side
from streamplex.tx import TunnelProtocol
from support.memory_tunnels import Aware, Listener
from support.proxy_in_memory import TOKEN


@implementer(IOpenSSLServerConnectionCreator)
class Shows:
    def __init__(self, leaf):
        self._context = SSL.Context(SSL.TLS_METHOD)
        self._context.use_certificate(
            x509.load_pem_x509_certificate(leaf.cert_chain_pems[0].bytes())
        )
        self._context.use_privatekey(load_pem_private_key(leaf.private_key_pem.bytes(), None))

    def serverConnectionForTLS(self, _protocol):
        return SSL.Connection(self._context, None)


class Device(Listener):
    """A device's end of a tunnel, that can be waited for."""

    def __init__(self):
        super().__init__()
        self.answered = Deferred()
        self.gone = Deferred()

    def messageReceived(self, value):
        super().messageReceived(value)
        if not self.answered.called:
            self.answered.callback(value)

    def tunnelLost(self, reason):
        super().tunnelLost(reason)
        self.gone.callback(None)


async def connected(proxy, authority):
    """A device whose TCP and TLS stand, or are about to."""
    pem = authority.cert_pem.bytes()
    trust = trustRootFromCertificates([Certificate.loadPEM(pem)])
    plain = HostnameEndpoint(reactor, "127.0.0.1", proxy.addresses[0].port)
    endpoint = wrapClientTLS(optionsForClientTLS("localhost", trust), plain)
    device = Device()
    factory = Factory.forProtocol(lambda: TunnelProtocol(Side.B, device, reactor))
    factory.noisy = False
    await endpoint.connect(factory)
    return device


async def accepted(proxy, authority):
    """A device whose token was accepted, and the answer to it."""
    device = await connected(proxy, authority)
    device.tunnel.message({"token": TOKEN})
    return device, await device.answered


class Told(Aware):
    """A substream that can be waited for."""

    def __init__(self):
        super().__init__()
        self.waiting = {}

    def customReceived(self, name, args):
        super().customReceived(name, args)
        if name in self.waiting:
            self.waiting.pop(name).callback(None)

    def until(self, name):
        return self.waiting.setdefault(name, Deferred())
