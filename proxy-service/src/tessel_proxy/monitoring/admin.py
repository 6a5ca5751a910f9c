"""The admin port: health, readiness and metrics over HTTP.

    /healthz   200 while the process serves requests
    /readyz    200 if the proxy is ready for new tunnels; else 503 and the reasons, one per line
    /metrics   for Prometheus

With ADMIN_TOKEN, also the operator's page (/, /page/, /errors/) and the API (/api/v1/).

Monitors ask in many forms. GET, HEAD and OPTIONS get the same status, with HTTP/1.0 or 1.1, with
or without a query, a trailing slash, a second slash in front, or the whole URL as the target.
`OPTIONS /` is the default check of HAProxy. Other methods get 405: only the API changes something.

These three contain no secrets, but they show how busy the proxy is. So the port is bound to
loopback unless ADMIN_HOST is set.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from types import MappingProxyType
from typing import Final, cast

from prometheus_client import CollectorRegistry
from prometheus_client.twisted import MetricsResource
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import maybeDeferred
from twisted.internet.interfaces import IListeningPort, ITCPTransport
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import CACHED, HTTPChannel
from twisted.web.resource import IResource, Resource
from twisted.web.server import Request, Site

from tessel_proxy.front.listening import IListeningReactor, listen
from tessel_proxy.monitoring.api.access import Access
from tessel_proxy.monitoring.page import PAGE, SECURITY_HEADERS, PageFile, error_page
from tessel_proxy.monitoring.readiness import HasObstacles
from tessel_proxy.monitoring.settings import MonitoringSettings

IDLE_S: Final = 30.0
"""Seconds until an idle connection is closed: scrapers keep theirs and ask every 15 s or so."""

MAX_CONNECTIONS: Final = 64
"""Connections at the same time; scrapers, load balancers and an operator need a dozen."""

MAX_BODY_BYTES: Final = 8192
"""Bytes of a request's body: commands of the API name an account, a device and a reason. Twisted
stores long bodies on disk."""
TOO_LONG: Final = b"HTTP/1.1 413 Content Too Large\r\nconnection: close\r\n\r\n"

READING: Final = (b"GET", b"HEAD", b"OPTIONS")

Answer = tuple[HTTPStatus, list[str]]  # status, and the lines of the body
NO_OTHERS: Final[Mapping[bytes, Callable[[], Answer]]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Operator:
    """What the operator reaches: the API, and who may use it.

    `api` returns the resource below /api/; its argument answers as for an unknown path.
    """

    api: Callable[[Callable[[Request], bytes]], IResource]
    access: Access


def operator_site(operator: Operator) -> Site:
    """Return the HTTP server factory of the control socket: the API alone."""
    root = _Root()  # type: ignore[no-untyped-call] # Twisted's has no types
    root.putChild(b"api", operator.api(_NOTHING_THERE.render))
    return _Site(root)


def add_operator(site: Site, operator: Operator) -> None:
    """Add the operator's page and API to the admin port."""
    root = cast("Resource", site.resource)
    root.putChild(b"", _Start(PAGE[b"/"]))
    root.putChild(b"page", _PageFiles())  # type: ignore[no-untyped-call] # as above
    root.putChild(b"errors", _ErrorPages(operator.access))
    root.putChild(b"api", operator.api(_NOTHING_THERE.render))


def admin_site(readiness: HasObstacles, registry: CollectorRegistry) -> Site:
    """Return the HTTP server factory of the admin port, with its three pages."""
    root = _Root()  # type: ignore[no-untyped-call] # Twisted's has no types
    root.putChild(b"", _Answer(_nothing_there, {b"OPTIONS": _health}))
    root.putChild(b"healthz", _Answer(_health))
    root.putChild(b"readyz", _Answer(partial(_readiness, readiness)))
    root.putChild(b"metrics", _Metrics(registry))
    return _Site(root)


class _Root(Resource):
    def getChild(self, path: bytes, request: Request) -> IResource:  # noqa: ARG002 -- Twisted's
        return _NOTHING_THERE


class _Channel(HTTPChannel):
    """One connection, counted by its site."""

    site: _Site

    def connectionMade(self) -> None:
        super().connectionMade()  # type: ignore[no-untyped-call] # as above
        self.site.came(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        super().connectionLost(reason)  # type: ignore[no-untyped-call] # as above
        self.site.went(self)


class _Request(Request):
    """One request; a long body is refused."""

    _too_long = False

    def gotLength(self, length: int | None) -> None:
        self._too_long = length is None or length > MAX_BODY_BYTES  # None: chunked, without an end
        super().gotLength(0 if self._too_long else length)  # type: ignore[no-untyped-call] # as above
        if self._too_long:
            self.channel.transport.write(TOO_LONG)  # type: ignore[union-attr] # there is one
            self.channel.loseConnection()

    def handleContentChunk(self, data: bytes) -> None:
        if not self._too_long:
            super().handleContentChunk(data)  # type: ignore[no-untyped-call] # as above

    def process(self) -> None:
        if self._too_long:
            return  # it is answered already
        self.path = _path_of(self.path)
        super().process()  # type: ignore[no-untyped-call] # as above


class _Site(Site):
    noisy = False
    protocol = _Channel  # type: ignore[assignment] # Twisted's own is made for HTTP/2 as well

    def __init__(self, root: IResource) -> None:
        super().__init__(  # type: ignore[no-untyped-call] # as above
            root,
            requestFactory=_Request,
            timeout=IDLE_S,
            parsePOSTFormSubmission=False,  # Twisted would read "a=b" in JSON as an argument
        )
        self._open: dict[_Channel, None] = {}  # in the order in which they came
        self._streaming: set[_Channel] = set()

    def came(self, channel: _Channel) -> None:
        """Accept a connection, and close the oldest if there are too many.

        So a peer that holds connections open, or sends a request byte by byte, cannot keep
        monitors out.
        """
        self._open[channel] = None
        if len(self._open) > MAX_CONNECTIONS:
            cast("ITCPTransport", next(iter(self._open)).transport).abortConnection()

    def went(self, channel: _Channel) -> None:
        """Remove a closed connection from the count."""
        self._open.pop(channel, None)
        self._streaming.discard(channel)

    def streams(self, channel: _Channel) -> None:
        """Keep a connection that is a stream of events, whose number has a limit of its own."""
        self._open.pop(channel, None)
        self._streaming.add(channel)

    def log(self, request: object) -> None:
        """Log nothing: a line for each scrape would hide the others."""


class _Page(Resource):
    """A page that can be read, with or without a trailing slash."""

    isLeaf = True

    def render(self, request: Request) -> bytes | int:
        if request.postpath not in ([], [b""]):  # with or without a trailing slash
            return _NOTHING_THERE.render(request)
        if request.method not in READING:
            return _reply(request, HTTPStatus.METHOD_NOT_ALLOWED, [])
        return self.read(request)

    def read(self, request: Request) -> bytes | int:
        raise NotImplementedError


class _Answer(_Page):
    """A few lines of text, which caches must not store."""

    def __init__(
        self, answer: Callable[[], Answer], others: Mapping[bytes, Callable[[], Answer]] = NO_OTHERS
    ) -> None:
        """`others`: answers to methods that differ from `answer`."""
        super().__init__()  # type: ignore[no-untyped-call] # as above
        self._answer = answer
        self._others = others

    def read(self, request: Request) -> bytes:
        status, lines = self._others.get(request.method, self._answer)()
        return _reply(request, status, lines)


class _Metrics(_Page):
    """The page of prometheus_client, which supports GET only, with HEAD and OPTIONS added."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # as above
        self._page = cast("IResource", MetricsResource(registry))  # type: ignore[no-untyped-call] # as above

    def read(self, request: Request) -> bytes | int:
        if request.method == b"OPTIONS":
            return _reply(request, HTTPStatus.OK, [])
        asked, request.method = request.method, b"GET"
        answer = self._page.render(request)  # it reads the method now, and answers later
        request.method = asked  # so that HEAD gets no body
        return cast("bytes | int", answer)


class _PageFiles(Resource):
    """The files of the operator's page, the same in every installation."""

    isLeaf = True

    def render(self, request: Request) -> bytes | int:
        file = PAGE.get(b"/page/" + b"/".join(request.postpath or ()))
        if file is None:
            return _NOTHING_THERE.render(request)
        if request.method not in (b"GET", b"HEAD"):
            return _reply(request, HTTPStatus.METHOD_NOT_ALLOWED, [])
        return _page_file(request, file)


class _Start(_Page):
    """The operator's page itself. `OPTIONS /` is a load balancer's check, as without the page."""

    def __init__(self, file: PageFile) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # as above
        self._file = file

    def read(self, request: Request) -> bytes:
        if request.method == b"OPTIONS":
            return _reply(request, *_health())
        return _page_file(request, self._file)


class _ErrorPages(Resource):
    """A page for each error number, for those who may use the API."""

    isLeaf = True

    def __init__(self, access: Access) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # as above
        self._access = access

    def render(self, request: Request) -> bytes:
        number = b"/".join(request.postpath or ()).decode("latin-1")
        may = request.method in (b"GET", b"HEAD") and self._access.caller(request) is not None
        body = error_page(number) if may else None
        if body is None:
            return _NOTHING_THERE.render(request)
        return _page_file(request, PageFile(b"text/html; charset=utf-8", body, b""))


def _page_file(request: Request, file: PageFile) -> bytes:
    for name, value in SECURITY_HEADERS.items():
        request.setHeader(name, value)
    request.setHeader(b"content-type", file.content_type)
    request.setHeader(b"cache-control", b"no-cache" if file.etag else b"no-store")
    if file.etag and request.setETag(file.etag) is CACHED:
        return b""
    return b"" if request.method == b"HEAD" else file.body


class _NothingThere(Resource):
    isLeaf = True

    def render(self, request: Request) -> bytes:
        return _reply(request, *_nothing_there())


_NOTHING_THERE: Final = _NothingThere()  # type: ignore[no-untyped-call] # as above


def _reply(request: Request, status: HTTPStatus, lines: Sequence[str]) -> bytes:
    """Set status and headers; return the body that fits the request's method."""
    body = "".join(f"{line}\n" for line in lines).encode()
    request.setResponseCode(status.value)
    request.setHeader(b"cache-control", b"no-store")
    if request.method == b"OPTIONS" or status is HTTPStatus.METHOD_NOT_ALLOWED:
        request.setHeader(b"allow", b", ".join(READING))
        return b""
    request.setHeader(b"content-type", b"text/plain; charset=utf-8")
    if request.method != b"HEAD":
        return body
    request.setHeader(b"content-length", b"%d" % len(body))
    return b""  # Twisted would log that it drops a body


def _path_of(target: bytes) -> bytes:
    """Return the path of a request's target, which may be a whole URL.

    Two slashes in front become one: monitors join a base URL that ends with "/" and a path.
    """
    scheme, separator, rest = target.partition(b"://")
    if separator and scheme.lower() in (b"http", b"https"):
        target = rest.partition(b"/")[2]
    return target if target == b"*" else b"/" + target.lstrip(b"/")


def _nothing_there() -> Answer:
    return HTTPStatus.NOT_FOUND, ["not found; available: /healthz, /readyz and /metrics"]


def _health() -> Answer:
    """Answer 200: the process serves requests."""
    return HTTPStatus.OK, ["ok"]


def _readiness(readiness: HasObstacles) -> Answer:
    obstacles = [*readiness.obstacles]
    return (HTTPStatus.SERVICE_UNAVAILABLE, obstacles) if obstacles else (HTTPStatus.OK, ["ok"])


class AdminPort:
    """The listener on ADMIN_PORT that serves `site`; without ADMIN_PORT it does nothing."""

    _log = Logger()

    def __init__(self, config: MonitoringSettings, reactor: IListeningReactor, site: Site) -> None:
        self._config = config
        self._reactor = reactor
        self._site = site
        self._port: IListeningPort | None = None

    @property
    def port(self) -> int | None:
        """The port number while the port is open, else None."""
        if self._port is None:
            return None
        return cast("IPv4Address | IPv6Address", self._port.getHost()).port

    def start(self) -> None:
        """Listen, if ADMIN_PORT is set; raises CannotListenError."""
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
        """Stop listening; connections that are open stay open."""
        if self._port is not None:
            port, self._port = self._port, None
            await maybeDeferred(port.stopListening)
