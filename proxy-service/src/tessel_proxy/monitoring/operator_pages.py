"""The operator's page, its files, and a page for each error number."""

from __future__ import annotations

from http import HTTPStatus

from twisted.web.http import CACHED
from twisted.web.resource import Resource
from twisted.web.server import Request

from tessel_proxy.monitoring.api.access import Access
from tessel_proxy.monitoring.page import PAGE, SECURITY_HEADERS, PageFile, error_page
from tessel_proxy.monitoring.text_pages import NOTHING_THERE, ReadablePage, health, reply


class PageFiles(Resource):
    """The files of the operator's page, the same in every installation."""

    isLeaf = True

    def render(self, request: Request) -> bytes | int:
        """Called with each request."""
        file = PAGE.get(b"/page/" + b"/".join(request.postpath or ()))
        if file is None:
            return NOTHING_THERE.render(request)
        if request.method not in (b"GET", b"HEAD"):
            return reply(request, HTTPStatus.METHOD_NOT_ALLOWED, [])
        return _page_file(request, file)


class Start(ReadablePage):
    """The operator's page itself. `OPTIONS /` is a load balancer's check, as without the page."""

    def __init__(self, file: PageFile) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # Twisted's has no types
        self._file = file

    def read(self, request: Request) -> bytes:
        """Return the page."""
        if request.method == b"OPTIONS":
            return reply(request, *health())
        return _page_file(request, self._file)


class ErrorPages(Resource):
    """A page for each error number, for those who may use the API."""

    isLeaf = True

    def __init__(self, access: Access) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # as above
        self._access = access

    def render(self, request: Request) -> bytes:
        """Called with each request."""
        number = b"/".join(request.postpath or ()).decode("latin-1")
        may = request.method in (b"GET", b"HEAD") and self._access.caller(request) is not None
        body = error_page(number) if may else None
        if body is None:
            return NOTHING_THERE.render(request)
        return _page_file(request, PageFile(b"text/html; charset=utf-8", body, b""))


def _page_file(request: Request, file: PageFile) -> bytes:
    for name, value in SECURITY_HEADERS.items():
        request.setHeader(name, value)
    request.setHeader(b"content-type", file.content_type)
    request.setHeader(b"cache-control", b"no-cache" if file.etag else b"no-store")
    if file.etag and request.setETag(file.etag) is CACHED:
        return b""
    return b"" if request.method == b"HEAD" else file.body
