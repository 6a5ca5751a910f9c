"""Twisted's names without a promise that streamplex.tx uses: a new Twisted may lack them.

Each test says which module needs the name. tx/openssl.py's names have tests in test_openssl.py.
"""

import socket

import pytest
from twisted.internet.interfaces import IReactorFDSet
from twisted.internet.protocol import Factory
from twisted.internet.ssl import ClientContextFactory
from twisted.internet.task import Clock
from twisted.internet.tcp import Connection
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from zope.interface import implementer

from streamplex.tx.tls import TLSTransport

TCP = {
    "_tempDataLen": (int, "bulk.py and tcp.py: bytes that wait beside dataBuffer"),
    "dataBuffer": (bytes, "bulk.py and tcp.py: bytes that wait to be sent"),
    "offset": (int, "bulk.py and tcp.py: bytes of dataBuffer that were sent"),
    "_writeDisconnecting": (bool, "bulk.py: a half close waits for queued bytes"),
    "_writeDisconnected": (bool, "bulk.py: the sending direction is closed"),
    "_aborting": (bool, "bulk.py: abortConnection was called"),
    "producerPaused": (bool, "bulk.py: the producer is paused"),
    "bufferSize": (int, "bulk.py: bytes of one read"),
}
TLS_METHODS = {
    "_write": "replaced: encrypts four records at once",
    "_flushSendBIO": "replaced: writes through one buffer",
    "_flushReceiveBIO": "replaced: reads through one buffer",
    "_tlsShutdownFinished": "extended: releases the producer",
    "_shutdownTLS": "called after close_notify",
    "_bufferedWrite": "called while a handshake is under way",
    "_checkHandshakeStatus": "called to begin a handshake",
}
TLS_STATE = ("_lostTLSConnection", "_handshakeDone", "_aborted", "_producer")


@implementer(IReactorFDSet)
class NoReactor:
    """Watches nothing."""

    def addReader(self, reader):
        """Do nothing."""


@pytest.fixture
def connection():
    one, other = socket.socketpair()
    with one, other:
        yield Connection(one, None, NoReactor())


@pytest.mark.parametrize("name", TCP)
def test_twisteds_tcp_connection_has_the_attributes_that_are_used(connection, name):
    kind, purpose = TCP[name]
    missing = f"Twisted's tcp.Connection.{name} has changed; used in tx/{purpose}"
    assert isinstance(getattr(connection, name, None), kind), missing


def test_twisteds_tcp_connection_closes_its_sending_direction_by_a_private_method(connection):
    missing = "tcp.Connection._closeWriteConnection has changed; replaced in targets/plain.py"
    assert callable(getattr(connection, "_closeWriteConnection", None)), missing


@pytest.mark.parametrize("name", TLS_METHODS)
def test_twisteds_tls_has_the_methods_that_are_replaced_or_called(name):
    missing = f"TLSMemoryBIOProtocol.{name} has changed; tx/tls.py: {TLS_METHODS[name]}"
    assert callable(getattr(TLSMemoryBIOProtocol, name, None)), missing


@pytest.mark.parametrize("name", TLS_STATE)
def test_twisteds_tls_has_the_state_that_is_read(name):
    missing = f"TLSMemoryBIOProtocol.{name} has changed; read in tx/tls.py"
    assert hasattr(TLSTransport, name), missing


def test_the_factory_of_twisteds_tls_makes_the_protocol_of_its_class_and_its_openssl_connection():
    assert hasattr(TLSMemoryBIOFactory, "protocol"), "used in tx/tls.py: TLSFactory"
    factory = TLSMemoryBIOFactory(ClientContextFactory(), True, Factory(), Clock())
    assert callable(getattr(factory, "_creatorCallable", None)), "used in tx/tls.py: TLSTransport"
