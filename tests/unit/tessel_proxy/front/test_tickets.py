"""Devices that return resume their TLS session, unless their certificate would not do any more."""

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL
from OpenSSL._util import lib
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from zope.interface import implementer

from support.certificate_authorities import DAY, Party, make_certificates, pem
from support.tls_handshakes import NOW, shake_hands
from tessel_proxy.certificates.make import CertificateFamily
from tessel_proxy.front.revocation import no_revocations
from tessel_proxy.front.tickets import TICKET_KEYS_S, TicketKeys
from tessel_proxy.front.tls import server_tls
from tessel_proxy.front.tls_tessel_1 import tessel_1_tls
from tessel_proxy.records.repeated_lines import RepeatedLines
from tessel_proxy.startup.config import Config
from tessel_service_kit.settings import ConfigError

VERSIONS = [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION]
SECOND = timedelta(seconds=1)


class WallClock:
    """Shows the time that a test sets."""

    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now.timestamp()


@implementer(IOpenSSLClientConnectionCreator)
class Device:
    """Keeps the session of its last connection, and asks for it again."""

    def __init__(self, version, key=None, certificate=None, ciphers=None):
        self.context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        if ciphers:
            self.context.set_cipher_list(ciphers)
        self.context.set_min_proto_version(version)
        self.context.set_max_proto_version(version)
        if key is not None:
            self.context.use_privatekey(key)
            self.context.use_certificate(certificate)
        self.session = None

    def clientConnectionForTLS(self, protocol):
        connection = SSL.Connection(self.context, None)
        if self.session is not None:
            connection.set_session(self.session)
        return connection

    def connect(self, tls):
        """'full' or 'resumed'; None if the proxy refused it."""
        server, client, flush = shake_hands(tls, self)
        client.transport.write(b"ping")
        server.transport.write(b"pong")
        flush()
        if server.received != b"ping":
            return None
        connection = client.transport.getHandle()
        # else OpenSSL thinks that the connection was cut, and does not use its session again
        connection.set_shutdown(SSL.SENT_SHUTDOWN | SSL.RECEIVED_SHUTDOWN)
        self.session = connection.get_session()
        return "resumed" if lib.SSL_session_reused(connection._ssl) else "full"


@pytest.fixture
def wall():
    return WallClock()


@pytest.fixture
def config(tmp_path):
    config = Config(cert_file=tmp_path / "public-cert.pem", key_file=tmp_path / "private-key.pem")
    make_certificates(["proxy.example"], config, NOW)
    return config


@pytest.mark.parametrize("version", VERSIONS)
def test_a_device_that_returns_resumes_its_session(config, wall, version):
    tls, device = server_tls(config, wall), Device(version)
    assert [device.connect(tls) for _ in range(4)] == ["full", "resumed", "resumed", "resumed"]


@pytest.mark.parametrize("version", VERSIONS)
def test_keys_of_tickets_are_not_used_longer_than_their_time(config, wall, version):
    tls, device = server_tls(config, wall), Device(version)
    device.connect(tls)
    wall.now = NOW + timedelta(seconds=TICKET_KEYS_S) - SECOND
    assert device.connect(tls) == "resumed"
    wall.now += SECOND
    assert [device.connect(tls), device.connect(tls)] == ["full", "resumed"]


def test_a_clock_that_was_set_back_ends_all_tickets(config, wall):
    tls, device = server_tls(config, wall), Device(SSL.TLS1_3_VERSION)
    device.connect(tls)
    wall.now -= SECOND
    assert [device.connect(tls), device.connect(tls)] == ["full", "resumed"]


@pytest.mark.parametrize("version", VERSIONS)
def test_two_proxies_share_no_keys(config, wall, version):
    device = Device(version)
    assert [device.connect(server_tls(config, wall)) for _ in range(2)] == ["full", "full"]


def test_a_reload_ends_all_tickets(config, wall):
    tls, device = server_tls(config, wall), Device(SSL.TLS1_3_VERSION)
    device.connect(tls)
    tls.reload()
    assert device.connect(tls) == "full"


@pytest.mark.parametrize("version", [SSL.TLS1_1_VERSION, SSL.TLS1_2_VERSION])
def test_boards_are_given_no_tickets(tmp_path, wall, version):
    config = Config(
        legacy_port=0, legacy_cert_file=tmp_path / "c.pem", legacy_key_file=tmp_path / "k.pem"
    )
    make_certificates(["proxy.example"], config, NOW, CertificateFamily.TESSEL_1)
    tls = tessel_1_tls(config, wall)
    board = Device(version, ciphers=b"AES128-SHA:@SECLEVEL=0")
    assert [board.connect(tls), board.connect(tls)] == ["full", "full"]


# --- with certificates of devices


root, other = Party("root"), Party("other")
party = Party("device")
ROOT, OTHER = root.certify(root), other.certify(other)
OWN = root.certify(party)


@pytest.fixture
def asking(config, tmp_path):
    """Asks devices for a certificate, and looks it up in a list."""
    file, lists = tmp_path / "devices.pem", tmp_path / "revoked.pem"
    file.write_bytes(pem(ROOT))
    lists.write_bytes(pem(root.revoke()))
    return replace(config, client_ca_file=file, client_crl_file=lists)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_device_with_a_certificate_resumes_too(asking, wall, version):
    tls, device = server_tls(asking, wall), Device(version, party.key, OWN)
    assert [device.connect(tls) for _ in range(3)] == ["full", "resumed", "resumed"]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_device_whose_certificate_is_revoked_is_refused_with_its_ticket(asking, wall, version):
    tls, device = server_tls(asking, wall), Device(version, party.key, OWN)
    device.connect(tls)
    asking.client_crl_file.write_bytes(pem(root.revoke(OWN)))
    tls.reload()
    assert device.connect(tls) is None
    assert Device(version, party.key, OWN).connect(tls) is None
    assert Device(version, party.key, root.certify(party)).connect(tls) == "full"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_device_of_an_authority_that_was_taken_away_is_refused_with_its_ticket(
    asking, wall, version
):
    asking = replace(asking, client_crl_file=None)
    tls, device = server_tls(asking, wall), Device(version, party.key, OWN)
    device.connect(tls)
    asking.client_ca_file.write_bytes(pem(OTHER))
    tls.reload()
    assert device.connect(tls) is None


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("ends", ["device", "intermediate", "authority", "list"])
def test_no_ticket_outlives_what_it_stands_for(asking, wall, version, ends):
    soon = {"end": NOW + timedelta(hours=1)}
    middle = Party("middle")
    intermediate = root.certify(middle, **(soon if ends == "intermediate" else {}))
    certificate = middle.certify(party, **(soon if ends == "device" else {}))
    authority = root.certify(root, **(soon if ends == "authority" else {}))
    lists = [root.revoke(**(soon if ends == "list" else {})), middle.revoke()]
    asking.client_ca_file.write_bytes(pem(authority))
    asking.client_crl_file.write_bytes(pem(*lists))
    tls, device = server_tls(asking, wall), Device(version, party.key, certificate)
    device.context.add_extra_chain_cert(intermediate)
    assert [device.connect(tls), device.connect(tls)] == ["full", "resumed"]
    wall.now += timedelta(hours=1)  # OpenSSL has a clock of its own: it does not refuse yet
    assert device.connect(tls) == "full"


class Unreadable:
    """A certificate that OpenSSL reads and cryptography does not."""

    def __init__(self, fault):
        self.fault = fault

    def to_cryptography(self):
        raise self.fault


FAULTS = [ValueError("error parsing asn1 value"), x509.InvalidVersion("9 is no version", 9)]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_certificate_whose_end_cannot_be_read_leaves_no_usable_keys(asking, wall, fault):
    keys = TicketKeys(server_tls(asking, wall).identity, wall())
    assert keys.are_usable(wall())
    assert keys.verified(None, Unreadable(fault), 0, 0, 1)
    assert not keys.are_usable(wall())


@pytest.mark.parametrize("fault", FAULTS)
def test_a_revoked_certificate_whose_name_cannot_be_read_is_refused(asking, wall, fault):
    keys = TicketKeys(server_tls(asking, wall).identity, wall())
    with capturedLogs() as logs:
        revoked = SSL.X509VerificationCodes.ERR_CERT_REVOKED
        assert not keys.verified(None, Unreadable(fault), revoked, 0, 0)
    (event,) = logs
    assert (event["subject"], event["why"]) == ("(its name cannot be read)", "it is revoked")


def test_another_device_with_an_expired_certificate_ends_no_tickets(asking, wall):
    tls, device = server_tls(asking, wall), Device(SSL.TLS1_3_VERSION, party.key, OWN)
    device.connect(tls)
    expired = [Party("x").certify(party, end=NOW - DAY), root.certify(party, end=NOW - DAY)]
    for each in expired:
        assert Device(SSL.TLS1_3_VERSION, party.key, each).connect(tls) is None
    assert device.connect(tls) == "resumed"


# --- revocation lists


NO_LIST = "holds no revocation list; allowed: PEM (X509 CRL), or one list in DER"


def test_a_list_may_be_der_as_authorities_publish_it(asking, wall):
    asking.client_crl_file.write_bytes(root.revoke(OWN).public_bytes(Encoding.DER))
    tls = server_tls(asking, wall)
    assert Device(SSL.TLS1_3_VERSION, party.key, OWN).connect(tls) is None
    assert Device(SSL.TLS1_3_VERSION, party.key, root.certify(party)).connect(tls) == "full"


def faults(config, wall):
    with pytest.raises(ConfigError) as raised:
        server_tls(config, wall)
    return list(raised.value.faults)


@pytest.mark.parametrize(
    ("held", "why"),
    [
        (b"", NO_LIST),
        (pem(ROOT), NO_LIST),
        (ROOT.public_bytes(Encoding.DER), NO_LIST),
        (b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", NO_LIST),
        (
            pem(other.revoke()),
            ": no list of CN=root; allowed: one of each authority in CLIENT_CA_FILE",
        ),
        (
            pem(Party("root").revoke()),  # somebody else's of the same name
            ": no list of CN=root; allowed: one of each authority in CLIENT_CA_FILE",
        ),
    ],
)
def test_a_file_without_a_usable_list_of_each_authority_is_a_fault(asking, wall, held, why):
    asking.client_crl_file.write_bytes(held)
    (fault,) = faults(asking, wall)
    source = f"CLIENT_CRL_FILE='{asking.client_crl_file}'"
    assert fault == f"{source}{why if why.startswith(':') else ' ' + why}"


def test_a_list_that_is_not_current_is_a_fault(asking, wall):
    asking.client_crl_file.write_bytes(pem(root.revoke(start=NOW - 2 * DAY, end=NOW - DAY)))
    (fault,) = faults(asking, wall)
    assert fault.startswith(
        f"CLIENT_CRL_FILE='{asking.client_crl_file}': the list of CN=root expired"
    )
    asking.client_crl_file.write_bytes(pem(root.revoke(start=NOW + DAY, end=NOW + 2 * DAY)))
    (fault,) = faults(asking, wall)
    assert "the list of CN=root is valid only from" in fault
    asking.client_crl_file.unlink()
    (fault,) = faults(asking, wall)
    assert fault.endswith("cannot be read: No such file or directory")


def test_an_old_list_beside_a_current_one_is_warned_of(asking, wall):
    old = root.revoke(start=NOW - 2 * DAY, end=NOW - DAY)
    asking.client_crl_file.write_bytes(pem(old, root.revoke()))
    tls = server_tls(asking, wall)
    (warning,) = tls.warnings
    assert "the list of CN=root expired" in warning
    assert Device(SSL.TLS1_3_VERSION, party.key, OWN).connect(tls) == "full"


def test_the_first_end_of_lists_is_that_of_the_latest_of_each_issuer(asking, wall):
    middle = Party("middle")
    lists = [
        root.revoke(end=NOW + DAY),
        root.revoke(end=NOW + 3 * DAY),
        middle.revoke(end=NOW + 2 * DAY),
    ]
    asking.client_crl_file.write_bytes(pem(*lists))
    ends = server_tls(asking, wall).identity.revocations.first_end
    assert ends == lists[2].next_update_utc
    assert no_revocations().first_end is None


def test_a_list_that_expires_while_the_proxy_serves_is_told_once(asking, wall):
    asking.client_crl_file.write_bytes(pem(root.revoke(end=NOW + DAY / 24)))
    tls, device = server_tls(asking, wall), Device(SSL.TLS1_3_VERSION, party.key, OWN)
    wall.now += DAY / 24
    with capturedLogs() as logs:
        device.connect(tls)
        device.connect(tls)
    (event,) = [each for each in logs if each.get("event") == "revocations_expired"]
    assert event["log_level"].name == "error"
    assert event["fault"].startswith("CLIENT_CRL_FILE: the list of CN=root expired")


def test_openssl_refuses_devices_of_a_list_that_has_expired(asking):
    past = WallClock()
    past.now = NOW - DAY - DAY / 2
    make_certificates(["proxy.example"], asking, NOW - 2 * DAY)
    asking.client_crl_file.write_bytes(pem(root.revoke(start=NOW - 2 * DAY, end=NOW - DAY)))
    tls = server_tls(asking, past)
    assert Device(SSL.TLS1_3_VERSION, party.key, OWN).connect(tls) is None


@pytest.mark.parametrize(
    ("case", "why"),
    [
        ("revoked", "it is revoked"),
        ("expired", "it has expired"),
        ("intermediate", "CLIENT_CRL_FILE has no list of its issuer, which is an intermediate"),
        ("stranger", None),
    ],
)
def test_why_a_device_of_a_known_authority_is_refused_is_told(asking, wall, case, why):
    middle = Party("middle")
    certificate = {
        "revoked": OWN,
        "expired": root.certify(party, end=NOW - DAY),
        "intermediate": middle.certify(party),
        "stranger": Party("x").certify(party),
    }[case]
    asking.client_crl_file.write_bytes(pem(root.revoke(OWN)))
    device = Device(SSL.TLS1_3_VERSION, party.key, certificate)
    if case == "intermediate":
        device.context.add_extra_chain_cert(root.certify(middle))
    tls = server_tls(asking, wall)
    with capturedLogs() as logs:
        assert device.connect(tls) is None
    told = [each for each in logs if each.get("event") == "client_certificate_refused"]
    assert [(each["subject"], each["why"]) for each in told] == (
        [("CN=device", why)] if why else []
    )


def test_a_device_that_comes_back_with_a_refused_certificate_has_few_lines(asking, wall):
    asking.client_crl_file.write_bytes(pem(root.revoke(OWN)))
    tls = server_tls(asking, wall)
    tls.lines = RepeatedLines(Clock())
    with capturedLogs() as logs:
        for _ in range(5):
            Device(SSL.TLS1_3_VERSION, party.key, OWN).connect(tls)
        tls.lines.flush()
    told = [each for each in logs if each.get("event") == "client_certificate_refused"]
    assert [each.get("count", 1) for each in told] == [1, 4]


def test_the_list_is_among_the_files_that_are_looked_at(asking, wall):
    assert asking.client_crl_file in server_tls(asking, wall).paths
