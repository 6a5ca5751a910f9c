"""Make X.509 certificates of authorities and servers, in memory.

All have RSA keys and SHA-256, and end before 2050, when dates in certificates change their format:
small TLS libraries support nothing else. A Tessel 1 has 32-bit times, which end in January 2038.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import idna
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

KEY_BITS = 2048
AUTHORITY_LIFETIME = timedelta(days=3650)
LAST_MOMENT = datetime(2049, 12, 31, tzinfo=UTC)  # later is GeneralizedTime
TESSEL_1_END = datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC)
"""The first moment that a Tessel 1 cannot represent: axTLS keeps dates in a 32-bit `time_t`, and
takes a certificate that ends then or later for expired."""
TESSEL_1_LAST_MOMENT = datetime(2038, 1, 18, tzinfo=UTC)
"""axTLS reads only the day of a date, in local time, into a 32-bit `time_t`. One day before its end
is safe in every time zone."""
BACKDATED = timedelta(hours=1)  # for devices whose clock is a little behind
MAX_COMMON_NAME = 64  # X.520
MAX_NAME = 253  # RFC 1035, without the last dot

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate that was made here or read from files, and its private key."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey = field(repr=False)


def new_authority(now: datetime, last_moment: datetime = LAST_MOMENT) -> Issued:
    """Make a certificate authority with a new key.

    It is valid from `now` for ten years, but not after `last_moment`. Its name contains the date
    and a part of its key identifier, so that two authorities never have the same name.
    """
    until = min(now + AUTHORITY_LIFETIME, last_moment)
    key = rsa.generate_private_key(65537, KEY_BITS)
    key_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    name = _name(f"Tessel proxy authority {now:%Y-%m-%d} {key_id.digest.hex()[:8]}")
    builder = (
        _builder(name, name, key, now, until)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(key_id, critical=False)
    )
    return Issued(builder.sign(key, SHA256()), key)


def new_server(
    names: Sequence[x509.GeneralName],
    lifetime: timedelta,
    authority: Issued,
    now: datetime,
    last_moment: datetime = LAST_MOMENT,
) -> Issued:
    """Make a server's certificate for `names`, signed by `authority`, with a new key.

    It ends after `lifetime`, or with the authority, or at `last_moment`, whichever is first.
    """
    key = rsa.generate_private_key(65537, KEY_BITS)
    issuer = authority.certificate
    until = min(now - BACKDATED + lifetime, issuer.not_valid_after_utc, last_moment)
    builder = (
        _builder(_name(_common_name(names)), issuer.subject, key, now, until)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(_key_identifier_of(issuer), critical=False)
    )
    return Issued(builder.sign(authority.key, SHA256()), key)


def general_name(text: str) -> x509.GeneralName:
    """Return the IP address or DNS name in `text`, in the form that a certificate contains.

    A name may have non-ASCII letters (IDNA) and may begin with `*.`. Raises ValueError.
    """
    try:
        return x509.IPAddress(ipaddress.ip_address(text.removeprefix("[").removesuffix("]")))
    except ValueError:
        pass
    name = text.removesuffix(".").lower()
    wildcard = "*." if name.startswith("*.") else ""
    name = _to_ascii(name.removeprefix(wildcard), text)
    labels = name.split(".")
    if len(name) > MAX_NAME or not all(_LABEL.fullmatch(label) for label in labels):
        raise _bad_name(text)
    if labels[-1].isdigit():  # 10.0.0.256 is a typing error, not a name
        raise _bad_name(text)
    return x509.DNSName(wildcard + name)


def names_of(certificate: x509.Certificate) -> list[str]:
    """Return the DNS names and IP addresses that a certificate is valid for, as text."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return [str(each.value) for each in found.value]


def dns_names_of(certificate: x509.Certificate) -> list[str]:
    """Return the DNS names that a certificate is valid for, without its IP addresses."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return found.value.get_values_for_type(x509.DNSName)


def _to_ascii(name: str, text: str) -> str:
    if name.isascii():
        return name  # without IDNA, whose rules forbid the underscore
    try:
        return idna.encode(name, uts46=True).decode()
    except idna.IDNAError:
        raise _bad_name(text) from None


def _bad_name(text: str) -> ValueError:
    return ValueError(f"{text!r}; allowed: a name as proxy.example.com or an address, no port")


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: rsa.RSAPrivateKey,
    now: datetime,
    until: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(until)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _common_name(names: Sequence[x509.GeneralName]) -> str:
    """The first name. TLS clients read the alternative names, and people this one."""
    first = str(names[0].value)
    return first if len(first) <= MAX_COMMON_NAME else "Tessel proxy"


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_encipherment=not signs_certificates,  # RSA key exchange, as the Tessel 1 does it
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _key_identifier_of(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    subject = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(subject.value)
