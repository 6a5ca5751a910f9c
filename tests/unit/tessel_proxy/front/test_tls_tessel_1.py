"""TLS with Tessel 1 boards: what they say first, a stand-in for one, what they may be shown."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from OpenSSL import SSL
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import TLSVersion
from twisted.internet.testing import StringTransport
from twisted.protocols.tls import TLSMemoryBIOFactory

from support.certificate_authorities import Party, files_of_both_ports, make_certificates, pem
from support.tls_handshakes import NOW, at, axtls, shake_hands, shown_to, trusting
from tessel_proxy.certificates.make import CertificateFamily
from tessel_proxy.front import tls_tessel_1
from tessel_proxy.front.identity import TLSIdentity
from tessel_proxy.front.tls import server_tls
from tessel_proxy.front.tls_tessel_1 import TESSEL_1, tessel_1_tls
from tessel_proxy.startup.config import Config
from tessel_service_kit.settings import ConfigError

SOON = NOW + timedelta(days=9)
HELLOS = Path(__file__).parents[3] / "interop" / "axtls"

HANDSHAKE, ALERT, APPLICATION_DATA = 22, 21, 23
SERVER_HELLO, CERTIFICATE, SERVER_HELLO_DONE = 2, 11, 14
TLS_1_1 = bytes.fromhex("0302")
AES128_SHA = bytes.fromhex("002f")


@pytest.fixture
def config(tmp_path):
    return Config(**files_of_both_ports(tmp_path))


@pytest.fixture
def tls(config):
    return tessel_1_tls(config, at(NOW))


def records(data):
    """TLS records as (type, version, body)."""
    found = []
    while data:
        length = int.from_bytes(data[3:5], "big")
        found.append((data[0], data[1:3], data[5 : 5 + length]))
        data = data[5 + length :]
    return found


def answer_to(options, said):
    factory = TLSMemoryBIOFactory(options, False, Factory.forProtocol(Protocol))
    server, wire = factory.buildProtocol(None), StringTransport()
    server.makeConnection(wire)
    server.dataReceived(said)
    return records(wire.value())


# --- what a board says first


def hello(name):
    lines = (HELLOS / name).read_text().splitlines()
    return bytes.fromhex("".join(line for line in lines if not line.startswith("#")))


@pytest.fixture(params=["axtls_clienthello_sni.hex", "axtls_clienthello_nosni.hex"])
def from_board(request):
    return hello(request.param)


def test_a_boards_first_words_are_answered_in_tls_1_1(tls, from_board):
    answer = answer_to(tls, from_board)
    kinds, versions, bodies = zip(*answer, strict=True)
    assert set(kinds) == {HANDSHAKE}
    assert set(versions) == {TLS_1_1}
    server_hello = bodies[0]
    assert (server_hello[0], server_hello[4:6]) == (SERVER_HELLO, TLS_1_1)
    session = server_hello[38]
    assert server_hello[39 + session : 41 + session] == AES128_SHA


def test_each_message_to_a_board_is_whole_within_one_record(tls, from_board):
    messages = []
    for _kind, _version, body in answer_to(tls, from_board):
        start = 0
        while start < len(body):
            messages.append(body[start])
            start += 4 + int.from_bytes(body[start + 1 : start + 4], "big")
        assert start == len(body)
    assert messages == [SERVER_HELLO, CERTIFICATE, SERVER_HELLO_DONE]


def test_a_board_is_refused_where_current_devices_come_to(config, from_board):
    ((kind, _version, _body),) = answer_to(server_tls(config, at(NOW)), from_board)
    assert kind == ALERT


# --- substitutes for one


def test_a_stand_in_that_trusts_the_authority_speaks_with_the_proxy(config, tls):
    server, client, flush = shake_hands(tls, axtls(config))
    client.transport.write(b"ping")
    server.transport.write(b"pong")
    flush()
    assert (server.received, client.received) == (b"ping", b"pong")
    handle = client.transport.getHandle()
    assert (handle.get_protocol_version_name(), handle.get_cipher_name()) == (
        "TLSv1.1",
        "AES128-SHA",
    )


@pytest.mark.parametrize("version", [SSL.TLS1_VERSION, SSL.TLS1_2_VERSION])
def test_tls_1_0_and_1_2_are_spoken_too(tls, version):
    client_options = axtls()
    client_options._context.set_max_proto_version(version)
    client_options._context.set_min_proto_version(version)
    server, client, flush = shake_hands(tls, client_options)
    client.transport.write(b"ping")
    flush()
    assert server.received == b"ping"


@pytest.mark.parametrize("version", [SSL.TLS1_1_VERSION, SSL.TLS1_2_VERSION])
def test_a_client_that_offers_protocols_is_served_there_too(config, tls, version):
    client_options = axtls(config)
    client_options._context.set_max_proto_version(version)
    client_options._context.set_alpn_protos([b"h2", b"http/1.1"])
    server, client, flush = shake_hands(tls, client_options)
    client.transport.write(b"ping")
    flush()
    assert server.received == b"ping"
    assert client.transport.getHandle().get_alpn_proto_negotiated() == b""


def test_what_current_devices_offer_is_not_taken_there(config, tls):
    options = trusting(config, insecurelyLowerMinimumTo=TLSVersion.TLSv1_2)
    server, _client, _flush = shake_hands(tls, options)
    assert isinstance(server.lost, SSL.Error)


def test_its_certificate_is_renewed_by_itself(config, tls):
    _server, former, _flush = shake_hands(tls, axtls(config))
    renewed = make_certificates(["proxy.example"], config, NOW, CertificateFamily.TESSEL_1).server
    tls.reload()
    _server, later, _flush = shake_hands(tls, axtls(config))
    assert shown_to(later) == renewed != shown_to(former)
    assert tls.paths == (config.legacy_cert_file, config.legacy_key_file)
    assert tls.name == "the certificate for Tessel 1 boards"


def test_without_a_port_for_them_there_is_none(config):
    assert tessel_1_tls(replace(config, legacy_port=None), at(NOW)) is None


def test_no_certificate_is_asked_of_a_board(config):
    asking = replace(config, client_ca_file=config.cert_file)
    server, client, flush = shake_hands(tessel_1_tls(asking, at(NOW)), axtls(config))
    client.transport.write(b"ping")
    flush()
    assert server.received == b"ping"


# --- what it may be shown


def faults(config):
    with pytest.raises(ConfigError) as raised:
        tessel_1_tls(config, at(NOW))
    return list(raised.value.faults)


def test_missing_files_are_told_by_the_names_of_their_settings_and_how_to_make_them(tmp_path):
    config = Config(
        legacy_port=0, legacy_cert_file=tmp_path / "c.pem", legacy_key_file=tmp_path / "k.pem"
    )
    told = faults(config)
    assert [fault.split("=")[0] for fault in told] == ["LEGACY_CERT_FILE", "LEGACY_KEY_FILE"]
    for fault in told:
        assert fault.endswith("; `tessel-proxy make-cert --for-tessel-1` makes one")


def test_a_key_that_is_not_rsa_is_told(config):
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    leaf = authority.issue_cert("proxy.example", key_type=trustme.KeyType.ECDSA, not_after=SOON)
    config.legacy_cert_file.write_bytes(leaf.cert_chain_pems[0].bytes())
    config.legacy_key_file.write_bytes(leaf.private_key_pem.bytes())
    source = f"LEGACY_CERT_FILE='{config.legacy_cert_file}': "
    no_rsa, signed = faults(config)
    assert no_rsa == f"{source}its key is not an RSA key; the Tessel 1 supports no other"
    assert signed.endswith("allowed: RSA (PKCS #1 v1.5) with SHA-256")


KEY = rsa.generate_private_key(65537, 2048)


def certificate(*, issuer=None, until=SOON, filler=0, digest=None, pss=None):
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a")])
    authority = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer or "a")])
    builder = (
        x509.CertificateBuilder(subject, authority, KEY.public_key(), 1)
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(until)
    )
    if filler:
        oid = x509.ObjectIdentifier("1.2.3.4")
        builder = builder.add_extension(x509.UnrecognizedExtension(oid, bytes(filler)), False)
    return builder.sign(KEY, digest or SHA256(), rsa_padding=pss)


def told(*chain, key=KEY):
    return TESSEL_1.faults(TLSIdentity(chain[0], chain[1:], key))


PSS = padding.PSS(padding.MGF1(SHA256()), 32)


@pytest.mark.parametrize(
    ("shown", "why"),
    [
        (certificate(), None),
        (certificate(issuer="b"), None),
        (certificate(digest=SHA384()), None),  # an authority's signature on itself
        (certificate(issuer="b", digest=SHA384()), "does not support"),
        (certificate(pss=PSS), "does not support"),
        (certificate(until=datetime(2038, 1, 19, 3, 14, 7, tzinfo=UTC)), None),
        (certificate(until=datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC)), "before 2038-01-19"),
        (certificate(until=datetime(2049, 12, 31, tzinfo=UTC)), "before 2038-01-19"),
        (certificate(until=datetime(2050, 1, 1, tzinfo=UTC)), "before 2038-01-19"),
        (certificate(filler=15_000), None),
        (certificate(filler=16_000), "bytes together"),
    ],
)
def test_what_axtls_cannot_read_is_told_before_a_board_meets_it(shown, why):
    found = told(shown)
    assert (found == []) if why is None else (len(found) == 1 and why in found[0])


def test_the_whole_chain_is_looked_at():
    assert len(told(certificate(), certificate(pss=PSS))) == 1
    (fault,) = told(certificate(filler=9_000), certificate(filler=9_000))
    assert fault.endswith(f"allowed for the Tessel 1: {tls_tessel_1.MAX_CHAIN_BYTES}")


def test_what_boards_do_not_need_is_not_looked_at(config):
    """An expired cross certificate that they could not read: it is not sent."""
    root, old_root = Party("root"), Party("old root")
    cross = old_root.certify(root, end=NOW - timedelta(days=1))
    leaf = certificate()  # signed with RSA by itself
    config.legacy_cert_file.write_bytes(pem(leaf, cross))
    config.legacy_key_file.write_bytes(
        KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    tls = tessel_1_tls(config, at(NOW))
    assert (tls.identity.certificate, tls.identity.chain) == (leaf, ())
    (warning,) = tls.warnings
    assert warning.startswith(f"LEGACY_CERT_FILE='{config.legacy_cert_file}': CN=root expired at")


def test_a_key_that_is_too_long_is_told(monkeypatch):
    monkeypatch.setattr(tls_tessel_1, "MAX_KEY_BITS", 1024)
    assert told(certificate()) == ["its key has 2048 bits; allowed for the Tessel 1: at most 1024"]


def test_a_chain_at_the_limit_still_fits_one_record(config, tls, from_board):
    identity = TLSIdentity(certificate(filler=15_000), (), KEY)
    assert TESSEL_1.faults(identity) == []
    tls.use(identity)
    assert [body[0] for _kind, _version, body in answer_to(tls, from_board)][1] == CERTIFICATE
