import errno
import os
import stat
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa, x25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID

from support.acl import ACL, DEFAULT_ACL, allow_to
from support.certificate_authorities import make_certificates
from tessel_proxy.certificates import issuing
from tessel_proxy.certificates.issuing import (
    LAST_MOMENT,
    general_name,
    names_of,
    new_authority,
)
from tessel_proxy.certificates.keyfiles import (
    PRIVATE,
    PUBLIC,
    NewFile,
    certificate_file,
    key_file,
    write_together,
)
from tessel_proxy.certificates.make import (
    MAX_DAYS,
    CertificateError,
    CertificateFamily,
)
from tessel_proxy.startup.config import Config

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
NAMES = ["localhost", "proxy.example.com", "127.0.0.1", "::1"]


@pytest.fixture
def config(tmp_path):
    return Config(
        cert_file=tmp_path / "config" / "public-cert.pem",
        key_file=tmp_path / "config" / "private-key.pem",
    )


def extension(certificate, kind):
    return certificate.extensions.get_extension_for_class(kind)


def mode(file):
    return stat.S_IMODE(file.stat().st_mode)


# --- names


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("localhost", x509.DNSName("localhost")),
        ("Proxy.Example.COM.", x509.DNSName("proxy.example.com")),
        ("*.example.com", x509.DNSName("*.example.com")),
        ("*.Bücher.example", x509.DNSName("*.xn--bcher-kva.example")),
        ("my_host", x509.DNSName("my_host")),
        ("127.0.0.1", x509.IPAddress(ip_address("127.0.0.1"))),
        ("::1", x509.IPAddress(ip_address("::1"))),
        ("[::1]", x509.IPAddress(ip_address("::1"))),
    ],
)
def test_names_and_addresses_are_distinguished(text, name):
    assert general_name(text) == name


@pytest.mark.parametrize(
    "text",
    [
        *("", ".", "a..b", "-a.example", "a-.example", "a.*.example", "*.", "*"),
        *("proxy:443", "https://proxy", "a b", "10.0.0.256", "10.0.0.0/8", "x" * 64),
        *("a." * 130 + "a", "bü cher", "ü" * 64),
    ],
)
def test_what_is_neither_is_refused_with_what_is_allowed(text):
    with pytest.raises(ValueError, match=r"allowed: a name as proxy\.example\.com or an address"):
        general_name(text)


# --- what is made


def test_the_servers_certificate_is_what_devices_and_browsers_ask_for(config):
    made = make_certificates(NAMES, config, NOW)
    server = made.server
    assert names_of(server) == NAMES
    assert server.subject.rfc4514_string() == "CN=localhost"
    assert server.issuer == made.authority.subject
    assert isinstance(server.public_key(), rsa.RSAPublicKey)
    assert server.public_key().key_size == 2048
    assert isinstance(server.signature_hash_algorithm, SHA256)
    assert extension(server, x509.BasicConstraints).critical
    assert not extension(server, x509.BasicConstraints).value.ca
    usages = extension(server, x509.ExtendedKeyUsage).value
    assert list(usages) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert (
        extension(server, x509.AuthorityKeyIdentifier).value.key_identifier
        == extension(made.authority, x509.SubjectKeyIdentifier).value.digest
    )


def test_it_lives_397_days_from_an_hour_ago(config):
    server = make_certificates(NAMES, config, NOW).server
    assert server.not_valid_before_utc == NOW - timedelta(hours=1)
    assert server.not_valid_after_utc - server.not_valid_before_utc == timedelta(days=397)


def test_the_authority_lives_ten_years_and_signs_servers_alone(config):
    authority = make_certificates(NAMES, config, NOW).authority
    assert authority.not_valid_after_utc == NOW + timedelta(days=3650)
    constraints = extension(authority, x509.BasicConstraints)
    assert (constraints.critical, constraints.value.ca) == (True, True)
    assert constraints.value.path_length == 0
    usage = extension(authority, x509.KeyUsage).value
    assert (usage.key_cert_sign, usage.crl_sign, usage.digital_signature) == (True, True, False)


def test_a_strict_verifier_accepts_the_chain(config):
    made = make_certificates(NAMES, config, NOW)
    verifier = (
        verification.PolicyBuilder()
        .store(verification.Store([made.authority]))
        .time(NOW)
        .build_server_verifier(x509.DNSName("proxy.example.com"))
    )
    assert verifier.verify(made.server, []) == [made.server, made.authority]


def test_openssl_accepts_the_chain(config):
    make_certificates(NAMES, config, datetime.now(UTC))
    folder = config.cert_file.parent
    checks = ["-x509_strict", "-purpose", "sslserver", "-verify_ip", "::1"]
    subprocess.run(
        ["openssl", "verify", *checks, "-CAfile", "authority-cert.pem", "public-cert.pem"],
        cwd=folder,
        check=True,
        capture_output=True,
    )


def test_nothing_ends_in_2050_or_later_when_dates_have_another_format(config):
    made = make_certificates(NAMES, config, datetime(2049, 6, 1, tzinfo=UTC))
    assert made.authority.not_valid_after_utc == made.server.not_valid_after_utc == LAST_MOMENT


@pytest.mark.parametrize("family", CertificateFamily)
def test_when_no_date_is_left_no_certificate_is_made(config, family):
    with pytest.raises(CertificateError, match=f"may end after {family.last_moment:%F}"):
        make_certificates(["a.example"], config, family.last_moment, family)


# --- for Tessel 1 boards


FIRST_SECOND_WITHOUT_32_BITS = datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC)


@pytest.fixture
def legacy(config):
    return replace(
        config,
        legacy_cert_file=config.cert_file.with_name("tessel-1-cert.pem"),
        legacy_key_file=config.cert_file.with_name("tessel-1-key.pem"),
    )


@pytest.mark.parametrize("year", [2026, 2027, 2028, 2029, 2031, 2035, 2037])
def test_a_boards_certificates_end_before_its_clock_does(legacy, year):
    now = datetime(year, 6, 1, tzinfo=UTC)
    made = make_certificates(["a.example"], legacy, now, CertificateFamily.TESSEL_1, days=MAX_DAYS)
    for each in (made.authority, made.server):
        assert now < each.not_valid_after_utc < FIRST_SECOND_WITHOUT_32_BITS - timedelta(hours=24)


def test_so_they_do_when_renewed_with_an_authority_of_long_ago(legacy):
    make_certificates(
        ["a.example"], legacy, datetime(2029, 1, 1, tzinfo=UTC), CertificateFamily.TESSEL_1
    )
    late = datetime(2037, 12, 1, tzinfo=UTC)
    made = make_certificates(["a.example"], legacy, late, CertificateFamily.TESSEL_1)
    assert not made.authority_is_new
    assert made.server.not_valid_after_utc < FIRST_SECOND_WITHOUT_32_BITS


def test_an_authority_that_a_board_cannot_read_is_not_kept(legacy):
    long_lived = new_authority(datetime(2029, 1, 1, tzinfo=UTC))
    folder = legacy.cert_file.parent
    folder.mkdir()
    write_together(
        [
            key_file(folder / "tessel-1-authority-key.pem", long_lived.key, None),
            certificate_file(folder / "tessel-1-authority-cert.pem", long_lived.certificate),
        ]
    )
    with pytest.raises(CertificateError, match="2038-12-30 00:00:00 UTC, which a Tessel 1 cannot"):
        make_certificates(["a.example"], legacy, NOW, CertificateFamily.TESSEL_1)
    assert {each.name for each in folder.iterdir()} == {
        "tessel-1-authority-key.pem",
        "tessel-1-authority-cert.pem",
    }


@pytest.mark.parametrize("names", [["10.0.0.1"], ["::1"], ["[::1]"], ["a.example", "10.0.0.1"]])
def test_for_boards_addresses_are_refused_since_they_read_names_alone(legacy, names):
    with pytest.raises(CertificateError) as raised:
        make_certificates(names, legacy, NOW, CertificateFamily.TESSEL_1)
    (line,) = str(raised.value).splitlines()
    assert "is an address, and a Tessel 1 verifies only DNS names" in line
    assert "PROXY_HOST" in line
    assert not legacy.cert_file.parent.exists()


# --- the authority and the server


def test_a_server_does_not_outlive_its_authority(config):
    made = make_certificates(NAMES, config, NOW)
    later = made.authority.not_valid_after_utc - timedelta(days=30)
    renewed = make_certificates(NAMES, config, later)
    assert renewed.server.not_valid_after_utc == made.authority.not_valid_after_utc


def test_a_name_too_long_for_a_common_name_stands_among_the_alternative_names_alone(config):
    name = ".".join(["x" * 60] * 3)
    server = make_certificates([name], config, NOW).server
    assert server.subject.rfc4514_string() == "CN=Tessel proxy"
    assert names_of(server) == [name]


def test_a_name_given_twice_stands_once(config):
    server = make_certificates(["a.example", "A.example."], config, NOW).server
    assert names_of(server) == ["a.example"]


def test_a_certificate_without_alternative_names_has_no_names():
    authority = issuing.new_authority(NOW).certificate
    assert names_of(authority) == []


# --- files


def test_four_files_are_written_where_the_settings_say_keys_for_their_owner_alone(config):
    old_umask = os.umask(0)
    try:
        made = make_certificates(NAMES, config, NOW)
    finally:
        os.umask(old_umask)
    folder = config.cert_file.parent
    assert sorted(file.name for file in folder.iterdir()) == [
        "authority-cert.pem",
        "authority-key.pem",
        "private-key.pem",
        "public-cert.pem",
    ]
    assert set(made.written) == set(folder.iterdir())
    assert made.authority_file == folder / "authority-cert.pem"
    for name in ("private-key.pem", "authority-key.pem"):
        assert mode(folder / name) == PRIVATE
    for name in ("public-cert.pem", "authority-cert.pem"):
        assert mode(folder / name) == PUBLIC


def test_a_key_is_never_readable_by_others_even_for_a_moment(config, monkeypatch):
    modes = []
    real_open = os.open

    def watched(path, flags, mode=0o777, **more):
        if "key" in Path(path).name and flags & os.O_CREAT:
            assert flags & os.O_EXCL
            modes.append(mode)
        return real_open(path, flags, mode, **more)

    monkeypatch.setattr(os, "open", watched)
    make_certificates(NAMES, config, NOW)
    assert modes == [PRIVATE, PRIVATE]


def test_a_renewal_keeps_the_authority_and_makes_a_new_server_key(config):
    first = make_certificates(NAMES, config, NOW)
    authority_key = config.cert_file.with_name("authority-key.pem").read_bytes()
    second = make_certificates(["new.example"], config, NOW + timedelta(days=300))
    assert (first.authority_is_new, second.authority_is_new) == (True, False)
    assert second.authority == first.authority
    assert config.cert_file.with_name("authority-key.pem").read_bytes() == authority_key
    assert second.server.public_key() != first.server.public_key()
    assert set(second.written) == {config.cert_file, config.key_file}
    assert mode(config.key_file) == PRIVATE


def test_two_authorities_have_different_names(config, tmp_path):
    first = make_certificates(NAMES, config, NOW)
    other = replace(config, cert_file=tmp_path / "b" / "c.pem", key_file=tmp_path / "b" / "k.pem")
    assert make_certificates(NAMES, other, NOW).authority.subject != first.authority.subject


def test_keys_are_encrypted_with_key_pass(config):
    config = replace(config, key_pass=b"open sesame")
    make_certificates(NAMES, config, NOW)
    for file in (config.key_file, config.cert_file.with_name("authority-key.pem")):
        assert file.read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
        load_pem_private_key(file.read_bytes(), b"open sesame")
    assert not make_certificates(NAMES, config, NOW).authority_is_new


@pytest.mark.parametrize("key_pass", [None, b"wrong"])
def test_an_encrypted_authority_needs_its_key_pass(config, key_pass):
    make_certificates(NAMES, replace(config, key_pass=b"open sesame"), NOW)
    with pytest.raises(CertificateError, match="cannot be read with this KEY_PASS"):
        make_certificates(NAMES, replace(config, key_pass=key_pass), NOW)


def test_an_authority_of_before_key_pass_was_set_is_kept(config):
    make_certificates(NAMES, config, NOW)
    key = config.cert_file.with_name("authority-key.pem")
    key.write_bytes(b"# not ENCRYPTED\n" + key.read_bytes())
    assert not make_certificates(NAMES, replace(config, key_pass=b"x"), NOW).authority_is_new


@pytest.mark.parametrize("missing", ["authority-cert.pem", "authority-key.pem"])
def test_half_an_authority_is_not_written_over(config, missing):
    make_certificates(NAMES, config, NOW)
    config.cert_file.with_name(missing).unlink()
    with pytest.raises(CertificateError, match=f"exists without .*{missing}; to renew, put"):
        make_certificates(NAMES, config, NOW)


def test_an_expired_authority_is_not_written_over(config):
    make_certificates(NAMES, config, NOW)
    with pytest.raises(CertificateError, match=r"expired at 2036-11-19 12:00:00 UTC; move both"):
        make_certificates(NAMES, config, NOW + timedelta(days=3651))


def test_what_is_no_authority_is_not_written_over(config, tmp_path):
    make_certificates(NAMES, config, NOW)
    cert, key = (config.cert_file.with_name(f"authority-{x}.pem") for x in ("cert", "key"))
    good_key = key.read_bytes()
    for data, why in [
        (issuing_key(rsa.generate_private_key(65537, 2048)), "is not the key of"),
        (issuing_key(ec.generate_private_key(ec.SECP256R1())), "holds no RSA key"),
        (issuing_key(x25519.X25519PrivateKey.generate()), "holds no RSA key"),
        (b"rubbish", "cannot be read with this KEY_PASS"),
    ]:
        key.write_bytes(data)
        with pytest.raises(CertificateError, match=why):
            make_certificates(NAMES, config, NOW)
    key.write_bytes(good_key)
    cert.write_bytes(b"rubbish")
    with pytest.raises(CertificateError, match="holds no certificate; allowed: PEM"):
        make_certificates(NAMES, config, NOW)


def issuing_key(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def test_all_faulty_names_are_reported_at_once_and_nothing_is_written(config):
    with pytest.raises(CertificateError) as raised:
        make_certificates(["a:1", "ok.example", "b/2"], config, NOW)
    assert [line[:5] for line in str(raised.value).splitlines()] == ["'a:1'", "'b/2'"]
    assert not config.cert_file.parent.exists()


@pytest.mark.parametrize("names", [[]])
def test_no_name_is_a_fault(config, names):
    with pytest.raises(CertificateError, match="no name; allowed: 1 or more"):
        make_certificates(names, config, NOW)


@pytest.mark.parametrize("days", [0, -1, 3651])
def test_a_certificate_lives_a_day_to_ten_years(config, days):
    with pytest.raises(CertificateError, match=f"{days} days; allowed: 1 to 3650"):
        make_certificates(NAMES, config, NOW, days=days)


def test_one_file_cannot_hold_two_of_them(config):
    with pytest.raises(CertificateError, match="allowed: four different ones"):
        make_certificates(NAMES, replace(config, key_file=config.cert_file), NOW)


def test_a_failed_write_leaves_everything_as_it_was(tmp_path, monkeypatch):
    old = tmp_path / "a.pem"
    old.write_bytes(b"old")
    synced = []

    def full_disk(descriptor):
        synced.append(descriptor)
        if len(synced) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_together([NewFile(old, b"new", PUBLIC), NewFile(tmp_path / "b.pem", b"new", PRIVATE)])
    assert [file.name for file in tmp_path.iterdir()] == ["a.pem"]
    assert old.read_bytes() == b"old"


# --- owner, group and mode


def access(file):
    found = file.stat()
    return found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="owners are root's to give")
SERVICE, GROUP = 12_345, 23_456  # any: nobody need have them


@as_root
@pytest.mark.parametrize(
    ("uid", "gid", "key_mode", "cert_mode"),
    [
        (0, GROUP, 0o640, 0o644),  # as docs/operating.md has it
        (SERVICE, GROUP, 0o600, 0o600),
        (SERVICE, 0, 0o440, 0o444),
        (0, 0, 0o644, 0o664),
    ],
)
def test_a_renewal_keeps_owner_group_and_mode(config, uid, gid, key_mode, cert_mode):
    make_certificates(NAMES, config, NOW)
    files = {config.key_file: key_mode, config.cert_file: cert_mode}
    for file, file_mode in files.items():
        os.chown(file, uid, gid)
        file.chmod(file_mode)
    old_umask = os.umask(0o077)
    try:
        second = make_certificates(NAMES, config, NOW)
    finally:
        os.umask(old_umask)
    assert set(second.written) == set(files)
    for file, file_mode in files.items():
        assert access(file) == (uid, gid, file_mode)


def test_a_renewal_keeps_the_mode_without_being_root(config):
    make_certificates(NAMES, config, NOW)
    config.key_file.chmod(0o440)
    make_certificates(NAMES, config, NOW)
    assert mode(config.key_file) == 0o440


def test_a_renewal_keeps_the_access_control_list(config):
    make_certificates(NAMES, config, NOW)
    allow_to(config.key_file, SERVICE)
    before = os.getxattr(config.key_file, ACL)
    make_certificates(NAMES, config, NOW)
    assert os.getxattr(config.key_file, ACL) == before
    assert mode(config.key_file) == 0o640  # what the list's mask shows


def test_a_renewal_gives_no_access_that_the_folder_gives_to_new_files(config):
    make_certificates(NAMES, config, NOW)
    config.key_file.chmod(0o640)
    allow_to(config.key_file.parent, SERVICE, DEFAULT_ACL)
    make_certificates(NAMES, config, NOW)
    assert ACL not in os.listxattr(config.key_file)
    assert mode(config.key_file) == 0o640


@as_root
def test_an_owner_that_cannot_be_kept_leaves_everything_as_it_was(config, monkeypatch):
    make_certificates(NAMES, config, NOW)
    os.chown(config.key_file, SERVICE, GROUP)
    before = config.key_file.read_bytes(), config.cert_file.read_bytes()

    def not_allowed(_descriptor, _uid, _gid):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "fchown", not_allowed)
    with pytest.raises(PermissionError, match="cannot change to owner") as raised:
        make_certificates(NAMES, config, NOW)
    assert raised.value.filename == str(config.key_file)
    assert (config.key_file.read_bytes(), config.cert_file.read_bytes()) == before
    assert len(list(config.cert_file.parent.iterdir())) == 4


@as_root
def test_new_files_in_somebody_elses_folder_are_theirs(config):
    folder = config.cert_file.parent
    folder.mkdir()
    os.chown(folder, SERVICE, GROUP)
    make_certificates(NAMES, config, NOW)
    for file in folder.iterdir():
        assert access(file) == (SERVICE, GROUP, PRIVATE if "key" in file.name else PUBLIC)


@as_root
@pytest.mark.parametrize(
    ("folder_mode", "gid", "expected"),
    [
        (0o750, GROUP, (GROUP, 0o640)),  # the unit reads keys by this group
        (0o2750, GROUP, (GROUP, 0o640)),
        (0o755, GROUP, (0, PRIVATE)),  # everybody may look: the group means nothing
        (0o700, GROUP, (0, PRIVATE)),
        (0o750, 0, (0, PRIVATE)),
    ],
)
def test_a_new_key_can_be_read_by_the_group_that_its_folder_is_for(
    config, folder_mode, gid, expected
):
    folder = config.cert_file.parent
    folder.mkdir()
    os.chown(folder, 0, gid)
    folder.chmod(folder_mode)
    make_certificates(NAMES, config, NOW)
    assert access(config.key_file) == (0, *expected)
    assert mode(folder / "authority-key.pem") == PRIVATE


def test_a_link_stays_and_what_it_leads_to_is_replaced(config, tmp_path):
    make_certificates(NAMES, config, NOW)
    elsewhere = tmp_path / "elsewhere.pem"
    config.key_file.rename(elsewhere)
    config.key_file.symlink_to(elsewhere)
    before = elsewhere.read_bytes()
    make_certificates(NAMES, config, NOW)
    assert config.key_file.is_symlink()
    assert elsewhere.read_bytes() != before


def test_the_new_names_are_on_the_disk_too(config, monkeypatch):
    synced = []
    real = os.fsync

    def watched(descriptor):
        synced.append(stat.S_ISDIR(os.fstat(descriptor).st_mode))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    make_certificates(NAMES, config, NOW)
    assert synced == [False] * 4 + [True]
