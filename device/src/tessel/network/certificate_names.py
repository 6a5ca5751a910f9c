"""The names in a certificate, and whether they are those of a host, as Node decides it. Pure."""

from __future__ import annotations

from cryptography import x509
from cryptography.x509.oid import NameOID
from service_identity import CertificateError
from service_identity.hazmat import DNS_ID, DNSPattern

from tessel.addresses import literal

_KINDS: tuple[tuple[type[x509.GeneralName], str], ...] = (
    (x509.DNSName, "DNS"),
    (x509.IPAddress, "IP Address"),
    (x509.UniformResourceIdentifier, "URI"),
    (x509.RFC822Name, "email"),
)


def alternative_names(certificate: x509.Certificate) -> str:
    """Return a certificate's alternative names as Node writes them: "DNS:a.example, DNS:b.example".

    "" if there are none. Directory names and other kinds that no program compares are left out.
    """
    named = ((_kind(name), name.value) for name in _names(certificate))
    return ", ".join(f"{kind}:{value}" for kind, value in named if kind)


def is_common_name(certificate: x509.Certificate, host: str) -> bool:
    """Return whether the common name is the host's, as in Node without alternative DNS names.

    Public authorities issue no such certificates any more; private ones do.
    """
    if literal(host) is not None or _dns_names(certificate):
        return False
    return any(_fits(name, host) for name in _common_names(certificate))


def why_not(certificate: x509.Certificate, host: str) -> str:
    """Return Node's sentence for a certificate whose names are not those of the host."""
    if literal(host) is not None:
        addresses = (str(name.value) for name in _names(certificate) if _kind(name) == "IP Address")
        return f"IP: {host} is not in the cert's list: {', '.join(addresses)}"
    if _dns_names(certificate):
        return f"Host: {host}. is not in the cert's altnames: {alternative_names(certificate)}"
    if common := _common_names(certificate):
        return f"Host: {host}. is not cert's CN: {','.join(common)}"
    return "Cert does not contain a DNS name"


def _kind(name: x509.GeneralName) -> str:
    return next((text for kind, text in _KINDS if isinstance(name, kind)), "")


def _names(certificate: x509.Certificate) -> list[x509.GeneralName]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    except ValueError:  # unreadable names count as alternative names
        return [x509.DNSName("")]
    return list(found.value)


def _dns_names(certificate: x509.Certificate) -> list[x509.GeneralName]:
    return [name for name in _names(certificate) if isinstance(name, x509.DNSName)]


def _common_names(certificate: x509.Certificate) -> list[str]:
    parts = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return [part.value for part in parts if isinstance(part.value, str)]


def _fits(common_name: str, host: str) -> bool:
    """Return whether a common name matches the host. A common name may be any text."""
    try:
        return DNS_ID(host).verify(DNSPattern.from_bytes(common_name.encode("ascii")))
    except (CertificateError, ValueError):
        return False
