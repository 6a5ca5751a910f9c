"""TLS that the device itself does, over a TCP connection or a substream of the tunnel."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import cast

from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL, crypto
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IHandshakeListener, IProtocol, IReactorTime
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from streamplex.tx.tls import TLSFactory, TLSTransport
from tessel.errors import NodeError
from tessel.network.cipher_names import standard_name
from tessel.network.interface import (
    Cipher,
    EphemeralKey,
    IDiscardable,
    ISecured,
    ProtocolFactory,
    StreamTransport,
    Target,
    TlsOptions,
)
from tessel.network.tls_errors import TlsError, in_nodes_words
from tessel.network.trust import Verification, peer_der

_EPHEMERAL_KEYS = {
    "x25519": EphemeralKey("ECDH", "X25519", 253),
    "x448": EphemeralKey("ECDH", "X448", 448),
    "secp256r1": EphemeralKey("ECDH", "prime256v1", 256),
    "secp384r1": EphemeralKey("ECDH", "secp384r1", 384),
    "secp521r1": EphemeralKey("ECDH", "secp521r1", 521),
}
"""OpenSSL's name of a group -> what Node shows for it. Node has none for those with ML-KEM."""


@implementer(ISecured, IDiscardable)
class TlsTransport(TLSTransport):
    """The transport of a TLS connection that the device itself encrypts.

    Addresses, idle watching and so on are those of the transport below, because Twisted's
    ProtocolWrapper forwards unknown attributes to it.
    """

    authorized = False
    authorization_error: NodeError | None = None
    _peer: bytes | None = None
    keep_session: Callable[[SSL.Connection], None] | None = None  # set if the target was accepted

    def judged(self, error: NodeError | None, peer: bytes | None) -> None:
        """Record the result of the certificate check.

        `error` is the fault; None: accepted. `peer` is the target's certificate in DER; None: it
        sent none.
        """
        self.authorized = error is None
        self.authorization_error = error
        self._peer = peer

    def peer_certificate(self) -> bytes | None:
        return self._peer

    def peer_certificate_chain(self) -> list[bytes]:
        chain = self._openssl().get_peer_cert_chain()
        if chain:
            return _ders(chain)
        return [] if self._peer is None else [self._peer]  # a resumed session has no chain

    def verified_certificate_chain(self) -> list[bytes]:
        return _ders(self._openssl().get_verified_chain() or ())

    def own_certificate(self) -> bytes | None:
        own = self._openssl().get_certificate(as_cryptography=True)
        return None if own is None else own.public_bytes(Encoding.DER)

    def protocol_version(self) -> str:
        return self._openssl().get_protocol_version_name()

    def cipher(self) -> Cipher | None:
        connection = self._openssl()
        name = connection.get_cipher_name()
        if name is None:
            return None
        return Cipher(name, standard_name(name), connection.get_cipher_version() or "")

    def alpn_protocol(self) -> bytes | None:
        return self._openssl().get_alpn_proto_negotiated() or None

    def ephemeral_key(self) -> EphemeralKey | None:
        return _EPHEMERAL_KEYS.get((self._openssl().get_group_name() or "").lower())

    def session_reused(self) -> bool:
        return self.resumed

    def _openssl(self) -> SSL.Connection:
        connection: SSL.Connection = self.getHandle()  # type: ignore[no-untyped-call]  # Twisted's
        return connection

    @property
    def ended_by_fin(self) -> bool:
        """True if the peer ended TCP by FIN without close_notify, as many servers do."""
        below = self.tcp_reason
        return below is not None and below.check(ConnectionDone) is not None

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Called when the connection below TLS is lost: keeps the session, ends the protocol."""
        if isinstance(reason.value, NodeError):
            # Twisted would report the missing close_notify instead
            self._reason = reason
        if self.keep_session is not None:
            self.keep_session(self._openssl())
        if self._lostTLSConnection and reason.check(ConnectionLost):
            reason = Failure(ConnectionDone())  # the target had said that no bytes follow
        super().connectionLost(reason)

    def _tlsShutdownFinished(self, reason: Failure | None) -> None:
        super()._tlsShutdownFinished(reason)
        if self._reason is not None:
            what = "TLS failed: " if self._handshakeDone else "TLS handshake failed: "
            self._reason = in_nodes_words(self._reason, what)

    def loseWriteConnection(self) -> None:
        """Send close_notify. Bytes from the target arrive until it sends its own close_notify."""
        self.loseConnection()

    def discard(self) -> None:
        """Send close_notify and close the connection below, without waiting for the target."""
        self.unregisterProducer()  # else both layers wait for it
        self.loseConnection()
        below = cast("StreamTransport", self.transport)
        if IDiscardable.providedBy(below):
            cast("IDiscardable", below).discard()
        else:
            below.loseConnection()


def _ders(chain: Iterable[crypto.X509]) -> list[bytes]:
    """Return certificates of a target in DER, also those that `cryptography` cannot read."""
    return [crypto.dump_certificate(crypto.FILETYPE_ASN1, one) for one in chain]


class Handshake:
    """One TLS handshake with a target, with the check of the target's certificate.

    `transport` is the protocol for the connection below TLS. `done` fires with the program's
    protocol when the certificate was accepted, else it fails with NodeError. Cancelling `done`
    aborts.
    """

    def __init__(
        self, target: Target, tls: TlsOptions, factory: ProtocolFactory, clock: IReactorTime
    ) -> None:
        """Prepare a handshake; raises NodeError if an option is wrong."""
        self._verification = Verification(target.host, tls)
        self._factory = factory
        self.done: Deferred[IProtocol] = Deferred(lambda _: self._give_up())
        layer = TLSFactory(self._verification, True, Factory(), clock)
        self.transport = TlsTransport(layer, _Awaiting(self))  # type: ignore[no-untyped-call]  # Twisted's

    def completed(self) -> None:
        """Called when the TLS handshake is complete: checks the certificate, then fires `done`.

        If the certificate is rejected, `done` fails and the connection is aborted.
        """
        connection: SSL.Connection = self.transport.getHandle()  # type: ignore[no-untyped-call]  # Twisted's
        fault = self._verification.verdict(connection)
        self.transport.judged(fault, peer_der(connection))
        if fault is None:
            self.transport.keep_session = self._verification.keep_session
        else:
            self._verification.forget_session()
        if fault is not None and self._verification.rejects:
            self.failed(Failure(fault))
            self.transport.abortConnection()  # type: ignore[no-untyped-call]  # Twisted's
            return
        self._hand_over()

    def _hand_over(self) -> None:
        protocol = self._factory()
        self.transport.wrappedProtocol = protocol  # replaces the waiting one
        protocol.makeConnection(self.transport)
        if IHandshakeListener.providedBy(protocol):
            cast("IHandshakeListener", protocol).handshakeCompleted()
        self.done.callback(protocol)

    def failed(self, reason: Failure) -> None:
        """Called when the handshake has failed: `done` fails with a NodeError.

        It does nothing to `done` if that has fired already.
        """
        if reason.check(TlsError):
            self._verification.forget_session()
        if not self.done.called:
            self.done.errback(_explained(reason))

    def _give_up(self) -> None:
        if self.transport.connected:
            self.transport.abortConnection()  # type: ignore[no-untyped-call]  # Twisted's


@implementer(IHandshakeListener)
class _Awaiting(Protocol):
    """The protocol above TLS during the handshake."""

    def __init__(self, handshake: Handshake) -> None:
        self._handshake = handshake

    def handshakeCompleted(self) -> None:
        self._handshake.completed()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._handshake.failed(reason)


def _explained(reason: Failure) -> Failure:
    if isinstance(reason.value, NodeError):
        return reason
    return Failure(
        NodeError(
            "Client network socket disconnected before secure TLS connection was established",
            "ECONNRESET",
        )
    )
