"""A plain Twisted TLS forwarder for comparison: `twisted.protocols.portforward` behind TLS.

It is the simplest solution with Twisted: a TLS listener, a TCP client for each connection, and
back-pressure by producers. Nagle's algorithm is off on both sides, as for all contenders.

usage: python -m bench.twisted_forwarder CERTIFICATE KEY TARGET_PORT   (prints its own port)
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import cast

from twisted.internet import reactor, ssl  # noqa: TID251 -- a program of its own
from twisted.internet.interfaces import ITCPTransport
from twisted.protocols.portforward import ProxyClient, ProxyClientFactory, ProxyFactory, ProxyServer


def _without_nagle(transport: object) -> None:
    cast("ITCPTransport", transport).setTcpNoDelay(True)


class _Client(ProxyClient):
    def connectionMade(self) -> None:
        _without_nagle(self.transport)
        super().connectionMade()


class _ClientFactory(ProxyClientFactory):
    noisy = False
    protocol = _Client


class _Server(ProxyServer):
    clientProtocolFactory = _ClientFactory

    def connectionMade(self) -> None:
        _without_nagle(self.transport)
        super().connectionMade()


class _Factory(ProxyFactory):
    noisy = False
    protocol = _Server


def main(certificate: str, key: str, target_port: str) -> None:
    pem = Path(key).read_bytes() + Path(certificate).read_bytes()
    context = ssl.PrivateCertificate.loadPEM(pem).options()
    factory = _Factory("127.0.0.1", int(target_port))
    listening = reactor.listenSSL(0, factory, context, backlog=4096, interface="127.0.0.1")  # type: ignore[attr-defined]
    print(listening.getHost().port, flush=True)
    reactor.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
