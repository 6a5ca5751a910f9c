"""Choose the certificates of a file that clients need, in the order in which TLS sends them.

A client needs the server's own certificate and the issuers up to one that it trusts. Files from
authorities often hold more: the root, or a cross certificate in which an older root signs a newer
one. When the cross certificate expires, clients that trust the newer root are not affected.

A file does not say which roots clients trust: an expired cross certificate and an expired
intermediate look the same. So only the server's own certificate can be a fault. An expired issuer
is not sent, and a warning says which clients can no longer verify the server.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from tessel_proxy.certificates.pem import out_of_date


@dataclass(frozen=True, slots=True)
class CertificateChain:
    """The certificates that a server sends to clients, its own first.

    `fault`: why no client can verify the server; None: it is usable. `warnings`: one sentence for
    each certificate of the file that is not sent.
    """

    certificates: tuple[x509.Certificate, ...]
    fault: str | None = None
    warnings: tuple[str, ...] = ()


def needed_chain(certificates: Sequence[x509.Certificate], now: datetime) -> CertificateChain:
    """Return the chain to send for the first certificate, checked at the time `now`.

    The other certificates may be in any order, and repeated.
    """
    leaf, *others = dict.fromkeys(certificates)
    if fault := out_of_date(leaf, now):
        return CertificateChain((leaf,), fault)
    path = _best_path(leaf, others, now)
    valid = tuple(takewhile(lambda each: out_of_date(each, now) is None, path))
    sent = (*valid, *_alternatives(valid, others, now))
    missing = [each for each in path[len(valid) :][:1] if not is_self_signed(each)]
    gaps = (_gap(each, leaf, now) for each in missing)
    unneeded = (_warning(each, now) for each in others if each not in (*sent, *missing))
    return CertificateChain(sent, None, (*gaps, *unneeded))


def is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Return whether `issuer` signed the certificate.

    If the signature algorithm is unknown, only the names are compared.
    """
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, TypeError):  # the latter: a key of another kind
        return False
    except (UnsupportedAlgorithm, ValueError):
        return certificate.issuer == issuer.subject
    return True


def is_self_signed(certificate: x509.Certificate) -> bool:
    """Return whether the certificate is a root: clients use their own copy, so it is not sent."""
    return certificate.subject == certificate.issuer


def _best_path(
    certificate: x509.Certificate, others: Sequence[x509.Certificate], now: datetime
) -> tuple[x509.Certificate, ...]:
    """The path from this certificate to the last issuer in the file; valid issuers are preferred.

    No issuer is used twice, so authorities that certify each other cause no endless loop.
    """
    if is_self_signed(certificate):
        return (certificate,)
    others = [each for each in others if each.subject != certificate.subject]
    paths = [
        (certificate, *_best_path(each, others, now))
        for each in others
        if is_issued_by(certificate, each)
    ]
    return min(paths, key=lambda path: _invalid(path[1:], now), default=(certificate,))


def _invalid(path: Iterable[x509.Certificate], now: datetime) -> int:
    return sum(out_of_date(each, now) is not None for each in path)


def _alternatives(
    path: Sequence[x509.Certificate], others: Sequence[x509.Certificate], now: datetime
) -> list[x509.Certificate]:
    """Other valid issuers of certificates in `path`: clients with other roots may need them."""
    return [
        each
        for each in others
        if each not in path
        and out_of_date(each, now) is None
        and any(is_issued_by(sent, each) for sent in path if not is_self_signed(sent))
    ]


def _gap(certificate: x509.Certificate, leaf: x509.Certificate, now: datetime) -> str:
    """The warning about an expired issuer. Only clients that trust it can verify the server."""
    name, server = (each.subject.rfc4514_string() for each in (certificate, leaf))
    why = out_of_date(certificate, now)
    return f"{why}; it is not sent, so clients that do not trust {name} itself refuse {server}"


def _warning(certificate: x509.Certificate, now: datetime) -> str:
    name = certificate.subject.rfc4514_string()
    why = out_of_date(certificate, now) or f"{name} issued none of those that are sent"
    return f"{why}; clients do not need it and are not sent it"
