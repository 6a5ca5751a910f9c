"""http, https and treq over a real board, directly to a twisted.web site of this machine."""

import hashlib
import random

import pytest
import pytest_twisted
import treq
import trustme
from OpenSSL import SSL
from twisted.internet import reactor
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IOpenSSLContextFactory
from twisted.internet.task import deferLater
from twisted.web.client import Agent
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site
from zope.interface import implementer

from tessel import agent as tessel_agent
from tessel.board import Board
from tessel.endpoints import TesselAgentEndpoints
from tessel.network.interface import TlsOptions
from tessel.node import http, https

CONTENT = random.Random(1).randbytes(1_500_000)
BLOCK = 10_000


class Page(Resource):
    isLeaf = True

    def render_GET(self, request):
        if request.path == b"/chunked":
            for start in range(0, len(CONTENT), BLOCK):
                request.write(CONTENT[start : start + BLOCK])
            request.finish()
            return NOT_DONE_YET
        if request.path == b"/cut":
            request.setHeader(b"content-length", b"1000000")
            request.write(CONTENT[:100_000])
            reactor.callLater(0, request.transport.abortConnection)
            return NOT_DONE_YET
        return CONTENT

    def render_POST(self, request):
        return hashlib.sha256(request.content.read()).hexdigest().encode()


@implementer(IOpenSSLContextFactory)
class Presented:
    def __init__(self, context):
        self._context = context

    def getContext(self):
        return self._context


class CountedSite(Site):
    connections = 0

    def buildProtocol(self, addr):
        self.connections += 1
        return super().buildProtocol(addr)


@pytest.fixture
def site():
    site = CountedSite(Page())
    port = reactor.listenTCP(0, site, interface="127.0.0.1")
    site.url = f"http://127.0.0.1:{port.getHost().port}/"
    yield site
    pytest_twisted.blockon(port.stopListening())


@pytest.fixture
def authority():
    return trustme.CA()


@pytest.fixture
def secure_site(authority):
    context = SSL.Context(SSL.TLS_METHOD)
    authority.issue_cert("localhost").configure_cert(context)
    site = CountedSite(Page())
    port = reactor.listenSSL(0, site, Presented(context), interface="127.0.0.1")
    site.url = f"https://localhost:{port.getHost().port}/"
    yield site
    pytest_twisted.blockon(port.stopListening())


@pytest.fixture
def board(monkeypatch):
    uncaught = []
    board = Board(reactor, {"RADIO": "host"}, random.random, uncaught=uncaught.append)
    monkeypatch.setattr(http, "global_agent", http.Agent(keep_alive=True))
    monkeypatch.setattr(https, "global_agent", https.Agent(keep_alive=True))
    board.power_on()
    yield board
    http.global_agent.destroy()
    https.global_agent.destroy()
    pytest_twisted.blockon(deferLater(reactor, 0.05, lambda: None))  # for what is closing to close
    pytest_twisted.blockon(Deferred.fromCoroutine(board.power_off()))
    assert uncaught == []


def fetched(request):
    """The body of the response, or the first error of either."""
    answer = Deferred()
    chunks = []

    def ended():
        answer.callback(b"".join(chunks))

    def answered(response):
        response.on("data", chunks.append).on("end", ended).on("error", answer.errback)

    request.on("response", answered).on("error", answer.errback)
    return answer


def next_turn():
    """What ended the last wait has returned by then."""
    return deferLater(reactor, 0, lambda: None)


@pytest.mark.parametrize("path", ["plain", "chunked"])
@pytest_twisted.ensureDeferred
async def test_a_page_comes_whole(board, site, path):
    assert await fetched(http.get(site.url + path)) == CONTENT
    assert await fetched(http.get(site.url + path)) == CONTENT
    assert site.connections == 1
    await next_turn()
    assert len(board.handles) == 0


@pytest_twisted.ensureDeferred
async def test_twenty_downloads_at_once_come_whole(board, site):
    results = await DeferredList([fetched(http.get(site.url)) for _ in range(20)])
    assert results == [(True, CONTENT)] * 20
    assert site.connections == 20


@pytest_twisted.ensureDeferred
async def test_a_cut_page_is_an_error(board, site):
    with pytest.raises(Exception, match="ECONNRESET") as cut:
        await fetched(http.get(site.url + "cut"))
    assert cut.value.code == "ECONNRESET"


@pytest_twisted.ensureDeferred
async def test_an_upload_arrives_whole(board, site):
    request = http.request(site.url, {"method": "POST"})
    left = [CONTENT[start : start + BLOCK] for start in range(0, len(CONTENT), BLOCK)]

    def write_on():
        while left:
            if not request.write(left.pop(0)):
                request.once("drain", write_on)
                return
        request.end()

    answer = fetched(request)
    write_on()
    assert await answer == hashlib.sha256(CONTENT).hexdigest().encode()


@pytest_twisted.ensureDeferred
async def test_a_page_over_tls_comes_whole(board, secure_site, authority):
    ca = authority.cert_pem.bytes()
    assert await fetched(https.get(secure_site.url, {"ca": ca})) == CONTENT
    assert await fetched(https.get(secure_site.url, {"ca": ca})) == CONTENT
    assert secure_site.connections == 1


@pytest_twisted.ensureDeferred
async def test_a_certificate_nobody_trusts_is_an_error(board, secure_site):
    with pytest.raises(Exception, match="certificate") as refused:
        await fetched(https.get(secure_site.url))
    assert refused.value.code == "UNABLE_TO_VERIFY_LEAF_SIGNATURE"


@pytest_twisted.ensureDeferred
async def test_treq_runs_over_the_endpoints_unchanged(board, site):
    client = treq.client.HTTPClient(Agent.usingEndpointFactory(reactor, TesselAgentEndpoints()))
    response = await client.get(site.url)
    assert await response.content() == CONTENT
    answer = await client.post(site.url, data=CONTENT)
    assert await answer.text() == hashlib.sha256(CONTENT).hexdigest()


@pytest_twisted.ensureDeferred
async def test_treq_runs_over_our_agent_and_tls(board, secure_site, authority, monkeypatch):
    monkeypatch.setattr(tessel_agent, "IDLE_TIMEOUT_S", 0.05)
    trust = TlsOptions(ca=(authority.cert_pem.bytes(),))
    client = treq.client.HTTPClient(tessel_agent.agent(tls=trust))
    for _ in range(2):
        response = await client.get(secure_site.url)
        assert await response.content() == CONTENT
    assert secure_site.connections == 1
    await next_turn()
    assert len(board.handles) == 0
    await deferLater(reactor, 0.1, lambda: None)


@pytest_twisted.ensureDeferred
async def test_a_server_of_ours_serves_a_client_of_ours(board):
    server = http.create_server(lambda request, response: request.pipe(response))
    listening = Deferred()
    server.listen(0, "127.0.0.1", lambda: listening.callback(None))
    await listening
    request = http.request({"port": server.address()["port"], "host": "127.0.0.1", "method": "PUT"})
    answer = fetched(request)
    request.end(CONTENT)
    assert await answer == CONTENT
    closed = Deferred()
    server.close(lambda: closed.callback(None))
    await closed
