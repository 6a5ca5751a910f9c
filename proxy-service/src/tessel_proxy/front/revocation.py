"""Load CLIENT_CRL_FILE: lists of client certificates that their authorities revoked (RFC 5280).

OpenSSL refuses every device of an authority whose list is missing or has expired. So a file without
a list for one of the authorities is reported when it is loaded, and not at the first handshake.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from OpenSSL.crypto import X509Store, X509StoreFlags

from tessel_service_kit.settings import ConfigError

_NEVER = datetime.max.replace(tzinfo=UTC)
_PEM = re.compile(rb"-----BEGIN X509 CRL-----.*?-----END X509 CRL-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class RevocationLists:
    """The revocation lists of CLIENT_CRL_FILE. If there are none, revocation is not checked."""

    lists: tuple[x509.CertificateRevocationList, ...]
    warnings: tuple[str, ...] = ()

    @property
    def ends(self) -> Sequence[datetime]:
        """The times (UTC) at which the lists expire; lists that never expire are left out."""
        return [each.next_update_utc for each in self.lists if each.next_update_utc is not None]

    @property
    def first_end(self) -> datetime | None:
        """The time (UTC) at which the first authority has no current list; None: never.

        From then on the devices of that authority are refused.
        """
        latest: dict[x509.Name, datetime] = {}
        for each in self.lists:
            ends = each.next_update_utc or _NEVER
            latest[each.issuer] = max(ends, latest.get(each.issuer, ends))
        first = min(latest.values(), default=_NEVER)
        return None if first == _NEVER else first

    def check_with(self, store: X509Store) -> None:
        """Make OpenSSL check the chains of devices against these lists; without lists do nothing.

        The authorities in CLIENT_CA_FILE themselves are not checked.
        """
        if not self.lists:
            return
        for each in self.lists:
            store.add_crl(each)
        store.set_flags(X509StoreFlags.CRL_CHECK | X509StoreFlags.CRL_CHECK_ALL)

    def expired(self, now: datetime) -> Sequence[str]:
        """Return a sentence for each list that is not valid at `now`."""
        return [fault for each in self.lists if (fault := _out_of_date(each, now))]


def no_revocations() -> RevocationLists:
    """Return empty RevocationLists, for when CLIENT_CRL_FILE is not set."""
    return RevocationLists(())


def revocations_in(
    data: bytes, source: str, authorities: Sequence[x509.Certificate], now: datetime
) -> RevocationLists:
    """Parse a file of revocation lists; raises ConfigError if an authority has no current list.

    `data` is PEM with any number of lists, or one list in DER, as authorities publish it. `source`
    names the file and its setting in messages.
    """
    try:
        lists = _lists(data)
    except ValueError as error:
        allowed = "allowed: PEM (X509 CRL), or one list in DER"
        raise ConfigError([f"{source} holds no revocation list; {allowed}"]) from error
    faults = [fault for each in authorities for fault in _faults(each, lists, now)]
    if faults:
        raise ConfigError([f"{source}: {fault}" for fault in faults])
    old = [fault for each in lists if (fault := _out_of_date(each, now))]
    return RevocationLists(lists, tuple(f"{source}: {fault}" for fault in old))


def _lists(data: bytes) -> tuple[x509.CertificateRevocationList, ...]:
    """The lists in `data`, at least one. Raises ValueError."""
    if found := _PEM.findall(data):
        return tuple(map(x509.load_pem_x509_crl, found))
    return (x509.load_der_x509_crl(data),)


def _faults(
    authority: x509.Certificate, lists: Sequence[x509.CertificateRevocationList], now: datetime
) -> Sequence[str]:
    """Why the devices of this authority could not be checked for revocation."""
    own = [each for each in lists if _is_of(each, authority)]
    if not own:
        name = authority.subject.rfc4514_string()
        return [f"no list of {name}; allowed: one of each authority in CLIENT_CA_FILE"]
    faults = [_out_of_date(each, now) for each in own]
    return [] if None in faults else [str(faults[-1])]


def _is_of(revoked: x509.CertificateRevocationList, authority: x509.Certificate) -> bool:
    if revoked.issuer != authority.subject:
        return False
    try:
        key = authority.public_key()
        return revoked.is_signature_valid(key)  # type: ignore[arg-type] # raises TypeError itself
    except (TypeError, ValueError, UnsupportedAlgorithm):  # a key that cannot sign lists
        return False


def _out_of_date(revoked: x509.CertificateRevocationList, now: datetime) -> str | None:
    name = f"the list of {revoked.issuer.rfc4514_string()}"
    until = revoked.next_update_utc
    if until is not None and now >= until:
        return f"{name} expired at {until:%F %T} UTC; its devices are refused without a newer list"
    if now < revoked.last_update_utc:
        return f"{name} is valid only from {revoked.last_update_utc:%F %T} UTC"
    return None
