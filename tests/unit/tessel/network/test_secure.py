"""The device's own TLS: trusted authorities, errors, and the end. All in memory."""

import datetime as dt

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from OpenSSL import crypto
from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IHandshakeListener
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.protocols.tls import TLSMemoryBIOFactory
from zope.interface import alsoProvides, implementer

from support.memory_tunnels import Connection, Plain
from support.tls_in_memory import AUTHORITY, Identity, Serving, issued, private
from tessel.errors import NodeError
from tessel.network.interface import IDiscardable, ISecured, Target, TlsOptions
from tessel.network.secure import Handshake
from tessel.network.tls_context import context_for
from tessel.network.trust import _chain_error
from tessel.node._net.certificate import described

DAY = dt.timedelta(days=1)


def self_signed(name="example.com"):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(255)
        .not_valid_before(now - DAY)
        .not_valid_after(now + DAY)
        .sign(key, SHA256())
    )
    return Identity(key, certificate)


class Server(Protocol):
    def __init__(self):
        self.data = b""
        self.lost = None

    def dataReceived(self, data):
        self.data += data

    def connectionLost(self, reason):
        self.lost = reason


class Meeting:
    """A handshake of ours with a server, over a connection in memory."""

    def __init__(self, certificate, host="example.com", make=Plain, **options):
        options.setdefault("ca", (AUTHORITY.cert_pem.bytes(),))
        if options["ca"] is None:
            del options["ca"]
        self.clock = Clock()
        self.handshake = Handshake(Target(host, 443), TlsOptions(**options), make, self.clock)
        serving = Serving(certificate)
        self.names = serving.names
        self.server = Server()
        factory = Factory()
        factory.buildProtocol = lambda addr: self.server
        server = TLSMemoryBIOFactory(serving, False, factory, self.clock).buildProtocol(None)
        self.protocol = self.error = None
        self.handshake.done.addCallbacks(self._done, self._failed)
        self.connection = Connection(self.handshake.transport, server, self.clock)

    def _done(self, protocol):
        self.protocol = protocol

    def _failed(self, failure):
        self.error = failure.value

    def pump(self):
        self.connection.pump()


def test_a_trusted_target_is_authorized_and_gets_its_protocol():
    meeting = Meeting(issued("example.com"))
    transport = meeting.protocol.transport
    assert ISecured.providedBy(transport)
    assert transport.authorized
    assert transport.authorization_error is None
    assert described(transport.peer_certificate())["subjectaltname"] == "DNS:example.com"
    assert meeting.names == [b"example.com"]
    transport.write(b"hello")
    meeting.pump()
    assert meeting.server.data == b"hello"


@pytest.mark.parametrize(
    ("certificate", "host", "code"),
    [
        (issued("other.example"), "example.com", "ERR_TLS_CERT_ALTNAME_INVALID"),
        (issued("example.com"), "192.0.2.1", "ERR_TLS_CERT_ALTNAME_INVALID"),
        (issued("192.0.2.1"), "example.com", "ERR_TLS_CERT_ALTNAME_INVALID"),
        (self_signed(), "example.com", "DEPTH_ZERO_SELF_SIGNED_CERT"),
        (
            private(trustme.CA().issue_cert("example.com")),
            "example.com",
            "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
        ),
        (
            issued("example.com", not_after=dt.datetime(2020, 1, 1, tzinfo=dt.UTC)),
            "example.com",
            "CERT_HAS_EXPIRED",
        ),
    ],
)
def test_a_target_that_is_not_trusted_is_refused_in_nodes_words(certificate, host, code):
    meeting = Meeting(certificate, host)
    assert isinstance(meeting.error, NodeError)
    assert meeting.error.code == code
    assert meeting.protocol is None
    meeting.pump()
    assert meeting.server.lost is not None
    assert meeting.server.data == b""


def test_the_program_may_look_the_other_way_and_learns_what_it_overlooks():
    meeting = Meeting(self_signed(), reject_unauthorized=False)
    transport = meeting.protocol.transport
    assert not transport.authorized
    assert transport.authorization_error.code == "DEPTH_ZERO_SELF_SIGNED_CERT"


def test_an_address_is_checked_as_one_and_no_name_is_sent():
    meeting = Meeting(issued("192.0.2.1"), "192.0.2.1")
    assert meeting.protocol is not None
    assert meeting.names == [None]


def test_servername_is_what_is_asked_for_and_checked():
    meeting = Meeting(issued("other.example"), servername="other.example")
    assert meeting.protocol is not None
    assert meeting.names == [b"other.example"]


def test_an_empty_servername_sends_none_and_checks_the_host():
    meeting = Meeting(issued("example.com"), servername="")
    assert meeting.protocol is not None
    assert meeting.names == [None]


def test_a_name_beyond_ascii_is_sent_and_checked_as_idna():
    meeting = Meeting(issued("xn--bcher-kva.example"), "bücher.example")
    assert meeting.names == [b"xn--bcher-kva.example"]
    assert meeting.protocol is not None


def test_without_ca_the_systems_authorities_are_trusted():
    assert Meeting(issued("example.com"), ca=None).error.code == "UNABLE_TO_VERIFY_LEAF_SIGNATURE"


def test_a_ca_that_is_no_pem_is_reported():
    with pytest.raises(NodeError, match="option 'ca' has no readable certificate in PEM"):
        Handshake(Target("h", 1), TlsOptions(ca=(b"rubbish",)), Plain, Clock())


@pytest.mark.parametrize("name", ["a\0b", "x" * 256, "ü" * 300, ".", "\udcff"])
def test_what_is_no_name_is_reported(name):
    with pytest.raises(NodeError, match="no name"):
        Handshake(Target(name, 1), TlsOptions(), Plain, Clock())


def test_a_name_that_no_certificate_can_have_is_not_in_it():
    meeting = Meeting(issued("example.com"), servername="not a name")
    assert meeting.error.code == "ERR_TLS_CERT_ALTNAME_INVALID"


def test_contexts_are_made_once_per_authority():
    pem = (AUTHORITY.cert_pem.bytes(),)
    assert context_for(TlsOptions(ca=pem)) is context_for(TlsOptions(ca=pem))
    assert context_for(TlsOptions(ca=pem)) is not context_for(TlsOptions())


def test_a_fault_without_a_word_of_nodes_is_reported_by_its_number():
    assert _chain_error(9999).code == "UNSPECIFIED"


def test_a_peer_that_does_not_speak_tls_is_a_protocol_error():
    meeting = Unencrypted(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert meeting.error.code == "ERR_SSL_WRONG_VERSION_NUMBER"
    assert str(meeting.error) == "TLS handshake failed: wrong version number"
    assert meeting.error.details == {"library": "SSL routines", "reason": "wrong version number"}


@pytest.mark.parametrize("reason", [ConnectionDone(), ConnectionLost()])
def test_a_connection_that_goes_during_the_handshake_is_a_reset(reason):
    meeting = Unencrypted(b"")
    meeting.connection.cut(reason)
    assert meeting.error.code == "ECONNRESET"


def test_an_error_from_below_is_reported_as_it_is():
    meeting = Unencrypted(b"")
    error = NodeError("read ETIMEDOUT", "ETIMEDOUT")
    meeting.connection.cut(error)
    assert meeting.error is error


class Unencrypted(Meeting):
    """A server that answers with these bytes."""

    def __init__(self, answer):
        self.clock = Clock()
        self.handshake = Handshake(Target("h", 1), TlsOptions(), Plain, self.clock)
        self.protocol = self.error = None
        self.handshake.done.addCallbacks(self._done, self._failed)
        server = Server()
        self.connection = Connection(self.handshake.transport, server, self.clock)
        server.transport.write(answer)
        self.connection.pump()


def test_giving_up_aborts_the_connection():
    meeting = Unencrypted(b"")
    meeting.handshake.done.cancel()
    assert isinstance(meeting.error, CancelledError)
    assert meeting.connection.ends[0].aborted


def test_giving_up_before_there_is_a_connection_is_no_fault():
    handshake = Handshake(Target("h", 1), TlsOptions(), Plain, Clock())
    failed = []
    handshake.done.addErrback(failed.append)
    handshake.done.cancel()
    assert failed[0].check(CancelledError)


def test_a_protocol_that_wants_to_know_hears_of_the_handshake():
    @implementer(IHandshakeListener)
    class Listening(Plain):
        def handshakeCompleted(self):
            self.calls.append("handshake")

    assert Meeting(issued("example.com"), make=Listening).protocol.calls == ["made", "handshake"]


def test_half_closing_says_close_notify_and_still_hears_the_answer():
    meeting = Meeting(issued("example.com"))
    meeting.protocol.transport.write(b"question")
    meeting.protocol.transport.loseWriteConnection()
    meeting.pump()
    assert meeting.server.data == b"question"
    assert meeting.protocol.lost.check(ConnectionDone)


def test_a_cut_without_close_notify_is_not_a_clean_end():
    meeting = Meeting(issued("example.com"))
    meeting.connection.cut(ConnectionDone())
    assert meeting.protocol.lost.check(ConnectionLost)


def test_a_certificate_that_only_openssl_can_read_is_refused_in_nodes_words():
    identity = self_signed()
    version_3 = identity.certificate.public_bytes(Encoding.DER)
    version_5 = version_3.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x04")
    odd = crypto.load_certificate(crypto.FILETYPE_ASN1, version_5)
    with pytest.deprecated_call():  # cryptography has no object for it
        meeting = Meeting(Identity(identity.key, odd))
    assert meeting.error.code == "DEPTH_ZERO_SELF_SIGNED_CERT"


def test_a_reset_after_the_targets_close_notify_is_a_clean_end():
    """A target that is gone answers the device's own close_notify with a reset."""
    meeting = Meeting(issued("example.com"))
    meeting.server.transport.loseConnection()
    ours, theirs = meeting.connection.ends
    ours.protocol.dataReceived(bytes(theirs.sent))
    meeting.connection.cut()
    assert meeting.protocol.lost.check(ConnectionDone)


def test_discarding_does_not_wait_for_the_targets_close_notify():
    meeting = Meeting(issued("example.com"))
    meeting.protocol.transport.write(b"last")
    meeting.protocol.transport.discard()
    assert meeting.connection.ends[0].disconnecting
    meeting.pump()
    assert meeting.server.data == b"last"
    assert meeting.server.lost.check(ConnectionDone)


def test_discarding_is_handed_to_what_is_below_if_that_has_a_word_for_it():
    meeting = Meeting(issued("example.com"))
    below = meeting.connection.ends[0]
    said = []
    alsoProvides(below, IDiscardable)
    below.discard = lambda: said.append("discard")
    meeting.protocol.transport.discard()
    assert said == ["discard"]


def test_a_certificate_is_described_as_in_node():
    der = self_signed("shown.example").certificate.public_bytes(Encoding.DER)
    shown = described(der)
    assert shown["subject"] == shown["issuer"] == {"CN": "shown.example"}
    assert shown["subjectaltname"] == ""
    assert shown["serial_number"] == "FF"
    assert shown["raw"] == der
    assert len(shown["fingerprint"].split(":")) == 20
    assert len(shown["fingerprint256"].split(":")) == 32
    assert shown["valid_to"].endswith(" GMT")
