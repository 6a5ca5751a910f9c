"""The Twisted manner: endpoints and agents over the board's network."""

import pytest
import treq
from twisted.internet import error
from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import (
    IHalfCloseableProtocol,
    IHandshakeListener,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Factory, Protocol
from twisted.web.client import URI, Agent, RedirectAgent, ResponseFailed
from twisted.web.error import SchemeNotSupported
from twisted.web.iweb import IAgent, IAgentEndpointFactory
from zope.interface import implementer
from zope.interface.verify import verifyObject

from support.fake_board import powered_board
from tessel import agent as tessel_agent
from tessel.endpoints import ConnectFailedError, TesselAgentEndpoints, TesselEndpoint
from tessel.errors import NodeError
from tessel.network.interface import TlsOptions

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


@pytest.fixture
def board():
    with powered_board() as board:
        yield board


class Talk(Protocol):
    data = b""
    lost = None

    def dataReceived(self, data):
        self.data += data

    def connectionLost(self, reason):
        self.lost = reason


@implementer(IHalfCloseableProtocol)
class HalfTalk(Talk):
    def __init__(self):
        self.halves = []

    def readConnectionLost(self):
        self.halves.append("read")

    def writeConnectionLost(self):
        self.halves.append("write")


class CountingFactory(Factory):
    started = 0
    protocol = Talk

    def startFactory(self):
        self.started += 1

    def stopFactory(self):
        self.started -= 1


def connect(board, endpoint, factory=None):
    got = []
    answer = endpoint.connect(factory or Factory.forProtocol(Talk)).addBoth(got.append)
    board.run()
    return got, answer


# Endpoints.


def test_an_endpoint_gives_the_factorys_protocol_its_connection(board):
    endpoint = TesselEndpoint("example.com", 7)
    verifyObject(IStreamClientEndpoint, endpoint)
    got, _ = connect(board, endpoint)
    wire = board.attempts[0].stand()
    (protocol,) = got
    assert isinstance(protocol, Talk)
    assert (wire.target.host, wire.target.port, wire.proxy, wire.tls) == (
        "example.com",
        7,
        True,
        None,
    )
    wire.send(b"hello")
    protocol.transport.write(b"world")
    assert protocol.data == b"hello"
    assert wire.take() == b"world"


@pytest.mark.parametrize(
    ("tls", "asked"),
    [(True, TlsOptions()), (TlsOptions(servername="b"), TlsOptions(servername="b"))],
)
def test_an_endpoint_over_tls_hands_its_options_on(board, tls, asked):
    connect(board, TesselEndpoint("example.com", 443, tls=tls, proxy=False))
    (attempt,) = board.attempts
    assert (attempt.tls, attempt.proxy) == (asked, False)
    attempt.stand().lose()


def test_a_connection_keeps_the_process_alive_from_its_attempt_to_its_end(board):
    factory = CountingFactory()
    got, _ = connect(board, TesselEndpoint("example.com", 7), factory)
    assert (len(board.handles), factory.started) == (1, 1)
    wire = board.attempts[0].stand()
    assert (len(board.handles), factory.started) == (1, 1)
    wire.lose()
    assert got[0].lost.check(error.ConnectionDone)
    assert (len(board.handles), factory.started) == (0, 0)


def test_a_connection_that_does_not_count_keeps_nothing_alive_once_it_stands(board):
    connect(board, TesselEndpoint("example.com", 7, counted=False))
    assert len(board.handles) == 1
    board.attempts[0].stand()
    assert len(board.handles) == 0


def test_a_half_closeable_protocol_is_notified_of_halves(board):
    got, _ = connect(board, TesselEndpoint("a", 7), Factory.forProtocol(HalfTalk))
    wire = board.attempts[0].stand()
    assert IHalfCloseableProtocol.providedBy(wire.wire.protocol)
    wire.end()
    wire.wire.protocol.writeConnectionLost()
    assert got[0].halves == ["read", "write"]


def test_any_other_protocol_is_not_shown_as_half_closeable(board):
    connect(board, TesselEndpoint("a", 7))
    assert not IHalfCloseableProtocol.providedBy(board.attempts[0].stand().wire.protocol)


def test_the_handshake_is_reported_to_a_protocol_that_asks(board):
    @implementer(IHandshakeListener)
    class Listening(Talk):
        shaken = False

        def handshakeCompleted(self):
            self.shaken = True

    got, _ = connect(board, TesselEndpoint("a", 7, tls=True), Factory.forProtocol(Listening))
    wire = board.attempts[0].stand()
    assert IHandshakeListener.providedBy(wire.wire.protocol)
    wire.wire.protocol.handshakeCompleted()
    assert got[0].shaken


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ECONNREFUSED", error.ConnectionRefusedError),
        ("ETIMEDOUT", error.TimeoutError),
        ("EHOSTUNREACH", error.NoRouteError),
        ("ENETUNREACH", error.NoRouteError),
        ("ENOTFOUND", error.UnknownHostError),
        ("EAI_AGAIN", error.UnknownHostError),
        ("EACCES", error.ConnectError),
    ],
)
def test_a_failure_has_twisteds_class_and_nodes_word(board, code, kind):
    factory = CountingFactory()
    got, _ = connect(board, TesselEndpoint("a", 7), factory)
    cause = NodeError(f"connect {code} a:7", code)
    board.attempts[0].fail(cause)
    problem = got[0].value
    assert isinstance(problem, kind)
    assert isinstance(problem, ConnectFailedError)
    assert isinstance(problem, error.ConnectError)
    assert (problem.code, str(problem)) == (code, f"connect {code} a:7")
    assert problem.__cause__ is cause
    assert problem.osError is None
    assert (len(board.handles), factory.started) == (0, 0)


def test_a_cancelled_attempt_leaves_nothing_behind(board):
    got, answer = connect(board, TesselEndpoint("a", 7))
    answer.cancel()
    assert got[0].check(CancelledError)
    assert board.attempts[0].cancelled
    assert len(board.handles) == 0


def test_a_factory_may_refuse(board):
    class Refusing(Factory):
        def buildProtocol(self, addr):
            return None

    connect(board, TesselEndpoint("a", 7), Refusing())
    with pytest.raises(error.NoProtocol):
        board.attempts[0].factory()
    board.attempts[0].fail(NodeError("gone", "ECONNRESET"))


# Web agents.


def test_an_agents_endpoints_follow_the_scheme():
    endpoints = TesselAgentEndpoints()
    verifyObject(IAgentEndpointFactory, endpoints)
    with pytest.raises(SchemeNotSupported, match="known: http, https"):
        endpoints.endpointForURI(URI.fromBytes(b"ftp://a/"))


def request(board, agent, url=b"http://example.com/x"):
    got = []
    agent.request(b"GET", url).addBoth(got.append)
    board.run()
    return got


@pytest.mark.parametrize(
    ("url", "port", "tls"),
    [(b"http://example.com/", 80, None), (b"https://example.com/", 443, TlsOptions(ca=(b"PEM",)))],
)
def test_twisteds_agent_goes_over_the_board(board, url, port, tls):
    endpoints = TesselAgentEndpoints(tls=TlsOptions(ca=(b"PEM",)), proxy=False)
    got = request(board, Agent.usingEndpointFactory(board.clock, endpoints), url)
    wire = board.attempts[0]
    assert (wire.target.port, wire.tls, wire.proxy) == (port, tls, False)
    wire.stand().send(OK)
    assert got[0].code == 200
    bodies = []
    treq.content(got[0]).addCallback(bodies.append)
    board.run()
    assert bodies == [b"hello"]
    assert len(board.handles) == 0


def test_our_agent_keeps_connections_but_not_the_process(board):
    agent = tessel_agent.agent()
    verifyObject(IAgent, agent)
    for _ in range(2):
        got = request(board, agent)
        wire = board.attempts[0]
        if wire.wire.protocol is None:
            wire.stand()
        wire.send(OK[:-1])
        bodies = []
        treq.content(got[0]).addCallback(bodies.append)
        assert board.handles.names() == ["body of GET http://example.com/x"]
        wire.send(OK[-1:])
        assert bodies == [b"hello"]
        assert len(board.handles) == 0
    assert len(board.attempts) == 1
    board.pass_time(tessel_agent.IDLE_TIMEOUT_S)
    assert board.attempts[0].wire.lost


def test_a_response_without_a_body_ends_the_request(board):
    got = request(board, tessel_agent.agent())
    wire = board.attempts[0].stand()
    wire.send(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert got[0].code == 204
    assert len(board.handles) == 0
    board.pass_time(tessel_agent.IDLE_TIMEOUT_S)


def test_a_body_that_nobody_asks_for_keeps_nothing_alive(board):
    asked = RedirectAgent(tessel_agent.agent())
    got = request(board, asked)
    wire = board.attempts[0].stand()
    wire.send(b"HTTP/1.1 302 Found\r\nLocation: http://b/\r\nContent-Length: 2\r\n\r\n")
    board.attempts[1].stand().send(OK)
    assert got[0].code == 200
    assert len(board.handles) == 0
    board.pass_time(tessel_agent.IDLE_TIMEOUT_S)


def test_a_program_has_the_turn_of_the_answer_to_ask_for_the_body(board):
    open_then = []
    got = []
    answered = tessel_agent.agent().request(b"GET", b"http://example.com/x").addBoth(got.append)
    answered.addCallback(lambda _: open_then.extend(board.handles.names()))
    board.run()
    board.attempts[0].stand().send(OK)
    assert open_then == ["next tick", "request GET http://example.com/x"]
    assert len(board.handles) == 0
    board.pass_time(tessel_agent.IDLE_TIMEOUT_S)


def test_a_request_that_fails_keeps_nothing_alive(board):
    got = request(board, tessel_agent.agent(proxy=False, tls=TlsOptions(servername="b")))
    board.attempts[0].fail(NodeError("connect ECONNREFUSED", "ECONNREFUSED"))
    assert got[0].check(error.ConnectionRefusedError)
    assert len(board.handles) == 0


def test_what_is_no_uri_keeps_nothing_alive(board):
    with pytest.raises(ValueError, match="Invalid URI"):
        tessel_agent.agent().request(b"GET", b"http://a b/")
    assert len(board.handles) == 0


CUT = b"HTTP/1.1 200 OK\r\n\r\nhel"  # its length is where the connection ends


def test_a_body_cut_by_the_tunnels_end_is_a_failure(board):
    got = request(board, tessel_agent.agent())
    wire = board.attempts[0].stand()
    wire.send(CUT)
    failures = []
    treq.content(got[0]).addErrback(failures.append)
    wire.lose(NodeError("read ECONNRESET", "ECONNRESET"))
    assert failures[0].check(ResponseFailed)
    assert len(board.handles) == 0


def test_a_body_that_ends_with_its_connection_is_whole(board):
    got = request(board, tessel_agent.agent())
    wire = board.attempts[0].stand()
    wire.send(CUT)
    bodies = []
    treq.content(got[0]).addCallback(bodies.append)
    wire.lose()
    assert bodies == [b"hel"]


def test_the_protocols_last_words_do_not_keep_the_process_alive(board):
    class Loud(Protocol):
        def connectionLost(self, reason):
            raise ValueError("loud")

    connect(board, TesselEndpoint("a", 7), Factory.forProtocol(Loud))
    wire = board.attempts[0].stand()
    with pytest.raises(ValueError, match="loud"):
        wire.lose()
    assert len(board.handles) == 0
