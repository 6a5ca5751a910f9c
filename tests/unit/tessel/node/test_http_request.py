"""Requests and responses against a network of string transports."""

import pytest
from twisted.internet.error import ConnectionLost

from support.fake_board import powered_board, record
from tessel.errors import NodeError
from tessel.node import http, https
from tessel.node.stream import Writable

URL = "http://example.com/a?b=c"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
RESPONSE_EVENTS = ("data", "end", "aborted", "error", "close")


@pytest.fixture
def board(monkeypatch):
    with powered_board() as board:
        monkeypatch.setattr(http, "global_agent", http.Agent(keep_alive=True))
        monkeypatch.setattr(https, "global_agent", https.Agent(keep_alive=True))
        yield board


class Exchange:
    """A request, its connection, and what was heard of the response."""

    def __init__(self, board, request, stand=True):
        self.request = request
        self.board = board
        self.response = None
        self.heard = []
        self.requests_heard = record(request, "close")
        request.on("response", self._answered)
        board.run()
        self.wire = board.attempts[-1]
        if stand:
            self.wire.stand()

    def _answered(self, response):
        self.response = response
        self.heard = record(response, *RESPONSE_EVENTS)

    @property
    def body(self):
        return b"".join(event[1] for event in self.heard if event[0] == "data")

    @property
    def names(self):
        """Of the response's events, but for data."""
        return [event[0] for event in self.heard if event[0] != "data"]

    def errors(self):
        return [event[1] for event in self.heard if event[0] == "error"]


def get(board, url=URL, options=None, **rest):
    return Exchange(board, http.get(url, options), **rest)


def test_a_get_asks_for_the_path_by_the_hosts_name(board):
    exchange = get(board)
    assert exchange.wire.target.host == "example.com"
    assert exchange.wire.target.port == 80
    assert exchange.wire.take() == (
        b"GET /a?b=c HTTP/1.1\r\nHost: example.com\r\nConnection: keep-alive\r\n\r\n"
    )


def test_a_response_reports_status_headers_and_body(board):
    exchange = get(board)
    exchange.wire.send(
        b"HTTP/1.1 200 Fine\r\nContent-Length: 5\r\nX-Two: a\r\nx-two: b\r\n"
        b"Set-Cookie: c=1\r\nSet-Cookie: d=2\r\nServer: one\r\nServer: two\r\n\r\nhello"
    )
    response = exchange.response
    assert (response.status_code, response.status_message) == (200, "Fine")
    assert response.http_version == "1.1"
    assert response.headers["x-two"] == "a, b"
    assert response.headers["set-cookie"] == ["c=1", "d=2"]
    assert response.headers["server"] == "one"
    assert response.raw_headers[:4] == ["Content-Length", "5", "X-Two", "a"]
    assert exchange.body == b"hello"
    assert response.complete
    assert exchange.names == ["end", "close"]
    assert exchange.requests_heard == [("close",)]


def test_a_callback_is_for_the_response(board):
    got = []
    http.get(URL, got.append)
    http.get({"host": "example.com", "path": "/"}, got.append)
    http.get(URL, {"headers": {"X": "y"}}, got.append)
    board.run()
    for attempt in board.attempts:
        attempt.stand().send(OK)
    assert [response.status_code for response in got] == [200, 200, 200]


def test_a_chunked_response_may_come_byte_by_byte(board):
    exchange = get(board)
    wire = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 9\r\n\r\n"
    )
    for byte in wire:
        exchange.wire.send(bytes([byte]))
    assert exchange.body == b"abcde"
    assert exchange.response.trailers == {"x-sum": "9"}
    assert exchange.response.raw_trailers == ["X-Sum", "9"]
    assert exchange.names == ["end", "close"]


@pytest.mark.parametrize(
    ("method", "head"),
    [
        ("HEAD", b"200 OK\r\nContent-Length: 5"),
        ("GET", b"204 No Content"),
        ("GET", b"304 Not Modified\r\nContent-Length: 5"),
    ],
)
def test_some_responses_have_no_body_whatever_their_headers_say(board, method, head):
    exchange = Exchange(board, http.request(URL, {"method": method}).end())
    exchange.wire.send(b"HTTP/1.1 " + head + b"\r\n\r\n")
    assert exchange.body == b""
    assert exchange.names == ["end", "close"]
    assert not exchange.wire.wire.lost  # and the connection is kept


def test_informational_responses_come_before_the_response(board):
    exchange = get(board)
    told = record(exchange.request, "continue", "information")
    exchange.wire.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n")
    exchange.wire.send(OK)
    assert told[0] == ("continue",)
    assert [event[1].status_code for event in told[1:]] == [100, 103]
    assert told[2][1].headers == {"link": "x"}
    assert exchange.body == b"hello"


def test_a_body_without_a_length_ends_with_the_connection(board):
    exchange = get(board)
    exchange.wire.send(b"HTTP/1.0 200 OK\r\n\r\nall of it")
    exchange.wire.end()
    assert exchange.body == b"all of it"
    assert exchange.names == ["end", "close"]


# What is cut never looks whole.

CUT_BODIES = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\nhello",
]


@pytest.mark.parametrize("wire", CUT_BODIES)
def test_a_body_that_ends_too_early_is_aborted_and_an_error(board, wire):
    exchange = get(board)
    exchange.wire.send(wire)
    exchange.wire.end()
    assert exchange.body == b"hello"
    assert exchange.names == ["aborted", "error", "close"]
    (error,) = exchange.errors()
    assert (str(error), error.code) == ("aborted", "ECONNRESET")
    assert exchange.response.aborted
    assert not exchange.response.complete
    assert exchange.requests_heard == [("close",)]


@pytest.mark.parametrize("wire", [*CUT_BODIES, b"HTTP/1.0 200 OK\r\n\r\nhello"])
def test_a_reset_cuts_every_body(board, wire):
    exchange = get(board)
    exchange.wire.send(wire)
    exchange.wire.lose(ConnectionLost())
    assert exchange.names == ["aborted", "error", "close"]
    (error,) = exchange.errors()
    assert error.code == "ECONNRESET"


@pytest.mark.parametrize("wire", CUT_BODIES)
def test_a_reset_within_a_body_is_an_error_of_the_request_too(board, wire):
    request = http.get(URL)
    heard = record(request, "error", "close")
    exchange = Exchange(board, request)
    exchange.wire.send(wire)
    exchange.wire.lose(NodeError("read ECONNRESET", "ECONNRESET"))
    assert [str(event[1]) for event in heard if event[0] == "error"] == ["read ECONNRESET"]
    assert exchange.names == ["aborted", "error", "close"]
    assert str(exchange.errors()[0]) == "aborted"


def test_the_loss_of_the_tunnel_cuts_a_body_with_the_tunnels_own_error(board):
    exchange = get(board)
    exchange.wire.send(CUT_BODIES[0])
    lost = NodeError("read ECONNRESET", "ECONNRESET")
    exchange.wire.lose(lost)
    assert exchange.errors() == [lost]


def test_a_cut_nobody_listens_for_is_an_error_of_the_request(board):
    bodies = []
    request = http.get(URL, lambda response: response.on("data", bodies.append))
    heard = record(request, "error", "close")
    board.run()
    wire = board.attempts[0].stand()
    wire.send(CUT_BODIES[0])
    wire.end()
    assert [event[0] for event in heard] == ["error", "close"]
    assert heard[0][1].code == "ECONNRESET"


def test_a_cut_nobody_listens_for_at_all_is_seen_in_the_response(board):
    responses = []
    request = http.get(URL, lambda response: responses.append(response.resume()))
    closed = record(request, "close")
    board.run()
    wire = board.attempts[0].stand()
    wire.send(CUT_BODIES[0])
    wire.end()
    assert (responses[0].aborted, responses[0].complete) == (True, False)
    assert closed == [("close",)]


def test_who_listens_for_aborted_needs_no_error_listener(board):
    aborted = []
    http.get(URL, lambda r: r.resume().on("aborted", lambda: aborted.append(r)))
    board.run()
    wire = board.attempts[0].stand()
    wire.send(CUT_BODIES[0])
    wire.end()
    assert len(aborted) == 1


@pytest.mark.parametrize("partly", [b"", b"HTTP/1.1 200 O", b"HTTP/1.1 100 Continue\r\n\r\n"])
def test_a_connection_closed_before_the_response_is_a_hang_up(board, partly):
    request = http.get(URL)
    heard = record(request, "error", "close")
    exchange = Exchange(board, request)
    if partly:
        exchange.wire.send(partly)
    exchange.wire.end()
    assert [event[0] for event in heard] == ["error", "close"]
    assert str(heard[0][1]) == "socket hang up"


def test_a_target_that_cannot_be_reached_is_the_requests_error(board):
    refused = NodeError("connect ECONNREFUSED 10.0.0.1:80", "ECONNREFUSED")
    request = http.get(URL)
    heard = record(request, "error", "close")
    Exchange(board, request, stand=False).wire.fail(refused)
    assert heard == [("error", refused), ("close",)]
    assert len(board.handles) == 0


def test_an_unheard_error_of_a_request_ends_the_program(board):
    Exchange(board, http.get(URL), stand=False).wire.fail(NodeError("no", "ECONNREFUSED"))
    (error,) = board.uncaught
    assert error.code == "ECONNREFUSED"
    board.uncaught.clear()


def test_what_is_not_http_is_an_error_of_the_request(board):
    request = http.get(URL)
    heard = record(request, "error", "close")
    exchange = Exchange(board, request)
    exchange.wire.send(b"SSH-2.0-OpenSSH\r\n\r\n")
    assert heard[0][1].code == "HPE_INVALID_CONSTANT"
    assert heard[1:] == [("close",)]
    assert exchange.wire.wire.lost


def test_a_malformed_chunk_cuts_the_response(board):
    exchange = get(board)
    exchange.wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nzz\r\n")
    assert exchange.names == ["aborted", "error", "close"]
    assert exchange.errors()[0].code == "HPE_INVALID_CHUNK_SIZE"
    assert exchange.wire.wire.lost


# Limits.


@pytest.mark.parametrize(
    ("options", "fields"),
    [
        ({}, b"X: " + b"y" * 17_000),
        ({"max_header_size": 100}, b"X: " + b"y" * 101),
        ({}, b"\r\n".join(b"a:" for _ in range(2001))),
    ],
)
def test_headers_have_a_limit(board, options, fields):
    request = http.get(URL, options)
    heard = record(request, "error")
    exchange = Exchange(board, request)
    exchange.wire.send(b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n\r\n")
    assert heard[0][1].code == "HPE_HEADER_OVERFLOW"
    assert exchange.wire.wire.lost


def test_a_header_block_without_an_end_is_not_held_for_ever(board):
    request = http.get(URL)
    heard = record(request, "error")
    Exchange(board, request).wire.send(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 20_000)
    assert heard[0][1].code == "HPE_HEADER_OVERFLOW"


def test_a_body_may_be_limited(board):
    exchange = get(board, options={"max_body_size": 4})
    exchange.wire.send(OK)
    assert exchange.names == ["aborted", "error", "close"]
    assert exchange.errors()[0].code == "ERR_HTTP_BODY_TOO_LARGE"


def test_a_slow_reader_stops_the_connection(board):
    request = http.get(URL)
    board.run()
    responses = []
    request.on("response", responses.append)
    wire = board.attempts[0].stand()
    wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 400000\r\n\r\n")
    for _ in range(4):
        if wire.wire.producerState == "producing":
            wire.send(b"x" * 65_536)
    assert wire.wire.producerState == "paused"
    heard = record(responses[0], "data")
    board.run()
    assert wire.wire.producerState == "producing"
    assert sum(len(event[1]) for event in heard) == 2 * 65_536


def test_a_response_can_be_text_and_piped(board):
    class Sink(Writable):
        def __init__(self):
            super().__init__()
            self.taken = b""

        def _write(self, chunk, done):
            self.taken += chunk
            done(None)

    sink, texts = Sink(), []
    request = http.get(URL)
    request.on("response", lambda response: response.set_encoding().on("data", texts.append))
    request.on("response", lambda response: response.pipe(sink))
    Exchange(board, request).wire.send(OK)
    assert texts == ["hello"]
    assert sink.taken == b"hello"
    assert sink.writable_finished


# What is sent.


def post(board, options=None, **rest):
    return http.request(URL, {"method": "POST", **(options or {})}, **rest)


def test_a_body_that_is_known_has_a_length(board):
    request = post(board)
    request.write("héllo, ")
    request.end(b"world")
    sent = Exchange(board, request).wire.take()
    assert b"Content-Length: 13\r\n" in sent
    assert sent.endswith("\r\n\r\nhéllo, world".encode())


def test_a_body_that_is_not_known_is_chunked(board):
    request = post(board)
    exchange = Exchange(board, request)
    assert exchange.wire.take() == b""  # the headers wait
    request.write(b"one")
    request.add_trailers({"X-Sum": "7"})
    first = exchange.wire.take()
    request.end(b"four")
    assert b"Transfer-Encoding: chunked\r\n" in first
    assert first.endswith(b"\r\n\r\n3\r\none\r\n")
    assert exchange.wire.take() == b"4\r\nfour\r\n0\r\nX-Sum: 7\r\n\r\n"


def test_a_post_without_a_body_says_so(board):
    assert b"Content-Length: 0\r\n" in Exchange(board, post(board).end()).wire.take()


def test_a_get_with_a_body_is_framed_too(board):
    request = http.request(URL)
    exchange = Exchange(board, request)
    request.write(b"x")
    assert b"Transfer-Encoding: chunked" in exchange.wire.take()


def test_headers_can_be_sent_before_the_body(board):
    request = post(board)
    exchange = Exchange(board, request)
    request.flush_headers()
    request.flush_headers()
    assert exchange.wire.take().endswith(b"\r\n\r\n")
    with pytest.raises(NodeError, match="after they are sent"):
        request.set_header("X", "y")
    with pytest.raises(NodeError, match="after they are sent"):
        request.remove_header("X")


def test_the_headers_of_a_get_that_is_flushed_announce_no_body(board):
    request = http.request(URL)
    exchange = Exchange(board, request)
    request.flush_headers()
    assert b"chunked" not in exchange.wire.take()
    request.end()
    exchange.wire.send(OK)
    assert exchange.body == b"hello"


def test_expecting_to_be_asked_to_go_on_sends_the_headers_at_once(board):
    request = post(board, {"headers": {"Expect": "100-continue"}})
    exchange = Exchange(board, request)
    request.on("continue", lambda: request.end("now"))
    assert b"Expect: 100-continue" in exchange.wire.take()
    exchange.wire.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert exchange.wire.take() == b"3\r\nnow\r\n0\r\n\r\n"


def test_headers_can_be_set_read_and_removed(board):
    request = http.request(URL, {"headers": {"X-A": "1", "X-B": ["2", "3"]}})
    request.set_header("x-c", 4)
    request.remove_header("x-a")
    request.remove_header("x-never")
    assert request.get_header("X-C") == 4
    assert request.get_header("x-a") is None
    assert request.has_header("x-b")
    assert request.get_header_names() == ["x-b", "host", "x-c"]
    sent = Exchange(board, request.end()).wire.take()
    assert b"X-B: 2\r\nX-B: 3\r\n" in sent
    assert b"x-c: 4\r\n" in sent


@pytest.mark.parametrize(("body", "sent"), [("too long", b"too"), ("x", b"x")])
def test_a_body_that_breaks_its_promised_length_ends_no_program(board, body, sent):
    request = post(board, {"headers": {"Content-Length": 3}})
    exchange = Exchange(board, request)
    request.write(body)
    request.end()
    assert exchange.wire.take().endswith(b"\r\n\r\n" + sent)
    exchange.wire.send(OK)
    assert exchange.body == b"hello"
    assert exchange.wire.wire.lost  # what the server makes of the rest is not known


def test_a_body_that_breaks_its_promised_length_may_be_made_an_error(board):
    request = post(board, {"headers": {"Content-Length": 3}})
    request.strict_content_length = True
    heard = record(request, "error", "close")
    Exchange(board, request)
    request.end("too long")
    board.run()
    assert heard[0][1].code == "ERR_HTTP_CONTENT_LENGTH_MISMATCH"


def test_a_head_that_http_forbids_is_an_error_even_when_flushed(board):
    request = post(board, {"headers": {"Transfer-Encoding": "gzip"}})
    heard = record(request, "error")
    Exchange(board, request)
    request.flush_headers()
    board.run()
    assert heard[0][1].code == "ERR_HTTP_INVALID_HEADER_VALUE"


def test_a_congested_connection_makes_write_wait_for_drain(board):
    request = post(board)
    exchange = Exchange(board, request)
    drains = record(request, "drain")
    exchange.wire.wire.producer.pauseProducing()
    assert request.write(b"x" * 20_000) is False
    board.run()
    assert drains == []
    exchange.wire.wire.producer.resumeProducing()
    board.run()
    assert drains == [("drain",)]


def test_an_answer_before_the_body_was_sent_leaves_the_connection_in_use(board):
    request = post(board)
    exchange = Exchange(board, request)
    request.write("part")
    exchange.wire.send(OK)
    assert exchange.names == ["end", "close"]
    assert exchange.requests_heard == []
    request.end("rest")
    assert exchange.wire.take().endswith(b"4\r\nrest\r\n0\r\n\r\n")
    assert exchange.requests_heard == [("close",)]
    assert http.global_agent.free_sockets


def test_an_answer_that_closes_stops_an_upload(board):
    request = post(board)
    exchange = Exchange(board, request)
    request.write("part")
    exchange.wire.send(b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    assert exchange.requests_heard == [("close",)]
    assert exchange.wire.wire.lost


def test_a_connection_lost_between_answer_and_upload_closes_the_request(board):
    request = post(board)
    exchange = Exchange(board, request)
    request.write("part")
    exchange.wire.send(OK)
    exchange.wire.lose(ConnectionLost())
    assert exchange.requests_heard == [("close",)]


# The end before the end.


def test_a_request_that_is_destroyed_before_its_connection_stands_hangs_up(board):
    request = http.get(URL)
    heard = record(request, "error", "close")
    exchange = Exchange(board, request, stand=False)
    request.destroy()
    board.run()
    assert [str(event[1]) for event in heard[:1]] == ["socket hang up"]
    assert heard[1:] == [("close",)]
    assert exchange.wire.cancelled
    assert len(board.handles) == 0


def test_abort_has_an_event_of_its_own(board):
    request = http.get(URL)
    heard = record(request, "abort", "error", "close")
    exchange = Exchange(board, request)
    request.abort()
    request.abort()
    board.run()
    assert [event[0] for event in heard] == ["abort", "error", "close"]
    assert request.aborted
    assert exchange.wire.wire.lost


def test_a_request_destroyed_in_mid_response_aborts_that(board):
    exchange = get(board)
    exchange.wire.send(CUT_BODIES[0])
    exchange.request.destroy()
    board.run()
    assert exchange.names == ["aborted", "error", "close"]
    assert exchange.requests_heard == [("close",)]
    assert exchange.wire.wire.lost
    assert [str(error) for error in exchange.errors()] == ["aborted"]


def test_a_program_that_destroys_its_request_need_not_listen(board):
    request = http.get(URL, lambda response: response.resume())
    wire = Exchange(board, request).wire
    wire.send(CUT_BODIES[0])
    request.destroy()  # no error listener on the response, and none on the request
    board.run()
    assert board.uncaught == []


def test_a_response_that_is_destroyed_takes_its_connection_along(board):
    exchange = get(board)
    exchange.wire.send(CUT_BODIES[0])
    exchange.response.destroy()
    board.run()
    assert exchange.names == ["aborted", "close"]
    assert exchange.requests_heard == [("close",)]
    assert exchange.wire.wire.lost


def test_a_request_destroyed_while_its_socket_is_on_the_way_leaves_that_to_others(board):
    first = get(board)
    first.wire.send(OK)
    request = http.get(URL)
    record(request, "error")
    request.destroy()
    board.run()
    assert http.global_agent.free_sockets
    assert len(board.attempts) == 1


def test_a_socket_that_died_on_the_way_to_its_request_is_a_hang_up(board):
    first = get(board)
    first.wire.send(OK)
    request = http.get(URL)
    heard = record(request, "error")
    first.wire.wire.lose(ConnectionLost())  # in the same turn
    board.run()
    assert heard[0][1].code == "ECONNRESET"


def test_a_listener_for_the_socket_may_destroy_the_request(board):
    request = http.get(URL)
    heard = record(request, "error", "close")
    request.on("socket", lambda _: request.destroy())
    board.run()
    assert [event[0] for event in heard] == ["error", "close"]
    assert board.attempts[0].cancelled


def test_a_whole_response_can_still_be_read_when_the_connection_is_gone(board):
    request = http.get(URL)
    responses = []
    closed = record(request.on("response", responses.append), "close")
    board.run()
    wire = board.attempts[0].stand()
    wire.send(OK)
    wire.lose(ConnectionLost())
    heard = record(responses[0], *RESPONSE_EVENTS)
    board.run()
    assert [event[0] for event in heard] == ["data", "end", "close"]
    assert closed == [("close",)]


def test_what_comes_behind_a_response_closes_the_connection_and_harms_it_not(board):
    request = http.get(URL)
    responses = []
    request.on("response", responses.append)
    board.run()
    wire = board.attempts[0].stand()
    wire.send(OK)
    wire.send(OK)
    assert wire.wire.lost
    heard = record(responses[0], *RESPONSE_EVENTS)
    board.run()
    assert [event[0] for event in heard] == ["data", "end", "close"]


# Time.


def test_a_timeout_is_reported_and_ends_nothing(board):
    request = http.get(URL, {"timeout": 100})
    told = record(request, "timeout")
    exchange = Exchange(board, request)
    board.pass_time(0.2)
    assert told == [("timeout",)]
    exchange.wire.send(OK)
    assert exchange.body == b"hello"


def test_a_timeout_may_be_set_before_and_after_there_is_a_socket(board):
    request = http.get(URL)
    told = []
    request.set_timeout(100, lambda: told.append("first"))
    exchange = Exchange(board, request)
    request.set_timeout(50)
    board.pass_time(0.06)
    assert told == ["first"]
    exchange.wire.send(CUT_BODIES[0])
    exchange.response.set_timeout(70, lambda: told.append("second"))
    board.pass_time(0.08)
    assert told == ["first", "second"]
    request.destroy()


# Other protocols.


def test_an_upgrade_hands_the_socket_over(board):
    request = http.get(URL, {"headers": {"Connection": "Upgrade", "Upgrade": "echo"}})
    heard = []
    request.on("upgrade", lambda *args: heard.append(args))
    exchange = Exchange(board, request)
    exchange.wire.send(b"HTTP/1.1 101 Switching\r\nUpgrade: echo\r\n\r\nfirst")
    ((response, socket, head),) = heard
    assert (response.status_code, head) == (101, b"first")
    exchange.wire.take()
    socket.write(b"mine")
    assert exchange.wire.take() == b"mine"
    assert not http.global_agent.sockets
    assert exchange.requests_heard == [("close",)]
    socket.destroy()


def test_an_upgrade_nobody_listens_for_is_closed(board):
    request = http.get(URL, {"headers": {"Connection": "Upgrade", "Upgrade": "echo"}})
    exchange = Exchange(board, request)
    exchange.wire.send(b"HTTP/1.1 101 Switching\r\nUpgrade: echo\r\n\r\n")
    assert exchange.wire.wire.lost


def test_connect_hands_the_socket_over(board):
    request = http.request({"host": "proxy", "method": "CONNECT", "path": "example.com:443"})
    heard = []
    request.on("connect", lambda *args: heard.append(args))
    exchange = Exchange(board, request.end())
    exchange.wire.send(b"HTTP/1.1 200 OK\r\n\r\n")
    ((response, socket, head),) = heard
    assert (response.status_code, head) == (200, b"")
    socket.destroy()


@pytest.mark.parametrize("fields", [b"Content-Length: 3\r\n", b""])
def test_a_refused_connect_is_reported_like_an_accepted_one(board, fields):
    request = http.request({"host": "proxy", "method": "CONNECT", "path": "example.com:443"})
    heard = record(request, "connect", "response", "close")
    exchange = Exchange(board, request.end())
    exchange.wire.send(b"HTTP/1.1 407 No\r\n" + fields + b"\r\nno!")
    (name, response, socket, head), close = heard
    assert (name, response.status_code, head) == ("connect", 407, b"no!")
    assert close == ("close",)
    assert not socket.destroyed


def test_a_connect_nobody_listens_for_is_closed(board):
    request = http.request({"host": "proxy", "method": "CONNECT", "path": "example.com:443"})
    exchange = Exchange(board, request.end())
    exchange.wire.send(b"HTTP/1.1 200 OK\r\n\r\n")
    assert exchange.requests_heard == [("close",)]
    assert exchange.wire.wire.lost
