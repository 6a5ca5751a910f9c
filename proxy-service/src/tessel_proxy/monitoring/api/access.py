"""Decides who may use the API: a bearer of the token, a session of the page, a local user."""

from __future__ import annotations

import hmac
import secrets
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, cast

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.web.server import Request

from tessel_proxy.limits.bucket import Bucket
from tessel_proxy.records.peers import source_of

COOKIE: Final = "tessel_session"
CSRF_HEADER: Final = b"x-tessel-csrf"
SESSION_S: Final = 12 * 3600.0
"""Seconds until a session ends: a working day."""

MAX_SESSIONS: Final = 32
"""Sessions at the same time; the oldest is ended for a new one."""

TRIES_PER_MINUTE: Final = 5
"""Wrong tokens of one address group in a minute, at the form of the page."""

ALL_TRIES_PER_MINUTE: Final = 30
MAX_SOURCES: Final = 1000
"""Address groups whose tries are counted; the oldest is forgotten first."""

UCRED: Final = struct.Struct("3i")
"""What SO_PEERCRED gives: pid, uid and gid."""

READING: Final = (b"GET", b"HEAD")


@dataclass(frozen=True, slots=True)
class Caller:
    """The sender of a request: `by` for the audit, and the address it came from."""

    by: str
    address: str


@dataclass(slots=True)
class Session:
    """A log-in of the page. `csrf` guards commands against other sites.

    `host` is the header Host of the log-in: browsers send a cookie to the host that has set it.
    """

    csrf: str
    host: bytes | None
    until: float
    expires_at: float


class ForgedError(Exception):
    """A command with a session's cookie that the page itself has not sent."""

    def __init__(self, caller: Caller) -> None:
        super().__init__()
        self.caller = caller


class TooManyTriesError(Exception):
    """Too many wrong tokens came from this address, or in all."""


class Access:
    """Decides whose request this is."""

    def __init__(
        self, token: str | None, clock: Callable[[], float], wall_time: Callable[[], float]
    ) -> None:
        """`token` None: only users of this machine have access. `clock`: monotonic seconds."""
        self._token = None if token is None else token.encode()
        self._clock = clock
        self._wall_time = wall_time
        self._sessions: dict[str, Session] = {}
        self._tries: dict[str, Bucket] = {}
        self._all_tries = Bucket(ALL_TRIES_PER_MINUTE / 60, ALL_TRIES_PER_MINUTE, clock())

    @property
    def has_token(self) -> bool:
        """Whether there is a token, so that the page can be used."""
        return self._token is not None

    def caller(self, request: Request) -> Caller | None:
        """Return the sender of the request; None: it has no access.

        Raises ForgedError for a command with a cookie that does not come from the page.
        """
        peer = request.getClientAddress()
        if isinstance(peer, UNIXAddress):
            return Caller(f"unix:uid={_peer_uid(request)}", "")
        address = peer.host if isinstance(peer, IPv4Address | IPv6Address) else ""
        if self._has_bearer(request):
            return Caller("token", address)
        session = self.session(request)
        if session is None:
            return None
        caller = Caller("session", address)
        if request.method not in READING and not _is_of_the_page(request, session):
            raise ForgedError(caller)
        return caller

    def _has_bearer(self, request: Request) -> bool:
        scheme, _, given = (_only(request, b"authorization") or b"").partition(b" ")
        return scheme.lower() == b"bearer" and self._is_right(given.strip())

    def _is_right(self, given: bytes) -> bool:
        return self._token is not None and hmac.compare_digest(given, self._token)

    def session(self, request: Request) -> Session | None:
        """Return the session of a request, or None.

        A page of another port of the same host could open streams by the cookie, which browsers
        send there, too: they say so in Sec-Fetch-Site.
        """
        if _only(request, b"sec-fetch-site") not in (None, b"same-origin", b"none"):
            return None
        found = next(filter(None, map(self._sessions.get, _names(request))), None)
        if found is None or found.host != _only(request, b"host"):
            return None
        return found if self.is_open(found) else None

    def log_in(self, request: Request, token: str) -> tuple[str, Session] | None:
        """Return the id of a new session and the session; None: the token is wrong.

        Raises TooManyTriesError before the token is compared.
        """
        source = source_of(getattr(request.getClientAddress(), "host", ""))
        tries = self._tries_of(source)
        now = self._clock()
        if tries.level(now) < 1 or self._all_tries.level(now) < 1:
            raise TooManyTriesError
        if not self._is_right(token.encode("utf-8", "surrogatepass")):
            tries.take(1, now)
            self._all_tries.take(1, now)
            return None
        name = secrets.token_urlsafe(32)
        session = self._sessions[name] = Session(
            csrf=secrets.token_urlsafe(32),
            host=_only(request, b"host"),
            until=now + SESSION_S,
            expires_at=self._wall_time() + SESSION_S,
        )
        while len(self._sessions) > MAX_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        return name, session

    def log_out(self, session: Session) -> None:
        """End a session."""
        self._sessions = {
            name: each for name, each in self._sessions.items() if each is not session
        }

    def is_open(self, session: Session) -> bool:
        """Return whether a session has not ended."""
        is_kept = any(each is session for each in self._sessions.values())
        return is_kept and self._clock() < session.until

    def _tries_of(self, source: str) -> Bucket:
        found = self._tries.pop(source, None)
        if found is None:
            found = Bucket(TRIES_PER_MINUTE / 60, TRIES_PER_MINUTE, self._clock())
        self._tries[source] = found
        if len(self._tries) > MAX_SOURCES:
            del self._tries[next(iter(self._tries))]
        return found


def _is_of_the_page(request: Request, session: Session) -> bool:
    """Return whether the page has sent a command: it knows `csrf`, and has our origin."""
    given = _only(request, CSRF_HEADER) or b""
    if not hmac.compare_digest(given, session.csrf.encode()):
        return False
    if not request.requestHeaders.hasHeader(b"origin"):
        return _only(request, b"sec-fetch-site") == b"same-origin"
    return has_own_origin(request)


def has_own_origin(request: Request) -> bool:
    """Return whether a request is not from a page of another site. Programs send no origin."""
    if not request.requestHeaders.hasHeader(b"origin"):
        return True
    origin, host = _only(request, b"origin") or b"", _only(request, b"host")
    return bool(host) and origin.partition(b"://")[2] == host


def _only(request: Request, name: bytes) -> bytes | None:
    """Return a header; None if it is missing, empty if it is there more than once."""
    values = request.requestHeaders.getRawHeaders(name, [])
    return (values[0] if len(values) == 1 else b"") if values else None


def _names(request: Request) -> Iterator[str]:
    """Yield the values of our cookies: other programs of this host may have set some, too.

    Any bytes may be in the others: http.cookies would stop at the first that is malformed.
    """
    for header in request.requestHeaders.getRawHeaders(b"cookie", []):
        for pair in header.split(b";"):
            name, _, value = pair.strip(b" \t").partition(b"=")
            if name == COOKIE.encode():
                yield value.decode("latin-1")


def _peer_uid(request: Request) -> int:
    """Return the user at the other end of a UNIX socket; -1 where the system does not say."""
    connection = getattr(request.channel.transport, "socket", None)
    option = getattr(socket, "SO_PEERCRED", None)
    if connection is None or option is None:
        return -1
    raw = cast("bytes", connection.getsockopt(socket.SOL_SOCKET, option, UCRED.size))
    return int(UCRED.unpack(raw)[1])
