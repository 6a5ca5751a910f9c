"""The admin port's pages of text: health, readiness, metrics, and what is not there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from types import MappingProxyType
from typing import Final, cast

from prometheus_client import CollectorRegistry
from prometheus_client.twisted import MetricsResource
from twisted.web.resource import IResource, Resource
from twisted.web.server import Request

from tessel_proxy.monitoring.readiness import HasObstacles

READING: Final = (b"GET", b"HEAD", b"OPTIONS")

Answer = tuple[HTTPStatus, list[str]]  # status, and the lines of the body
NO_OTHERS: Final[Mapping[bytes, Callable[[], Answer]]] = MappingProxyType({})


class ReadablePage(Resource):
    """A page that can be read, with or without a trailing slash."""

    isLeaf = True

    def render(self, request: Request) -> bytes | int:
        """Called with each request."""
        if request.postpath not in ([], [b""]):  # with or without a trailing slash
            return NOTHING_THERE.render(request)
        if request.method not in READING:
            return reply(request, HTTPStatus.METHOD_NOT_ALLOWED, [])
        return self.read(request)

    def read(self, request: Request) -> bytes | int:
        """Return the answer to a method of READING."""
        raise NotImplementedError


class TextPage(ReadablePage):
    """A few lines of text, which caches must not store."""

    def __init__(
        self, answer: Callable[[], Answer], others: Mapping[bytes, Callable[[], Answer]] = NO_OTHERS
    ) -> None:
        """`others`: answers to methods that differ from `answer`."""
        super().__init__()  # type: ignore[no-untyped-call] # Twisted's has no types
        self._answer = answer
        self._others = others

    def read(self, request: Request) -> bytes:
        """Return the lines."""
        status, lines = self._others.get(request.method, self._answer)()
        return reply(request, status, lines)


class MetricsPage(ReadablePage):
    """The page of prometheus_client, which supports GET only, with HEAD and OPTIONS added."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # as above
        self._page = cast("IResource", MetricsResource(registry))  # type: ignore[no-untyped-call] # as above

    def read(self, request: Request) -> bytes | int:
        """Return the metrics now, or later by itself."""
        if request.method == b"OPTIONS":
            return reply(request, HTTPStatus.OK, [])
        asked, request.method = request.method, b"GET"
        answer = self._page.render(request)  # it reads the method now, and answers later
        request.method = asked  # so that HEAD gets no body
        return cast("bytes | int", answer)


class NothingThere(Resource):
    """The answer of every path that is not there."""

    isLeaf = True

    def render(self, request: Request) -> bytes:
        """Called with each request."""
        return reply(request, *nothing_there())


NOTHING_THERE: Final = NothingThere()  # type: ignore[no-untyped-call] # as above


def reply(request: Request, status: HTTPStatus, lines: Sequence[str]) -> bytes:
    """Set status and headers; return the body that fits the request's method."""
    body = "".join(f"{line}\n" for line in lines).encode()
    request.setResponseCode(status.value, status.phrase.encode())
    request.setHeader(b"cache-control", b"no-store")
    if request.method == b"OPTIONS" or status is HTTPStatus.METHOD_NOT_ALLOWED:
        request.setHeader(b"allow", b", ".join(READING))
        return b""
    request.setHeader(b"content-type", b"text/plain; charset=utf-8")
    if request.method != b"HEAD":
        return body
    request.setHeader(b"content-length", b"%d" % len(body))
    return b""  # Twisted would log that it drops a body


def nothing_there() -> Answer:
    """Answer 404, and name what is there."""
    return HTTPStatus.NOT_FOUND, ["not found; available: /healthz, /readyz and /metrics"]


def health() -> Answer:
    """Answer 200: the process serves requests."""
    return HTTPStatus.OK, ["ok"]


def readiness_answer(readiness: HasObstacles) -> Answer:
    """Answer 200, or 503 and why the proxy takes no tunnels."""
    obstacles = [*readiness.obstacles]
    return (HTTPStatus.SERVICE_UNAVAILABLE, obstacles) if obstacles else (HTTPStatus.OK, ["ok"])
