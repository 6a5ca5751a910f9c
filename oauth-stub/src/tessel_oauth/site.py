"""HTTP as it is served: bounded bodies, bounded connections, one log line a request."""

from __future__ import annotations

from typing import Final, cast
from urllib.parse import unquote_to_bytes

from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.logger import Logger, LogLevel
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.web import http, server
from twisted.web.resource import IResource

MAX_BODY: Final = 16 * 1024  # five parameters, the longest of them an API key
# How much past that is read and dropped, so that an honest client gets to see the 413: most write
# their whole body before they read. Past this, the connection is cut.
MAX_DISCARDED: Final = 1024 * 1024
MAX_CONNECTIONS: Final = 256  # a proxy uses a few; keeps file descriptors for the rest
IDLE_TIMEOUT_S: Final = 60  # between requests, and between the pieces of one

QUIET_PATHS: Final = frozenset({b"/healthz"})  # asked every few seconds, by machines


class Request(server.Request):
    """A request with its body, up to the limit, in `body`, and what the log shall tell of it."""

    def __init__(self, channel: http.HTTPChannel, *args: object, **kwargs: object) -> None:
        super().__init__(channel, *args, **kwargs)  # type: ignore[no-untyped-call]  # Twisted's
        self.body = bytearray()
        self.outcome = "ok"  # or the error's word
        self.account = ""
        self.began = 0.0
        self._received = 0

    @property
    def oversized(self) -> bool:
        return self._received > MAX_BODY

    def handleContentChunk(self, data: bytes) -> None:
        # Not into `content`, which Twisted would parse by rules and limits of its own, and of
        # which it makes a temporary file when the length is not known.
        self._received += len(data)
        if not self.oversized:
            self.body += data
        elif self._received > MAX_BODY + MAX_DISCARDED:
            self.channel.forceAbortClient()

    def gotLength(self, length: int | None) -> None:
        del length  # whatever it says, `content` stays empty
        super().gotLength(0)  # type: ignore[no-untyped-call]  # Twisted's

    def process(self) -> None:
        # What no path of ours can be ('*', another host's URL, bytes that are not UTF-8) goes
        # where there is nothing, so that it is answered as any unknown path is.
        if not self.path.startswith(b"/") or not _is_text(self.path):
            self.path = b"/"
        self.began = cast("Site", self.channel.factory).reactor.seconds()
        super().process()  # type: ignore[no-untyped-call]  # Twisted's

    def getRequestHostname(self) -> bytes:
        """Not what the client says in Host: no route depends on it, and it may be anything."""
        return b"localhost"


class Site(server.Site):
    """The web site: a resource, our requests, and our log."""

    noisy = False
    _log = Logger()

    def __init__(self, resource: IResource, reactor: IReactorTime) -> None:
        super().__init__(  # type: ignore[no-untyped-call]  # Twisted's
            resource, Request, timeout=IDLE_TIMEOUT_S, reactor=reactor
        )

    def log(self, request: Request) -> None:  # type: ignore[override]  # the only kind made here
        """The one line about a request. Without query, body and headers: tokens stand in them."""
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
    """A factory that takes so many connections at a time; more are closed as they come."""

    noisy = False

    def __init__(self, wrapped: Site, limit: int = MAX_CONNECTIONS) -> None:
        super().__init__(wrapped)  # type: ignore[no-untyped-call]  # Twisted's
        self._limit = limit

    # IFactory lets it be None, only Twisted's annotation of this class does not.
    def buildProtocol(  # type: ignore[override]
        self, addr: IAddress | None
    ) -> ProtocolWrapper | None:
        if len(self.protocols) >= self._limit:
            return None
        return super().buildProtocol(addr)


def _is_text(path: bytes) -> bool:
    try:
        unquote_to_bytes(path).decode()
    except UnicodeDecodeError:
        return False
    return True
