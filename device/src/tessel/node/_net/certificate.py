"""A certificate as Node shows it to programs: DER -> dict."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm
from cryptography.x509.oid import NameOID

from tessel.network.certificate_names import alternative_names

_SHORT = {
    NameOID.COMMON_NAME: "CN",
    NameOID.ORGANIZATION_NAME: "O",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "OU",
    NameOID.COUNTRY_NAME: "C",
    NameOID.STATE_OR_PROVINCE_NAME: "ST",
    NameOID.LOCALITY_NAME: "L",
}
_DATE = "%b %d %H:%M:%S %Y GMT"


def described(der: bytes) -> dict[str, object]:
    """Return a certificate in DER form as a dict with Node's keys, in snake case.

    The keys are `subject`, `issuer`, `subjectaltname`, `valid_from`, `valid_to`, `serial_number`,
    `fingerprint`, `fingerprint256` and `raw`.
    """
    certificate = x509.load_der_x509_certificate(der)
    return {
        "subject": _name(certificate.subject),
        "issuer": _name(certificate.issuer),
        "subjectaltname": alternative_names(certificate),
        "valid_from": certificate.not_valid_before_utc.strftime(_DATE),
        "valid_to": certificate.not_valid_after_utc.strftime(_DATE),
        "serial_number": f"{certificate.serial_number:X}",
        "fingerprint": _fingerprint(certificate, SHA1()),  # noqa: S303 - Node names it so; a label
        "fingerprint256": _fingerprint(certificate, SHA256()),
        "raw": der,
    }


def described_chain(chain: Sequence[bytes]) -> dict[str, object]:
    """Return the first certificate of a chain as `described` does, with its issuers.

    The key `issuer_certificate` is the issuer's dict, as far as the chain has it. {} for no chain.
    """
    shown = [described(der) for der in chain]
    for subject, issuer in pairwise(shown):
        if subject["issuer"] == issuer["subject"]:
            subject["issuer_certificate"] = issuer
    return shown[0] if shown else {}


def _name(name: x509.Name) -> dict[str, str]:
    return {_SHORT.get(part.oid, part.oid.dotted_string): _text(part.value) for part in name}


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.hex()


def _fingerprint(certificate: x509.Certificate, algorithm: HashAlgorithm) -> str:
    return certificate.fingerprint(algorithm).hex(":").upper()
