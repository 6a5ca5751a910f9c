import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, rsa, x25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from OpenSSL import SSL
from twisted.internet.ssl import Certificate, TLSVersion, optionsForClientTLS

from support.certificate_authorities import CERTIFICATE_ON_SECP160R1, make_certificates
from support.tls_handshakes import NOW, Client, at, axtls, shake_hands, shown_to, trusting
from tessel_proxy.certificates.keyfiles import certificate_file, key_file, write_together
from tessel_proxy.certificates.pem import MAX_PEM_BYTES, certificates_in
from tessel_proxy.front.identity import TLSIdentity
from tessel_proxy.front.tls import server_tls, utc
from tessel_proxy.startup.config import Config
from tessel_service_kit.settings import ConfigError

KINDS = "allowed: RSA, EC on a NIST or Brainpool curve, Ed25519 or Ed448"

# Made with OpenSSL, for cryptography does not know the curve: `openssl ecparam -name secp160r1
# -genkey -noout`, `openssl req -x509 -new -subj /CN=proxy.example -days 3650`.
KEY_ON_SECP160R1 = b"""\
-----BEGIN EC PRIVATE KEY-----
MFECAQEEFQBkpxgAd8GaUy0Kh1pvxRxPd3sE1KAHBgUrgQQACKEsAyoABGSjodx8
5VWa6ywkhjxzWm/PQDI8BXnCFK6SjEcDNl6+9k6TlmaH3w4=
-----END EC PRIVATE KEY-----
"""


@pytest.fixture
def config(tmp_path):
    config = Config(cert_file=tmp_path / "public-cert.pem", key_file=tmp_path / "private-key.pem")
    make_certificates(["proxy.example"], config, NOW)
    return config


# --- a real handshake


@pytest.mark.parametrize("version", [TLSVersion.TLSv1_2, TLSVersion.TLSv1_3])
def test_a_device_that_trusts_the_authority_speaks_with_the_proxy(config, version):
    client_options = trusting(
        config, insecurelyLowerMinimumTo=version, lowerMaximumSecurityTo=version
    )
    server, client, flush = shake_hands(server_tls(config, at(NOW)), client_options)
    client.transport.write(b"ping")
    server.transport.write(b"pong")
    flush()
    assert (server.received, client.received) == (b"ping", b"pong")
    name = client.transport.getHandle().get_protocol_version_name()
    assert name.replace(".", "_") == version.name


@pytest.mark.parametrize("version", [TLSVersion.TLSv1_2, TLSVersion.TLSv1_3])
def test_the_cheapest_cipher_is_taken_whatever_the_device_likes_best(config, version):
    client_options = trusting(
        config, insecurelyLowerMinimumTo=version, lowerMaximumSecurityTo=version
    )
    _server, client, _flush = shake_hands(server_tls(config, at(NOW)), client_options)
    assert "AES" in client.transport.getHandle().get_cipher_name()
    assert client.transport.getHandle().get_cipher_bits() == 128


def test_a_device_that_asks_for_another_name_does_not(config):
    _server, client, _flush = shake_hands(
        server_tls(config, at(NOW)), trusting(config, "other.example")
    )
    assert client.lost is not None


def test_a_device_with_no_more_than_tls_1_1_is_turned_away(config):
    server, client, _flush = shake_hands(server_tls(config, at(NOW)), axtls())
    assert isinstance(server.lost, SSL.Error)
    assert client.lost is not None


@pytest.mark.parametrize("ciphers", [b"AES128-GCM-SHA256", b"ECDHE-RSA-AES128-SHA"])
def test_ciphers_without_forward_secrecy_or_authentication_are_not_taken(config, ciphers):
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_cipher_list(ciphers)
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    server, _client, _flush = shake_hands(server_tls(config, at(NOW)), Client(context))
    assert isinstance(server.lost, SSL.Error)


def test_the_whole_chain_is_sent(tmp_path):
    authority = trustme.CA()
    middle = authority.create_child_ca()
    leaf = middle.issue_cert("proxy.example")
    config = Config(cert_file=tmp_path / "c.pem", key_file=tmp_path / "k.pem")
    config.cert_file.write_bytes(b"".join(each.bytes() for each in leaf.cert_chain_pems))
    config.key_file.write_bytes(leaf.private_key_pem.bytes())
    trust = Certificate.loadPEM(authority.cert_pem.bytes())
    options = optionsForClientTLS("proxy.example", trustRoot=trust)
    server, client, flush = shake_hands(server_tls(config, at(NOW)), options)
    client.transport.write(b"ping")
    flush()
    assert server.received == b"ping"


def test_a_new_identity_is_shown_to_new_connections_and_leaves_open_ones_alone(config):
    tls = server_tls(config, at(NOW))
    server, client, flush = shake_hands(tls, trusting(config))
    renewed = make_certificates(["proxy.example"], config, NOW).server
    tls.reload()
    _server, later_client, _flush = shake_hands(tls, trusting(config))
    client.transport.write(b"still here")
    flush()
    assert server.received == b"still here"
    assert shown_to(later_client) == renewed != shown_to(client)
    assert tls.identity.certificate == renewed


def test_an_identity_that_openssl_refuses_leaves_the_former_in_place(config):
    tls = server_tls(config, at(NOW))
    good = tls.identity
    other = rsa.generate_private_key(65537, 2048)
    with pytest.raises(SSL.Error):
        tls.use(TLSIdentity(good.certificate, (), other))
    assert tls.identity is good
    _server, client, _flush = shake_hands(tls, trusting(config))
    assert shown_to(client) == good.certificate


def test_a_renewal_that_is_half_done_leaves_the_former_pair_in_place(config):
    tls = server_tls(config, at(NOW))
    former = config.key_file.read_bytes()
    renewed = make_certificates(["proxy.example"], config, NOW).server
    renewed_key = config.key_file.read_bytes()
    config.key_file.write_bytes(former)
    with pytest.raises(ConfigError, match="not that of the first certificate"):
        tls.reload()
    assert tls.identity.certificate != renewed
    config.key_file.write_bytes(renewed_key)
    tls.reload()
    assert tls.identity.certificate == renewed
    assert tls.name == "the certificate"
    assert tls.paths == (config.cert_file, config.key_file)


# --- clients that offer protocols (ALPN), as load balancers and HTTP clients do


@pytest.mark.parametrize("version", [TLSVersion.TLSv1_2, TLSVersion.TLSv1_3])
@pytest.mark.parametrize("offered", [[b"h2"], [b"h2", b"http/1.1"], [b"unheard/of"]])
def test_a_client_that_offers_protocols_is_served_without_one(config, version, offered):
    options = trusting(
        config,
        insecurelyLowerMinimumTo=version,
        lowerMaximumSecurityTo=version,
        acceptableProtocols=offered,
    )
    server, client, flush = shake_hands(server_tls(config, at(NOW)), options)
    client.transport.write(b"ping")
    flush()
    assert server.received == b"ping"
    assert client.transport.getHandle().get_alpn_proto_negotiated() == b""


def test_a_client_that_offers_protocols_must_still_show_its_certificate(asking, devices):
    leaf = devices.issue_cert("device-1.example")
    with_one = with_certificate(asking, leaf, acceptableProtocols=[b"h2"])
    server, client, flush = shake_hands(server_tls(asking, at(NOW)), with_one)
    client.transport.write(b"ping")
    flush()
    assert server.received == b"ping"
    without = trusting(asking, acceptableProtocols=[b"h2"])
    server, _client, _flush = shake_hands(server_tls(asking, at(NOW)), without)
    assert isinstance(server.lost, SSL.Error)


# --- certificates of devices


@pytest.fixture
def devices(tmp_path):
    return trustme.CA()


@pytest.fixture
def asking(config, devices, tmp_path):
    file = tmp_path / "devices.pem"
    file.write_bytes(devices.cert_pem.bytes())
    return replace(config, client_ca_file=file)


def with_certificate(config, leaf, **more):
    own = x509.load_pem_x509_certificate(leaf.cert_chain_pems[0].bytes())
    key = load_pem_private_key(leaf.private_key_pem.bytes(), None)
    return trusting(config, privateKey=key, certificate=own, **more)


@pytest.mark.parametrize("version", [TLSVersion.TLSv1_2, TLSVersion.TLSv1_3])
def test_a_device_without_a_certificate_is_turned_away_where_one_is_asked_for(asking, version):
    options = trusting(asking, insecurelyLowerMinimumTo=version, lowerMaximumSecurityTo=version)
    server, client, flush = shake_hands(server_tls(asking, at(NOW)), options)
    client.transport.write(b"ping")
    flush()
    assert isinstance(server.lost, SSL.Error)
    assert server.received == b""


def test_a_device_with_a_certificate_of_the_named_authorities_is_served(asking, devices):
    options = with_certificate(asking, devices.issue_cert("device-1.example"))
    server, client, flush = shake_hands(server_tls(asking, at(NOW)), options)
    client.transport.write(b"ping")
    flush()
    assert server.received == b"ping"


def test_a_device_with_a_certificate_of_somebody_else_is_not(asking):
    options = with_certificate(asking, trustme.CA().issue_cert("device-1.example"))
    server, _client, _flush = shake_hands(server_tls(asking, at(NOW)), options)
    assert isinstance(server.lost, SSL.Error)


def test_the_authorities_of_devices_are_renewed_too(asking, devices):
    tls = server_tls(asking, at(NOW))
    successor = trustme.CA()
    asking.client_ca_file.write_bytes(successor.cert_pem.bytes())
    tls.reload()
    former, _client, _flush = shake_hands(
        tls, with_certificate(asking, devices.issue_cert("device-1.example"))
    )
    current, client, flush = shake_hands(
        tls, with_certificate(asking, successor.issue_cert("device-1.example"))
    )
    client.transport.write(b"ping")
    flush()
    assert isinstance(former.lost, SSL.Error)
    assert current.received == b"ping"
    assert asking.client_ca_file in tls.paths


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"rubbish", "holds no certificate; allowed: PEM"),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_authorities_of_devices_that_cannot_be_used_are_told(asking, data, why):
    asking.client_ca_file.unlink()
    if data is not None:
        asking.client_ca_file.write_bytes(data)
    assert faults(asking) == [f"CLIENT_CA_FILE='{asking.client_ca_file}' {why}"]


# --- faults of the files


def faults(config, now=NOW):
    with pytest.raises(ConfigError) as raised:
        server_tls(config, at(now))
    return list(raised.value.faults)


def test_both_missing_files_are_told_at_once(tmp_path):
    config = Config(cert_file=tmp_path / "c.pem", key_file=tmp_path / "k.pem")
    assert faults(config) == [
        f"{name}='{file}' cannot be read: No such file or directory; "
        "`tessel-proxy make-cert` makes one"
        for name, file in (("CERT_FILE", config.cert_file), ("KEY_FILE", config.key_file))
    ]


def test_files_that_hold_something_else_are_told(config, tmp_path):
    config.cert_file.write_bytes(b"rubbish")
    config.key_file.write_bytes(b"rubbish")
    assert faults(config) == [
        f"CERT_FILE='{config.cert_file}' holds no certificate; allowed: PEM",
        f"KEY_FILE='{config.key_file}' holds no private key; allowed: PEM",
    ]


def test_a_file_that_cannot_be_opened_is_told(config, tmp_path):
    assert faults(replace(config, cert_file=tmp_path)) == [
        f"CERT_FILE='{tmp_path}' is not a regular file; allowed: a regular file, or a link to one"
    ]


@pytest.mark.timeout(10)
def test_files_without_end_or_writer_are_not_waited_for(config, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    assert faults(replace(config, cert_file=Path("/dev/zero"), key_file=fifo)) == [
        f"{name} is not a regular file; allowed: a regular file, or a link to one"
        for name in ("CERT_FILE='/dev/zero'", f"KEY_FILE='{fifo}'")
    ]


def test_a_file_that_is_too_large_is_not_read_whole(config):
    with config.cert_file.open("ab") as file:
        file.truncate(MAX_PEM_BYTES + 1)
    (fault,) = faults(config)
    assert fault == f"CERT_FILE='{config.cert_file}' is too large; allowed: {MAX_PEM_BYTES} bytes"


def test_a_key_of_another_certificate_is_told(config, tmp_path):
    other = Config(cert_file=tmp_path / "b" / "c.pem", key_file=tmp_path / "b" / "k.pem")
    make_certificates(["proxy.example"], other, NOW)
    mixed = replace(config, key_file=other.key_file)
    (fault,) = faults(mixed)
    assert fault == (
        f"CERT_FILE='{config.cert_file}', KEY_FILE='{other.key_file}': "
        "the key is not that of the first certificate"
    )


def test_an_expired_certificate_is_told(config):
    (fault,) = faults(config, NOW + timedelta(days=400))
    until = NOW - timedelta(hours=1) + timedelta(days=397)
    assert fault == (
        f"CERT_FILE='{config.cert_file}': CN=proxy.example expired at {until:%F %T} UTC"
    )


def test_a_certificate_of_the_future_is_told(config):
    (fault,) = faults(config, NOW - timedelta(days=1))
    assert f"CN=proxy.example is valid only from {NOW - timedelta(hours=1):%F %T} UTC" in fault


def test_an_encrypted_key_is_opened_with_key_pass(config):
    encrypted = replace(config, key_pass=b"open sesame")
    config.cert_file.with_name("authority-key.pem").unlink()
    config.cert_file.with_name("authority-cert.pem").unlink()
    made = make_certificates(["proxy.example"], encrypted, NOW)
    assert server_tls(encrypted, at(NOW)).identity.certificate == made.server
    source = f"KEY_FILE='{config.key_file}'"
    assert faults(config) == [f"{source} is encrypted; allowed: with KEY_PASS or KEY_PASS_FILE set"]
    assert faults(replace(config, key_pass=b"wrong")) == [
        f"{source} holds no private key, or KEY_PASS is wrong; allowed: PEM"
    ]
    for odd in (b" wrong", b"wrong ", b"'wrong'", b'"wrong"'):
        (fault,) = faults(replace(config, key_pass=odd))
        assert fault == (
            f"{source} holds no private key, or KEY_PASS is wrong "
            "(it begins or ends with a space or a quote); allowed: PEM"
        )


def test_a_key_pass_for_a_key_that_is_not_encrypted_does_no_harm(config):
    assert server_tls(replace(config, key_pass=b"unused"), at(NOW))


@pytest.mark.parametrize("key_pass", [None, b"unused"])
def test_a_key_whose_comment_speaks_of_encryption_is_not_encrypted(config, key_pass):
    pem = config.key_file.read_bytes()
    config.key_file.write_bytes(b"# no longer ENCRYPTED\n" + pem)
    assert server_tls(replace(config, key_pass=key_pass), at(NOW))


def test_a_key_in_the_older_format_is_opened_with_key_pass(config):
    key = load_pem_private_key(config.key_file.read_bytes(), None)
    older = (Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"sesame"))
    config.key_file.write_bytes(key.private_bytes(*older))
    assert server_tls(replace(config, key_pass=b"sesame"), at(NOW))
    source = f"KEY_FILE='{config.key_file}'"
    assert faults(config) == [f"{source} is encrypted; allowed: with KEY_PASS or KEY_PASS_FILE set"]


def test_a_key_on_a_curve_that_is_not_known_is_told(config):
    config.key_file.write_bytes(KEY_ON_SECP160R1)
    assert faults(replace(config, key_pass=b"unused")) == [
        f"KEY_FILE='{config.key_file}' is of an unknown kind; {KINDS}"
    ]


def test_a_key_that_cannot_sign_for_tls_is_told(config):
    for key in (x25519.X25519PrivateKey.generate(), dsa.generate_private_key(1024)):
        data = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        config.key_file.write_bytes(data)
        (fault,) = faults(config)
        assert fault == f"KEY_FILE='{config.key_file}' is of an unknown kind; {KINDS}"


def test_a_certificate_whose_key_is_on_such_a_curve_is_told(config):
    config.cert_file.write_bytes(CERTIFICATE_ON_SECP160R1)
    both = f"CERT_FILE='{config.cert_file}', KEY_FILE='{config.key_file}'"
    assert f"{both}: the key is not that of the first certificate" in faults(config)


def test_what_openssl_refuses_is_told_in_its_words(tmp_path):
    config = Config(cert_file=tmp_path / "c.pem", key_file=tmp_path / "k.pem")
    key = rsa.generate_private_key(65537, 1024)
    name = x509.Name([])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
        .sign(key, SHA256())
    )
    write_together(
        [certificate_file(config.cert_file, certificate), key_file(config.key_file, key, None)]
    )
    (fault,) = faults(config)
    assert fault == (
        f"CERT_FILE='{config.cert_file}', KEY_FILE='{config.key_file}' cannot be used: "
        "ee key too small"
    )


def test_certificates_of_a_file_are_counted_in_all(config):
    both = (
        config.cert_file.read_bytes()
        + config.cert_file.with_name("authority-cert.pem").read_bytes()
    )
    config.cert_file.write_bytes(both)
    assert len(certificates_in(config.cert_file, "TARGET_CA_FILE")) == 2


def test_a_reactors_seconds_are_universal_time():
    assert utc(0) == datetime(1970, 1, 1, tzinfo=UTC)
