"""The connections and requests of the admin port: all their limits."""

from __future__ import annotations

from typing import Final, cast

from twisted.internet.interfaces import ITCPTransport
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel
from twisted.web.resource import IResource
from twisted.web.server import Request, Site

IDLE_S: Final = 30.0
"""Seconds until an idle connection is closed: scrapers keep theirs and ask every 15 s or so."""

MAX_CONNECTIONS: Final = 64
"""Connections at the same time; scrapers, load balancers and an operator need a dozen."""

MAX_BODY_BYTES: Final = 8192
"""Bytes of a request's body: commands of the API name an account, a device and a reason. Twisted
stores long bodies on disk."""
TOO_LONG: Final = (
    b"HTTP/1.1 413 Content Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
)
NO_LENGTH: Final = b"HTTP/1.1 411 Length Required\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
"""The answer to a body in chunks, which may be without an end."""


class Channel(HTTPChannel):
    """One connection, counted by its site."""

    site: AdminSite

    def connectionMade(self) -> None:
        """Called when a peer has connected."""
        super().connectionMade()  # type: ignore[no-untyped-call] # Twisted's has no types
        self.site.came(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Called when the connection is closed."""
        super().connectionLost(reason)  # type: ignore[no-untyped-call] # as above
        self.site.went(self)


class LimitedRequest(Request):
    """A request, which is refused if its body is long or has no Content-Length."""

    _refused: bytes | None = None  # the answer

    def gotLength(self, length: int | None) -> None:
        """Called with the length of the body, when all headers have arrived."""
        if length is None:
            self._refused = NO_LENGTH
        elif length > MAX_BODY_BYTES:
            self._refused = TOO_LONG
        super().gotLength(0 if self._refused else length)  # type: ignore[no-untyped-call] # as above
        if self._refused:
            self.channel.transport.write(self._refused)  # type: ignore[union-attr] # there is one
            self.channel.loseConnection()

    def handleContentChunk(self, data: bytes) -> None:
        """Called with a part of the body."""
        if not self._refused:
            super().handleContentChunk(data)  # type: ignore[no-untyped-call] # as above

    def process(self) -> None:
        """Called when the whole request has arrived."""
        if self._refused:
            return  # it is answered already
        self.path = path_of(self.path)
        super().process()  # type: ignore[no-untyped-call] # as above


class AdminSite(Site):
    """The HTTP server of a port, which limits its connections."""

    noisy = False
    protocol = Channel  # type: ignore[assignment] # Twisted's own is made for HTTP/2 as well

    def __init__(self, root: IResource) -> None:
        super().__init__(  # type: ignore[no-untyped-call] # as above
            root,
            requestFactory=LimitedRequest,
            timeout=IDLE_S,
            parsePOSTFormSubmission=False,  # Twisted would read "a=b" in JSON as an argument
        )
        self._open: dict[Channel, None] = {}  # in the order in which they came
        self._streaming: set[Channel] = set()

    def came(self, channel: Channel) -> None:
        """Accept a connection, and close the oldest if there are too many.

        So a peer that holds connections open, or sends a request byte by byte, cannot keep
        monitors out.
        """
        self._open[channel] = None
        if len(self._open) > MAX_CONNECTIONS:
            cast("ITCPTransport", next(iter(self._open)).transport).abortConnection()

    def went(self, channel: Channel) -> None:
        """Remove a closed connection from the count."""
        self._open.pop(channel, None)
        self._streaming.discard(channel)

    def streams(self, channel: Channel) -> None:
        """Keep a connection that is a stream of events, whose number has a limit of its own."""
        self._open.pop(channel, None)
        self._streaming.add(channel)

    def log(self, request: object) -> None:
        """Log nothing: a line for each scrape would hide the others."""


def path_of(target: bytes) -> bytes:
    """Return the path of a request's target, which may be a whole URL.

    Two slashes in front become one: monitors join a base URL that ends with "/" and a path.
    """
    scheme, separator, rest = target.partition(b"://")
    if separator and scheme.lower() in (b"http", b"https"):
        target = rest.partition(b"/")[2]
    return target if target == b"*" else b"/" + target.lstrip(b"/")
