"""The certificates of a file -> those that clients need, in the order of TLS.

A client needs the server's own certificate and the issuers up to one that it trusts. Files from
authorities often hold more: the root itself, or a cross certificate by which an older root vouches
for a newer one. When the cross certificate expires, clients that know the newer root lose nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm


@dataclass(frozen=True, slots=True)
class Chain:
    """What a server sends, its own certificate first.

    `faults`: why clients could not verify it. `warnings`: certificates that are not sent.
    """

    certificates: tuple[x509.Certificate, ...]
    faults: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def needed_chain(certificates: Sequence[x509.Certificate], now: datetime) -> Chain:
    """The chain of the first certificate; the others may be in any order, and more than once."""
    leaf, *others = dict.fromkeys(certificates)
    if fault := out_of_date(leaf, now):
        return Chain((leaf,), (fault,))
    path = _best_path(leaf, others, now)
    end = next((at for at, each in enumerate(path) if out_of_date(each, now)), len(path))
    if end < len(path) and _is_needed(path, end, now):
        return Chain(path, tuple(_faults(path[end:], now)))
    sent = (*path[:end], *_alternatives(path[:end], others, now))
    left_out = [each for each in others if each not in sent]
    return Chain(sent, (), tuple(_warning(each, now) for each in left_out))


def out_of_date(certificate: x509.Certificate, now: datetime) -> str | None:
    """Why it is not valid at this time; None: it is."""
    name = certificate.subject.rfc4514_string()
    if now > certificate.not_valid_after_utc:
        return f"{name} expired at {certificate.not_valid_after_utc:%F %T} UTC"
    if now < certificate.not_valid_before_utc:
        return f"{name} is valid only from {certificate.not_valid_before_utc:%F %T} UTC"
    return None


def is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Did this issuer sign it? Signatures of unknown kinds are judged by the names alone."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, TypeError):  # the latter: a key of another kind
        return False
    except (UnsupportedAlgorithm, ValueError):
        return certificate.issuer == issuer.subject
    return True


def is_self_signed(certificate: x509.Certificate) -> bool:
    """Is it a root? Clients trust their own copy of a root, whatever the server sends."""
    return certificate.subject == certificate.issuer


def _best_path(
    certificate: x509.Certificate, others: Sequence[x509.Certificate], now: datetime
) -> tuple[x509.Certificate, ...]:
    """From this certificate up as far as the file goes; issuers that are valid come first."""
    if is_self_signed(certificate):
        return (certificate,)
    paths = [
        (certificate, *_best_path(each, [other for other in others if other != each], now))
        for each in others
        if is_issued_by(certificate, each)
    ]
    return min(paths, key=lambda path: _invalid(path[1:], now), default=(certificate,))


def _invalid(path: Iterable[x509.Certificate], now: datetime) -> int:
    return sum(out_of_date(each, now) is not None for each in path)


def _is_needed(path: Sequence[x509.Certificate], at: int, now: datetime) -> bool:
    """Must a client have the certificate at this place of the path to verify the first one?

    A client has the roots. A certificate that is no root, and has no valid certificate below it but
    the server's own, is an intermediate: no client has it. Higher up, it is taken for a cross
    certificate of a root that clients have, unless the file shows the valid root above it.
    """
    if is_self_signed(path[at]):
        return False
    above = path[at + 1 :]
    return at == 1 or any(is_self_signed(each) and not out_of_date(each, now) for each in above)


def _faults(path: Iterable[x509.Certificate], now: datetime) -> list[str]:
    return [fault for each in path if (fault := out_of_date(each, now))]


def _alternatives(
    path: Sequence[x509.Certificate], others: Sequence[x509.Certificate], now: datetime
) -> list[x509.Certificate]:
    """Other valid issuers of what is sent: clients with other roots may need them."""
    return [
        each
        for each in others
        if each not in path
        and out_of_date(each, now) is None
        and any(is_issued_by(sent, each) for sent in path if not is_self_signed(sent))
    ]


def _warning(certificate: x509.Certificate, now: datetime) -> str:
    name = certificate.subject.rfc4514_string()
    why = out_of_date(certificate, now) or f"{name} issued none of the others"
    return f"{why}; clients do not need it and are not sent it"
