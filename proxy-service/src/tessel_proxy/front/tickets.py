"""Limit how long the keys of TLS session tickets are used.

With a ticket a device that reconnects resumes its TLS session: the handshake needs no signature and
no key exchange with the certificate, and certificates are not checked again. OpenSSL makes random
ticket keys for each context and keeps them in memory, so a new context invalidates all tickets.
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
resumes. An attacker who reads the keys in memory can decrypt at most half a day of TLS 1.2."""


_EACH_LINE: Final = EVERY_LINE.log
UNREADABLE: Final = (ValueError, InvalidVersion)
"""Exceptions of cryptography for a certificate that OpenSSL has accepted. They must not leave
OpenSSL's callback, because Twisted would log them as a bug."""

_WORTH_A_LINE: Final = {
    SSL.X509VerificationCodes.ERR_CERT_HAS_EXPIRED: "it has expired",
    SSL.X509VerificationCodes.ERR_CERT_REVOKED: "it is revoked",
    SSL.X509VerificationCodes.ERR_CRL_HAS_EXPIRED: "the revocation list of its issuer has expired",
    SSL.X509VerificationCodes.ERR_UNABLE_TO_GET_CRL: (
        "CLIENT_CRL_FILE has no list of its issuer, which is an intermediate"
    ),
}
"""Reasons for refused certificates that are logged: OpenSSL's handshake error omits them."""


class TicketKeys:
    """The period in which the session ticket keys of one TLS context may be used.

    It ends after TICKET_KEYS_S, or earlier when a certificate or revocation list expires.
    """

    _log = Logger()

    def __init__(self, identity: TLSIdentity, now: float, log_line: LogLine = _EACH_LINE) -> None:
        """Begin the period at `now`; it and the attribute `end` are seconds since 1970.

        `log_line` writes the log lines about refused certificates of devices.
        """
        self._log_line = log_line
        self._made_at = now
        self.end = now + TICKET_KEYS_S
        vouching = (each.not_valid_after_utc for each in identity.client_authorities)
        for each in (*vouching, *identity.revocations.ends):
            self._end_by(each)

    def are_usable(self, now: float) -> bool:
        """Return whether the keys may still be used at `now`.

        If the clock was set back, their age is unknown, and they may not be used.
        """
        return self._made_at <= now < self.end

    def verified(
        self, _connection: SSL.Connection, certificate: X509, number: int, _depth: int, ok: int
    ) -> bool:
        """Called by OpenSSL for each certificate of a device: returns `ok`. False refuses it.

        If `ok` is 0, `number` is OpenSSL's error, and some errors are logged. A resumed session
        checks no certificate, so the keys end when the first accepted certificate expires.
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

        self._log_line(LineKind(event, why, subject), write)

    def _end_with(self, certificate: X509) -> None:
        try:
            self._end_by(certificate.to_cryptography().not_valid_after_utc)
        except UNREADABLE:
            self.end = self._made_at  # the certificate's end is unknown: accept no ticket

    def _end_by(self, moment: datetime) -> None:
        if moment.timestamp() > self._made_at:
            self.end = min(self.end, moment.timestamp())


def _subject_of(certificate: X509) -> str:
    try:
        return certificate.to_cryptography().subject.rfc4514_string()
    except UNREADABLE:
        return "(its name cannot be read)"
