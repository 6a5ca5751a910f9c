"""A server's `connect` and `upgrade`, `Expect`, and requests as lenient as Node takes them."""

import pytest
from twisted.internet.error import ConnectionLost

from support.fake_board import powered_board, record
from tessel.errors import NodeError
from tessel.node import http

GET = b"GET /a HTTP/1.1\r\nHost: b\r\n\r\n"
CONNECT = b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n"
UPGRADE = b"GET /chat HTTP/1.1\r\nHost: b\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"


class Site:
    def __init__(self, board, **options):
        self.server = http.create_server(options, lambda request, response: response.end("ok"))
        self.heard = record(self.server, "request", "clientError")
        self.server.listen(0)
        board.run()
        self.client = board.accept()

    @property
    def names(self):
        return [event[0] for event in self.heard]


@pytest.fixture
def board():
    with powered_board() as board:
        yield board


@pytest.fixture
def site(board):
    return Site(board)


@pytest.mark.parametrize(
    ("event", "data", "url"), [("connect", CONNECT, "a:80"), ("upgrade", UPGRADE, "/chat")]
)
def test_a_switch_of_protocols_hands_the_socket_over(site, event, data, url):
    switches = record(site.server, event)
    for byte in data:
        site.client.send(bytes([byte]))
    site.client.send(b"raw")
    ((_, request, socket, head),) = switches
    assert request.url == url
    assert request.headers["host"]
    assert head == b""
    heard = record(socket, "data")
    socket.write("raw back")
    assert site.client.take() == b"raw back"
    assert heard == [("data", b"raw")]
    assert site.names == []


@pytest.mark.parametrize(("event", "data"), [("connect", CONNECT), ("upgrade", UPGRADE)])
def test_bytes_behind_a_switch_are_its_head(site, event, data):
    switches = record(site.server, event)
    site.client.send(GET + data + GET)
    assert [event[3] for event in switches] == [GET]
    assert site.names == ["request"]


def test_a_switched_connection_has_no_deadline_of_http(board, site):
    switches = record(site.server, "upgrade")
    site.client.send(UPGRADE)
    board.pass_time(1e6)
    assert not site.client.wire.lost
    site.server.close_idle_connections()
    errors = record(switches[0][2], "error")
    site.client.lose(ConnectionLost())
    assert errors[0][1].code == "ECONNRESET"
    assert site.names == []


def test_a_connect_without_a_listener_is_closed(site):
    site.client.send(CONNECT)
    assert site.client.wire.lost
    assert site.client.take() == b""
    assert site.names == []


@pytest.mark.parametrize("field", [b"X: " + b"a" * 16_000, b"a: b\r\n" * 500 + b"Host: b"])
def test_a_long_upgrade_without_a_listener_is_a_request(site, field):
    site.client.send(UPGRADE.replace(b"Host: b", b"Host: b\r\n" + field) + GET)
    assert [request.url for _, request, *_ in site.heard] == ["/chat", "/a"]


def test_an_upgrade_without_a_listener_is_a_request(site):
    upgrade = UPGRADE.replace(b"Host", b"Content-Length: 3\r\nHost")
    site.client.send(upgrade + b"abc" + GET)
    assert site.names == ["request", "request"]
    assert site.heard[0][1].headers["upgrade"] == "websocket"


# Expectations and hosts.


def test_an_unknown_expectation_is_refused(site):
    site.client.send(GET.replace(b"Host", b"Expect: tea\r\nHost"))
    assert site.client.take().startswith(b"HTTP/1.1 417 ")
    assert site.names == []


def test_a_program_may_meet_an_expectation(site):
    heard = []
    site.server.on("checkExpectation", lambda *exchange: heard.append(exchange))
    site.client.send(GET.replace(b"Host", b"Expect: tea\r\nHost"))
    heard[0][1].end("tea")
    assert site.client.take().endswith(b"tea")


def test_a_host_header_is_required_unless_the_program_does_without(board):
    site = Site(board, require_host_header=False)
    site.client.send(b"GET / HTTP/1.1\r\n\r\n")
    assert site.client.take().startswith(b"HTTP/1.1 200 ")


# Leniency.


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n\r\n" + GET,
        b"\n" + GET,
        b"GET / HTTP/1.1\r\nHost:a  \r\nEmpty:\r\nTabs:\t1\t\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET http://b/ HTTP/1.1\r\nHost: b\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: b\r\n\r\n",
        b"PROPFIND / HTTP/1.1\r\nHost: b\r\n\r\n",
    ],
)
def test_a_request_that_node_takes_is_taken(site, data):
    site.client.send(data)
    assert site.client.take().startswith(b"HTTP/1.1 200 OK\r\n")
    assert site.names == ["request"]


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        (b"gzip, chunked", b"3\r\nabc\r\n0\r\n\r\n"),
        (b"chunked", b"00000000000000000000000000000003\r\nabc\r\n0\r\n\r\n"),
        (b"Chunked", b'3;a=b;c="d e"\r\nabc\r\n0;f\r\n\r\n'),
    ],
)
def test_a_chunked_body_that_node_takes_is_taken(board, site, encoding, body):
    bodies = []
    site.server.prepend_listener("request", lambda request, _: request.on("data", bodies.append))
    head = b"POST / HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: " + encoding + b"\r\n\r\n"
    site.client.send(head + body + GET)
    assert bodies == [b"abc"]
    assert site.names == ["request", "request"]


def test_an_old_client_keeps_its_connection_only_if_the_program_says_so(board, site):
    old = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    site.server.prepend_once_listener(
        "request", lambda _, response: response.set_header("Connection", "keep-alive")
    )
    site.client.send(old)
    assert b"Connection: keep-alive\r\n" in site.client.take()
    site.client.send(old)
    assert b"Connection: close\r\n" in site.client.take()
    assert site.client.wire.half_closed


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (GET.replace(b"\r\nHost", b"\nHost"), "HPE_INVALID_VERSION"),
        (GET.replace(b"Host:", b"Host :"), "HPE_INVALID_HEADER_TOKEN"),
        (GET.replace(b"b\r\n", b"b\r\n folded\r\n"), "HPE_INVALID_HEADER_TOKEN"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HPE_PAUSED_H2_UPGRADE"),
        (b"\x16\x03\x01\x02\x00", "HPE_INVALID_METHOD"),
    ],
)
def test_what_node_refuses_is_refused_with_its_code(site, data, code):
    site.client.send(data)
    assert [(event[0], event[1].code) for event in site.heard] == [("clientError", code)]


def test_a_program_may_be_more_lenient(board):
    site = Site(board, insecure_http_parser=True)
    site.client.send(GET.replace(b"b\r\n", b"b\r\n folded\r\n"))
    assert site.names == ["request"]


# A response of another length than it says.


@pytest.mark.parametrize(("body", "sent"), [("too long", b"too"), ("x", b"x")])
def test_a_response_of_another_length_ends_no_program(board, body, sent):
    server = http.create_server(
        lambda request, response: response.set_header("Content-Length", 3).end(body)
    )
    server.listen(0)
    board.run()
    client = board.accept()
    client.send(GET + GET)
    assert client.take().endswith(b"\r\n\r\n" + sent)
    assert client.wire.half_closed


def test_a_status_message_cannot_smuggle_headers(board):
    def answer(request, response):
        response.status_message = "OK\r\nX: y"
        for send in (response.end, response.flush_headers, lambda: response.write("x")):
            with pytest.raises(NodeError, match="status_message"):
                send()
        response.status_message = "Fine"
        response.end()

    http.create_server(answer).listen(0)
    board.run()
    client = board.accept()
    client.send(GET)
    assert client.take().startswith(b"HTTP/1.1 200 Fine\r\n")


@pytest.mark.parametrize("length", ["many", -1, "3, 3", ""])
def test_a_content_length_that_is_none_is_refused_at_the_call(board, length):
    def answer(request, response):
        response.set_header("Content-Length", length)
        with pytest.raises(NodeError, match="expected the number of bytes"):
            response.end("abc")
        response.remove_header("Content-Length")
        response.end("abc")

    http.create_server(answer).listen(0)
    board.run()
    client = board.accept()
    client.send(GET)
    assert client.take().endswith(b"\r\n\r\nabc")
