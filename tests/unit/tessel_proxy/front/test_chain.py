"""The certificates of a file that clients need, and those that they do not."""

from datetime import timedelta

import pytest
from cryptography import x509
from OpenSSL.crypto import X509
from twisted.internet.ssl import Certificate, optionsForClientTLS

from support.certificate_authorities import CERTIFICATE_ON_SECP160R1, DAY, Party, pem
from support.tls_handshakes import NOW, at, shake_hands
from tessel_proxy.front.chain import is_issued_by, needed_chain
from tessel_proxy.front.tls import server_tls
from tessel_proxy.startup.config import Config
from tessel_service_kit.settings import ConfigError

EXPIRED = NOW - timedelta(seconds=1)

root, old_root = Party("root"), Party("old root")
middle, upper = Party("middle"), Party("upper")
server = Party("server")

ROOT = root.certify(root)
OLD_ROOT = old_root.certify(old_root)
UPPER = root.certify(upper)
MIDDLE = root.certify(middle)
MIDDLE_OF_UPPER = upper.certify(middle)
LEAF = middle.certify(server, dns="proxy.example")
LEAF_OF_ROOT = root.certify(server, dns="proxy.example")
CROSS = old_root.certify(root)  # the old root vouches for the new one
EXPIRED_CROSS = old_root.certify(root, end=EXPIRED)
FUTURE_CROSS = old_root.certify(root, start=NOW + DAY)
EXPIRED_MIDDLE = root.certify(middle, end=EXPIRED)
OTHER_MIDDLE_EXPIRED = old_root.certify(middle, end=EXPIRED)
EXPIRED_UPPER = root.certify(upper, end=EXPIRED)
EXPIRED_ROOT = root.certify(root, end=EXPIRED)
UNRELATED = Party("x").certify(Party("y"))
UNRELATED_EXPIRED = Party("x").certify(Party("z"), end=EXPIRED)


@pytest.mark.parametrize(
    ("held", "sent", "warned"),
    [
        ([LEAF], [LEAF], []),
        ([LEAF, MIDDLE], [LEAF, MIDDLE], []),
        ([LEAF, MIDDLE, ROOT], [LEAF, MIDDLE, ROOT], []),
        ([LEAF, ROOT, MIDDLE], [LEAF, MIDDLE, ROOT], []),  # in the order of TLS
        ([LEAF, LEAF, MIDDLE, MIDDLE], [LEAF, MIDDLE], []),
        ([LEAF, MIDDLE, CROSS], [LEAF, MIDDLE, CROSS], []),
        ([LEAF, MIDDLE, ROOT, CROSS], [LEAF, MIDDLE, ROOT, CROSS], []),
        ([LEAF, MIDDLE, EXPIRED_CROSS, ROOT], [LEAF, MIDDLE, ROOT], ["CN=root expired"]),
        ([LEAF, MIDDLE, EXPIRED_ROOT], [LEAF, MIDDLE], ["CN=root expired"]),
        ([LEAF_OF_ROOT, EXPIRED_ROOT], [LEAF_OF_ROOT], ["CN=root expired"]),
        ([LEAF_OF_ROOT, EXPIRED_CROSS, ROOT], [LEAF_OF_ROOT, ROOT], ["CN=root expired"]),
        ([LEAF, OTHER_MIDDLE_EXPIRED, MIDDLE], [LEAF, MIDDLE], ["CN=middle expired"]),
        ([LEAF, EXPIRED_MIDDLE, MIDDLE], [LEAF, MIDDLE], ["CN=middle expired"]),
        (
            [LEAF, MIDDLE_OF_UPPER, EXPIRED_UPPER, MIDDLE, ROOT],
            [LEAF, MIDDLE, ROOT, MIDDLE_OF_UPPER],
            ["CN=upper expired"],
        ),
        ([LEAF, MIDDLE, UNRELATED], [LEAF, MIDDLE], ["CN=y issued none of those that are sent"]),
        ([LEAF, MIDDLE, ROOT, FUTURE_CROSS], [LEAF, MIDDLE, ROOT], ["CN=root is valid only from"]),
        ([LEAF, UNRELATED_EXPIRED, MIDDLE], [LEAF, MIDDLE], ["CN=z expired"]),
    ],
)
def test_clients_are_sent_what_they_need_in_the_order_of_tls(held, sent, warned):
    chain = needed_chain(held, NOW)
    assert (list(chain.certificates), chain.fault) == (sent, None)
    assert len(chain.warnings) == len(warned)
    for warning, words in zip(chain.warnings, warned, strict=True):
        assert warning.startswith(words)
        assert warning.endswith("clients do not need it and are not sent it")


@pytest.mark.parametrize(
    ("held", "sent", "missing"),
    [
        ([LEAF, EXPIRED_MIDDLE], [LEAF], "middle"),
        ([LEAF, EXPIRED_MIDDLE, OTHER_MIDDLE_EXPIRED], [LEAF], "middle"),
        ([LEAF, EXPIRED_MIDDLE, ROOT], [LEAF], "middle"),
        ([LEAF, MIDDLE_OF_UPPER, EXPIRED_UPPER, ROOT], [LEAF, MIDDLE_OF_UPPER], "upper"),
        ([LEAF, MIDDLE, EXPIRED_CROSS], [LEAF, MIDDLE], "root"),
        ([LEAF, EXPIRED_CROSS, MIDDLE], [LEAF, MIDDLE], "root"),
        ([LEAF, MIDDLE, EXPIRED_CROSS, OLD_ROOT], [LEAF, MIDDLE], "root"),
        ([LEAF_OF_ROOT, EXPIRED_CROSS], [LEAF_OF_ROOT], "root"),
        ([LEAF_OF_ROOT, EXPIRED_CROSS, OLD_ROOT], [LEAF_OF_ROOT], "root"),
    ],
)
def test_an_expired_issuer_is_not_sent_and_a_warning_says_who_needs_it(held, sent, missing):
    chain = needed_chain(held, NOW)
    assert (list(chain.certificates), chain.fault) == (sent, None)
    assert chain.warnings[0] == (
        f"CN={missing} expired at {EXPIRED:%F %T} UTC; it is not sent, so clients that do not "
        f"trust CN={missing} itself refuse CN=server"
    )


@pytest.mark.parametrize(
    ("dates", "words"),
    [
        ({"end": EXPIRED}, "CN=server expired at"),
        ({"start": NOW + DAY}, "CN=server is valid only from"),
    ],
)
def test_a_server_certificate_that_is_not_valid_is_a_fault(dates, words):
    chain = needed_chain([middle.certify(server, **dates), MIDDLE], NOW)
    assert chain.fault.startswith(words)


def test_authorities_that_certify_one_another_are_each_looked_at_once():
    parties = [Party(f"authority {number}") for number in range(5)]
    leaf = parties[0].certify(server, dns="proxy.example")
    crosses = [one.certify(other) for one in parties for other in parties if one is not other]
    assert needed_chain([leaf, *crosses], NOW).certificates[0] == leaf


# --- in files


@pytest.fixture
def config(tmp_path):
    config = Config(cert_file=tmp_path / "c.pem", key_file=tmp_path / "k.pem")
    config.key_file.write_bytes(server.key_pem)
    return config


def trusting(authority):
    trust = Certificate(X509.from_cryptography(authority))
    return optionsForClientTLS("proxy.example", trustRoot=trust)


@pytest.mark.parametrize("held", [[LEAF, MIDDLE, EXPIRED_CROSS], [LEAF, EXPIRED_CROSS, MIDDLE]])
def test_with_an_expired_cross_certificate_a_client_with_the_root_is_served(config, held):
    config.cert_file.write_bytes(pem(*held))
    tls = server_tls(config, at(NOW))
    here, there, flush = shake_hands(tls, trusting(ROOT))
    there.transport.write(b"ping")
    flush()
    assert here.received == b"ping"
    (warning,) = tls.warnings
    assert warning.startswith(f"CERT_FILE='{config.cert_file}': CN=root expired at ")


def test_a_renewal_with_an_expired_cross_certificate_is_taken(config):
    config.cert_file.write_bytes(pem(LEAF, MIDDLE))
    tls = server_tls(config, at(NOW))
    renewed = middle.certify(server, dns="proxy.example")
    config.cert_file.write_bytes(pem(renewed, MIDDLE, EXPIRED_CROSS))
    tls.reload()
    assert tls.identity.certificate == renewed
    assert len(tls.warnings) == 1


def test_a_client_that_has_the_issuer_is_served_though_the_issuer_in_the_file_has_expired(config):
    config.cert_file.write_bytes(pem(LEAF_OF_ROOT, EXPIRED_CROSS))
    here, there, flush = shake_hands(server_tls(config, at(NOW)), trusting(ROOT))
    there.transport.write(b"ping")
    flush()
    assert here.received == b"ping"


def test_the_first_end_is_that_of_the_chain_without_the_root(config):
    early = root.certify(middle, end=NOW + DAY)
    config.cert_file.write_bytes(pem(LEAF, early, root.certify(root, end=NOW + DAY / 2)))
    assert server_tls(config, at(NOW)).identity.ends == early.not_valid_after_utc


# --- authorities of devices


def test_an_expired_authority_of_devices_is_warned_of(config, tmp_path):
    config.cert_file.write_bytes(pem(LEAF, MIDDLE))
    file = tmp_path / "devices.pem"
    with_authorities = Config(
        cert_file=config.cert_file, key_file=config.key_file, client_ca_file=file
    )
    file.write_bytes(pem(EXPIRED_ROOT, OLD_ROOT, OLD_ROOT))
    tls = server_tls(with_authorities, at(NOW))
    assert tls.identity.client_authorities == (OLD_ROOT,)
    (warning,) = tls.warnings
    assert warning.startswith(f"CLIENT_CA_FILE='{file}': CN=root expired at ")
    file.write_bytes(pem(EXPIRED_ROOT))
    with pytest.raises(ConfigError, match=r"CLIENT_CA_FILE=.*CN=root expired at"):
        tls.reload()


def test_a_signature_with_a_key_of_unknown_kind_is_judged_by_the_names():
    unknown = x509.load_pem_x509_certificate(CERTIFICATE_ON_SECP160R1)
    assert is_issued_by(unknown, unknown)
    assert not is_issued_by(LEAF, unknown)
