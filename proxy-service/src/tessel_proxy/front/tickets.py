"""How long the keys of session tickets may be used.

With a ticket a device that returns resumes its TLS session: the handshake costs no signature and
no key exchange with the certificate, and no certificate is looked at again. OpenSSL makes the keys
of tickets at random for each context and keeps them in memory, so a new context ends all tickets.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from cryptography.x509 import InvalidVersion
from OpenSSL import SSL
from OpenSSL.crypto import X509
from twisted.logger import Logger

from tessel_proxy.front.identity import TLSIdentity
from tessel_proxy.records.repeated_lines import EVERY_LINE, LineKind, LogLine

TICKET_KEYS_S: Final = 12 * 3600
"""Seconds to use the same keys, and the longest life of a ticket. A device that was off for a night
resumes; whoever gets the keys out of the memory can read no more than half a day of TLS 1.2."""


_EACH_LINE: Final = EVERY_LINE.log
UNREADABLE: Final = (ValueError, InvalidVersion)
"""What cryptography raises for a certificate that OpenSSL has read. An exception must not leave
OpenSSL's callback: Twisted would log it as an error of this program."""

_WORTH_A_LINE: Final = {
    SSL.X509VerificationCodes.ERR_CERT_HAS_EXPIRED: "it has expired",
    SSL.X509VerificationCodes.ERR_CERT_REVOKED: "it is revoked",
    SSL.X509VerificationCodes.ERR_CRL_HAS_EXPIRED: "the revocation list of its issuer has expired",
    SSL.X509VerificationCodes.ERR_UNABLE_TO_GET_CRL: (
        "CLIENT_CRL_FILE has no list of its issuer, which is an intermediate"
    ),
}
"""Why a device of a known authority is refused: OpenSSL's words for the handshake do not say."""


class TicketKeys:
    """The keys of one context."""

    _log = Logger()

    def __init__(self, identity: TLSIdentity, now: float, tell: LogLine = _EACH_LINE) -> None:
        """`now` and `end`: seconds since 1970."""
        self._tell = tell
        self._made_at = now
        self.end = now + TICKET_KEYS_S
        vouching = (each.not_valid_after_utc for each in identity.client_authorities)
        for each in (*vouching, *identity.revocations.ends):
            self._end_by(each)

    def are_usable(self, now: float) -> bool:
        """Not if the clock was set back either: their age would be unknown."""
        return self._made_at <= now < self.end

    def verified(
        self, _connection: SSL.Connection, certificate: X509, number: int, _depth: int, ok: int
    ) -> bool:
        """OpenSSL asks this for each certificate of a device. A resumed session looks at none, so
        no ticket may outlive a certificate that it stands for.
        """
        if ok:
            self._end_with(certificate)
        elif why := _WORTH_A_LINE.get(number):
            self._refused(_subject_of(certificate), why)
        return bool(ok)

    def _refused(self, subject: str, why: str) -> None:
        event = "client_certificate_refused"

        def write() -> None:
            self._log.warn(
                "the certificate {subject} of a device was refused: {why}",
                event=event,
                subject=subject,
                why=why,
            )

        self._tell(LineKind(event, why, subject), write)

    def _end_with(self, certificate: X509) -> None:
        try:
            self._end_by(certificate.to_cryptography().not_valid_after_utc)
        except UNREADABLE:
            self.end = self._made_at  # not knowing the certificate's end, give no ticket a future

    def _end_by(self, moment: datetime) -> None:
        if moment.timestamp() > self._made_at:
            self.end = min(self.end, moment.timestamp())


def _subject_of(certificate: X509) -> str:
    try:
        return certificate.to_cryptography().subject.rfc4514_string()
    except UNREADABLE:
        return "(its name cannot be read)"
