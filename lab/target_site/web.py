"""The site's web pages, and the pages of its control port, whose requests are not counted."""

import json

from twisted.protocols.basic import FileSender
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from lab.target_site.bodies import Body, sha256_of


class _CountedRequest(Request):
    """A request that the site's ledger counts."""

    def process(self):
        self.channel.site.ledger.requested(self.getClientAddress().host)
        super().process()


class _Page(Resource):
    """The front page; `?format=text` returns only the client's address, as ipcalf.com did."""

    def __init__(self, site_name):
        super().__init__()
        self._site_name = site_name
        self.putChild(b"", self)

    def render_GET(self, request):
        request.setHeader(b"content-type", b"text/plain; charset=utf-8")
        peer = request.getClientAddress().host
        if request.args.get(b"format") == [b"text"]:
            return f"{peer}\n".encode()
        scheme = "https" if request.isSecure() else "http"
        return f"Hello from the {self._site_name} site, by {scheme}, to {peer}\n".encode()


class _Say(Resource):
    """Returns the query's `text`."""

    isLeaf = True

    def render_GET(self, request):
        return request.args[b"text"][0]


class _Download(Resource):
    """Returns the number of bytes in the query's `bytes`, with their SHA-256 in a header."""

    isLeaf = True

    def render_GET(self, request):
        count = int(request.args[b"bytes"][0])
        request.setHeader(b"content-type", b"application/octet-stream")
        request.setHeader(b"content-length", b"%d" % count)
        request.setHeader(b"x-sha256", sha256_of(count).encode())
        sending = FileSender().beginFileTransfer(Body(count), request)
        # if the client closes early, the Deferred fails, and there is nothing to finish
        sending.addCallbacks(lambda _: request.finish(), lambda _: None)
        return NOT_DONE_YET


class _Counts(Resource):
    """The counts of all services as JSON."""

    isLeaf = True

    def __init__(self, ledger):
        super().__init__()
        self._ledger = ledger

    def render_GET(self, request):
        return _json(request, self._ledger.counts())


class _Recorded(Resource):
    """The recorded bytes of the service in the query, by connection, oldest first."""

    isLeaf = True

    def __init__(self, ledger):
        super().__init__()
        self._ledger = ledger

    def render_GET(self, request):
        name = request.args[b"service"][0].decode()
        return _json(request, [r.as_json() for r in self._ledger.service(name).records])


def _json(request, value):
    request.setHeader(b"content-type", b"application/json")
    return json.dumps(value).encode() + b"\n"


def public_site(site_name, service_ledger):
    """Return the pages for devices. Requests are counted in `service_ledger`."""
    root = _Page(site_name)
    root.putChild(b"say", _Say())
    root.putChild(b"download", _Download())
    site = Site(root, requestFactory=_CountedRequest)
    site.ledger = service_ledger
    return site


def control_site(ledger):
    """Return the pages with counts and records, for the tests and the demo."""
    root = Resource()
    root.putChild(b"counts", _Counts(ledger))
    root.putChild(b"recorded", _Recorded(ledger))
    return Site(root)
