"""What machines and operators ask of a running proxy, over HTTP on a port of its own.

    /healthz   200 while the process serves requests at all
    /readyz    200 if new tunnels are welcome; else 503 and why not, a line each
    /metrics   for Prometheus

It tells no secrets, but whoever reaches it learns how busy the proxy is, so it is bound to loopback
unless ADMIN_HOST says otherwise. It changes nothing: whatever is asked, GET or not, only reads.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Final, cast

from prometheus_client import CollectorRegistry
from prometheus_client.twisted import MetricsResource
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import maybeDeferred
from twisted.internet.interfaces import IListeningPort, ITCPTransport
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel
from twisted.web.pages import notFound
from twisted.web.resource import IResource, Resource
from twisted.web.server import Request, Site

from tessel_proxy.config import Config
from tessel_proxy.front.listening import IListeningReactor, listen
from tessel_proxy.monitoring.readiness import Readiness

IDLE_S: Final = 30.0
"""How long a connection may be silent: scrapers ask every 15 s or so, and may keep theirs."""

MAX_CONNECTIONS: Final = 64
"""At a time; some scrapers, a load balancer's checks and an operator need a dozen."""

MAX_BODY_OCTETS: Final = 1024
"""Of a request. Nothing here takes a body, and one that is long would be kept on the disk."""
TOO_LONG: Final = b"HTTP/1.1 413 Content Too Large\r\nconnection: close\r\n\r\n"

Answer = tuple[HTTPStatus, list[str]]  # and the lines of its body


def admin_site(readiness: Readiness, registry: CollectorRegistry) -> Site:
    """The factory for the admin port."""
    root = _Root()  # type: ignore[no-untyped-call] # Twisted's has no types
    root.putChild(b"healthz", _Answer(_health))
    root.putChild(b"readyz", _Answer(partial(_readiness, readiness)))
    root.putChild(b"metrics", MetricsResource(registry))  # type: ignore[no-untyped-call] # as above
    return _Site(root)


class _Root(Resource):
    def getChild(self, path: bytes, request: Request) -> IResource:  # noqa: ARG002 -- Twisted's
        return notFound()


class _Channel(HTTPChannel):
    """One connection, whose site counts it."""

    site: _Site

    def connectionMade(self) -> None:
        super().connectionMade()  # type: ignore[no-untyped-call] # as above
        self.site.came(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        super().connectionLost(reason)  # type: ignore[no-untyped-call] # as above
        self.site.went(self)


class _Request(Request):
    """One request, without a long body."""

    _too_long = False

    def gotLength(self, length: int | None) -> None:
        self._too_long = length is None or length > MAX_BODY_OCTETS  # None: chunked, without an end
        super().gotLength(0 if self._too_long else length)  # type: ignore[no-untyped-call] # as above
        if self._too_long:
            self.channel.transport.write(TOO_LONG)  # type: ignore[union-attr] # there is one
            self.channel.loseConnection()

    def handleContentChunk(self, data: bytes) -> None:
        if not self._too_long:
            super().handleContentChunk(data)  # type: ignore[no-untyped-call] # as above

    def process(self) -> None:
        if not self._too_long:  # else it has had its answer
            super().process()  # type: ignore[no-untyped-call] # as above


class _Site(Site):
    noisy = False
    protocol = _Channel  # type: ignore[assignment] # Twisted's own is made for HTTP/2 as well

    def __init__(self, root: IResource) -> None:
        super().__init__(root, requestFactory=_Request, timeout=IDLE_S)  # type: ignore[no-untyped-call] # as above
        self._open: dict[_Channel, None] = {}  # in the order in which they came

    def came(self, channel: _Channel) -> None:
        """Who comes is let in: if all places were kept for ever, it is the oldest that goes.

        So whoever holds connections open, or sends a request octet by octet, hides nothing from
        those who watch the proxy.
        """
        self._open[channel] = None
        if len(self._open) > MAX_CONNECTIONS:
            cast("ITCPTransport", next(iter(self._open)).transport).abortConnection()

    def went(self, channel: _Channel) -> None:
        del self._open[channel]

    def log(self, request: object) -> None:
        """Nothing: a line for each scrape would drown those that matter."""


class _Answer(Resource):
    """A few lines of text, never to be kept."""

    isLeaf = True

    def __init__(self, answer: Callable[[], Answer]) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # as above
        self._answer = answer

    def render_GET(self, request: Request) -> bytes:
        status, lines = self._answer()
        request.setResponseCode(status.value)
        request.setHeader(b"content-type", b"text/plain; charset=utf-8")
        request.setHeader(b"cache-control", b"no-store")
        return "".join(f"{line}\n" for line in lines).encode()


def _health() -> Answer:
    """That there is an answer is the answer."""
    return HTTPStatus.OK, ["ok"]


def _readiness(readiness: Readiness) -> Answer:
    obstacles = readiness.obstacles
    return (HTTPStatus.SERVICE_UNAVAILABLE, obstacles) if obstacles else (HTTPStatus.OK, ["ok"])


class AdminPort:
    """The port itself, if there is to be one."""

    _log = Logger()

    def __init__(self, config: Config, reactor: IListeningReactor, site: Site) -> None:
        self._config = config
        self._reactor = reactor
        self._site = site
        self._port: IListeningPort | None = None

    @property
    def port(self) -> int | None:
        """Where it listens, if it does."""
        if self._port is None:
            return None
        return cast("IPv4Address | IPv6Address", self._port.getHost()).port

    def start(self) -> None:
        """Raises CannotListenError."""
        if self._config.admin_port is None:
            return
        self._port = listen(
            self._reactor, self._config.admin_host, self._config.admin_port, self._site
        )
        self._log.info(
            "health and metrics on {host}, port {port}",
            event="admin_listening",
            host=self._config.admin_host,
            port=self.port,
        )

    async def stop(self) -> None:
        if self._port is not None:
            port, self._port = self._port, None
            await maybeDeferred(port.stopListening)
