"""An invitation as a URI: where the proxy is, which authority to trust, and a code for a token.

tessel://proxy.example.com:443/q3c0…?authority=9f86…&check=1b4f0e98
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Final
from urllib.parse import SplitResult, parse_qs, quote, urlencode, urlsplit

from streamplex.conversation.joining import CODE_PATTERN

SCHEME: Final = "tessel"
FINGERPRINT_PATTERN: Final = re.compile(r"[0-9a-f]{64}")
NAME_PATTERN: Final = re.compile(r"[a-z0-9._-]{1,253}")
"""A host's name, or an IPv4 address: at most what the DNS allows. The host is written to files and
terminals, so it must hold nothing else. Names in other alphabets are written as `xn--…`."""

CHECK_CHARACTERS: Final = 8
"""Hexadecimal digits that find errors of copying. They are no protection against an attacker."""

MAX_URI_CHARACTERS: Final = 1024
"""Four times the longest host, and all other parts."""

SHOWN_CHARACTERS: Final = 20
"""Characters of a wrong text that an error quotes."""

MAX_PORT: Final = 65_535


class InvitationError(ValueError):
    """A text is not an invitation. The error says what was seen and what is allowed."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """What an invitation's URI holds: where the proxy is, whom to trust, and the code.

    `authority` is the SHA-256 of the authority's certificate (DER) in hexadecimal digits; None: the
    proxy has a certificate of a public authority.
    """

    host: str
    port: int
    code: str
    authority: str | None

    def uri(self) -> str:
        """Return the invitation as `tessel://HOST:PORT/CODE?authority=…&check=…`."""
        bare = self._bare()
        query = {} if self.authority is None else {"authority": self.authority}
        return f"{bare}?{urlencode(query | {'check': self.check_digits})}"

    def _bare(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else quote(self.host, safe="")
        return f"{SCHEME}://{host}:{self.port}/{self.code}"

    @property
    def check_digits(self) -> str:
        """The hexadecimal digits at the URI's end that find errors of copying."""
        all_of_it = f"{self._bare()}?{self.authority or ''}"
        return hashlib.sha256(all_of_it.encode()).hexdigest()[:CHECK_CHARACTERS]


def parse_invitation(text: str) -> Invitation:
    """Return the invitation in a URI. Raises InvitationError, also if the URI was altered."""
    uri = text.strip()
    if len(uri) > MAX_URI_CHARACTERS:
        raise InvitationError(f"{len(uri)} characters; allowed: {MAX_URI_CHARACTERS} at most")
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InvitationError(f"not a URI: {ascii(str(error))[1:-1]}") from None
    if parts.scheme != SCHEME:
        start = ascii(uri[:SHOWN_CHARACTERS])
        raise InvitationError(f"it begins with {start}; allowed: {SCHEME}://HOST:PORT/CODE?…")
    query = parse_qs(parts.query, keep_blank_values=True)
    invitation = Invitation(
        host or "", port or 0, parts.path.removeprefix("/"), _single(query, "authority")
    )
    _check_parts(invitation, parts)
    if _single(query, "check") != invitation.check_digits:
        raise InvitationError(
            "its check digits do not fit: it was altered, or not copied whole; "
            "copy it again, from tessel:// to its last character"
        )
    return invitation


def _check_parts(invitation: Invitation, parts: SplitResult) -> None:
    if not invitation.host or parts.username is not None:
        raise InvitationError("it names no host; allowed: tessel://HOST:PORT/CODE?…")
    if not is_host(invitation.host):
        seen = ascii(invitation.host[:SHOWN_CHARACTERS])
        raise InvitationError(f"its host is {seen}; allowed: a name or an address")
    if not 0 < invitation.port <= MAX_PORT:
        raise InvitationError(f"it names no port from 1 to {MAX_PORT}")
    if not CODE_PATTERN.fullmatch(invitation.code):
        raise InvitationError("its code is not complete: 22 letters, digits, - and _ at least")
    if invitation.authority is not None and not FINGERPRINT_PATTERN.fullmatch(invitation.authority):
        raise InvitationError("its authority is not complete: 64 hexadecimal digits")


def is_host(host: str) -> bool:
    """Return whether an invitation can name this host: a name in small letters, or an address."""
    if ":" not in host:
        return NAME_PATTERN.fullmatch(host) is not None
    try:
        return IPv6Address(host).scope_id is None
    except ValueError:
        return False


def _single(query: dict[str, list[str]], name: str) -> str | None:
    values = query.get(name, [])
    return values[0] if len(values) == 1 else None
