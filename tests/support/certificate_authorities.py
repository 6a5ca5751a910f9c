"""Certificate authorities for tests: any dates and issuers, and revocation lists."""

from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from support.tls_handshakes import NOW
from tessel_proxy.certificates.make import SERVER_DAYS, CertificateFamily, make_files
from tessel_proxy.startup.config import Config

DAY = timedelta(days=1)
LATELY = NOW - DAY
CERTIFICATE_ON_SECP160R1 = b"""\
-----BEGIN CERTIFICATE-----
MIIBUzCCARCgAwIBAgIUISKSzbybXzRp2l887x7uGvTBXL8wCgYIKoZIzj0EAwIw
GDEWMBQGA1UEAwwNcHJveHkuZXhhbXBsZTAeFw0yNjExMjIxODM2MjBaFw0zNjEx
MTkxODM2MjBaMBgxFjAUBgNVBAMMDXByb3h5LmV4YW1wbGUwPjAQBgcqhkjOPQIB
BgUrgQQACAMqAARko6HcfOVVmussJIY8c1pvz0AyPAV5whSukoxHAzZevvZOk5Zm
h98Oo1MwUTAdBgNVHQ4EFgQU8dFXAfjlc020Dyac7e0B+qXNmrUwHwYDVR0jBBgw
FoAU8dFXAfjlc020Dyac7e0B+qXNmrUwDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjO
PQQDAgMxADAuAhUApgFabQ6ndKKl+d5NJRQa7b/FrlYCFQCyZEpIrBM+8GR/rG7r
HYzpVHwyyg==
-----END CERTIFICATE-----
"""


def make_certificates(names, config, now, family=CertificateFamily.CURRENT, *, days=SERVER_DAYS):
    """Run `tessel-proxy make-cert` for the files that the settings name."""
    return make_files(names, family.files(config), now, days=days)


def files_of_both_ports(folder):
    """Return settings that name the files of PORT and LEGACY_PORT in a folder, and make them."""
    settings = {
        "legacy_port": 0,
        "cert_file": folder / "public-cert.pem",
        "key_file": folder / "private-key.pem",
        "legacy_cert_file": folder / "tessel-1-cert.pem",
        "legacy_key_file": folder / "tessel-1-key.pem",
    }
    for family in CertificateFamily:
        make_certificates(["proxy.example"], Config(**settings), NOW, family)
    return settings


def named(text):
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def pem(*certificates):
    return b"".join(each.public_bytes(Encoding.PEM) for each in certificates)


class Party:
    """A name and its key: of an authority, a server or a device."""

    def __init__(self, name):
        self.name = named(name)
        self.key = ec.generate_private_key(ec.SECP256R1())

    @property
    def key_pem(self):
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def certify(self, subject, *, start=NOW - 2 * DAY, end=NOW + 9 * DAY, dns=None):
        """Return a certificate for the subject's key; with `dns` for a server."""
        builder = (
            x509.CertificateBuilder(
                self.name, subject.name, subject.key.public_key(), x509.random_serial_number()
            )
            .not_valid_before(start)
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=dns is None, path_length=None), critical=True)
        )
        if dns:
            names = x509.SubjectAlternativeName([x509.DNSName(dns)])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self.key, SHA256())

    def revoke(self, *certificates, start=NOW - DAY, end=NOW + DAY):
        """Return the revocation list of this authority with these certificates."""
        builder = x509.CertificateRevocationListBuilder(self.name, start, end)
        for each in certificates:
            entry = x509.RevokedCertificateBuilder(each.serial_number, start)
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(self.key, SHA256())
