"""The HTTP server: limits for bodies and connections, and one log line per request."""

from __future__ import annotations

from typing import Final, cast
from urllib.parse import unquote_to_bytes

from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.logger import Logger, LogLevel
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.web import http, server
from twisted.web.resource import IResource

MAX_BODY: Final = 16 * 1024  # bytes; a request has five short parameters
# Bytes beyond MAX_BODY that are read and dropped, so that a client can read the 413: most clients
# send the whole body before they read. Beyond this limit, the connection is aborted.
MAX_DISCARDED: Final = 1024 * 1024
MAX_CONNECTIONS: Final = 256  # a proxy uses a few; the limit saves file descriptors
IDLE_TIMEOUT_S: Final = 60  # seconds between requests, and between the pieces of one

QUIET_PATHS: Final = frozenset({b"/healthz"})  # health checks ask every few seconds


class Request(server.Request):
    """An HTTP request with its body and the fields of its log line.

    At most MAX_BODY bytes of the body are kept.
    """

    def __init__(self, channel: http.HTTPChannel, *args: object, **kwargs: object) -> None:
        super().__init__(channel, *args, **kwargs)  # type: ignore[no-untyped-call]  # Twisted's
        self.body = bytearray()
        self.outcome = "ok"  # or the OAuth error code
        self.account = ""
        self.began = 0.0
        self._received = 0

    @property
    def oversized(self) -> bool:
        """Whether the body received so far is longer than MAX_BODY."""
        return self._received > MAX_BODY

    def handleContentChunk(self, data: bytes) -> None:
        """Called by Twisted for each piece of the body: stores it, or drops it beyond MAX_BODY.

        Aborts the connection if far too much is sent.
        """
        # Not stored in `content`: Twisted would parse it with its own rules and limits, and write
        # it to a temporary file if the length is not known.
        self._received += len(data)
        if not self.oversized:
            self.body += data
        elif self._received > MAX_BODY + MAX_DISCARDED:
            self.channel.forceAbortClient()

    def gotLength(self, length: int | None) -> None:
        """Called by Twisted with the length of the body, which is ignored.

        The body is stored in `body`.
        """
        del length  # 0, because `content` stays empty
        super().gotLength(0)  # type: ignore[no-untyped-call]  # Twisted's

    def process(self) -> None:
        """Called by Twisted when the request is complete: handles it.

        An invalid path is handled as `/`.
        """
        # '*', the URL of another host and bytes that are not UTF-8 are no valid paths here. They
        # are treated as a path without a route, so that the answer is 404.
        if not self.path.startswith(b"/") or not _is_text(self.path):
            self.path = b"/"
        self.began = cast("Site", self.channel.factory).reactor.seconds()
        super().process()  # type: ignore[no-untyped-call]  # Twisted's

    def getRequestHostname(self) -> bytes:
        """Return the constant `localhost`.

        The Host header is ignored: the client could write anything into it, and no route needs it.
        """
        return b"localhost"


class Site(server.Site):
    """The web site of the token service.

    It makes `Request` objects, and writes one log line for each.
    """

    noisy = False
    _log = Logger()

    def __init__(self, resource: IResource, reactor: IReactorTime) -> None:
        super().__init__(  # type: ignore[no-untyped-call]  # Twisted's
            resource, Request, timeout=IDLE_TIMEOUT_S, reactor=reactor
        )

    def log(self, request: Request) -> None:  # type: ignore[override]  # the only class made here
        """Log one line about a request.

        Query, body and headers are left out, because they may hold tokens.
        """
        level = LogLevel.debug if request.path in QUIET_PATHS else LogLevel.info
        self._log.emit(
            level,
            "{method} {path} {status} {outcome}",
            event="request",
            method=request.method.decode("ascii"),
            path=request.path.decode("ascii", "backslashreplace"),
            status=request.code,
            outcome=request.outcome,
            account=request.account,
            peer=getattr(request.client, "host", ""),
            seconds=round(self.reactor.seconds() - request.began, 3),
        )


class BoundedConnections(WrappingFactory):
    """A factory that limits the number of open connections. It closes further ones at once."""

    noisy = False

    def __init__(self, wrapped: Site, limit: int = MAX_CONNECTIONS) -> None:
        super().__init__(wrapped)  # type: ignore[no-untyped-call]  # Twisted's
        self._limit = limit

    # IFactory allows None; only Twisted's annotation of this class does not.
    def buildProtocol(  # type: ignore[override]
        self, addr: IAddress | None
    ) -> ProtocolWrapper | None:
        """Return the protocol for a new connection. None closes it: the limit is reached."""
        if len(self.protocols) >= self._limit:
            return None
        return super().buildProtocol(addr)


def _is_text(path: bytes) -> bool:
    try:
        unquote_to_bytes(path).decode()
    except UnicodeDecodeError:
        return False
    return True
