"""HTTP servers against a network of string transports."""

import pytest
from twisted.internet.error import ConnectionLost

from support.fake_board import powered_board, record
from tessel.errors import NodeError
from tessel.node import http

GET = b"GET /a HTTP/1.1\r\nHost: b\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: b\r\nContent-Length: 5\r\n\r\n"
DATE = b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
KEPT = b"Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n"


@pytest.fixture
def board():
    with powered_board() as board:
        yield board


class Site:
    """A server that keeps the exchanges it was asked for, and one client's connection."""

    def __init__(self, board, listener=None, options=None):
        self.exchanges = []
        self.board = board
        self.server = http.create_server(options, listener or self._keep)
        self.server.listen(0)
        board.run()
        self.client = board.accept()

    def _keep(self, request, response):
        self.exchanges.append((request, response))

    @property
    def request(self):
        return self.exchanges[-1][0]

    @property
    def response(self):
        return self.exchanges[-1][1]


def hello(request, response):
    response.end("hello")


def test_a_server_answers(board):
    site = Site(board, hello)
    site.client.send(GET)
    assert site.client.take() == (
        b"HTTP/1.1 200 OK\r\n" + DATE + KEPT + b"Content-Length: 5\r\n\r\nhello"
    )


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"keep_alive_timeout": 1999}, "timeout=1"),
        ({"max_requests_per_socket": 7}, "timeout=5, max=7"),
        ({"keep_alive_timeout": 0}, None),
    ],
)
def test_a_response_says_how_long_its_connection_is_kept(board, settings, said):
    site = Site(board)
    for name, value in settings.items():
        setattr(site.server, name, value)
    site.client = board.accept()
    site.client.send(GET)
    site.response.end()
    headers = site.response.get_headers()
    assert (headers["connection"], headers.get("keep-alive")) == ("keep-alive", said)


@pytest.mark.parametrize("value", ["close", "keep-alive"])
def test_a_program_may_say_itself_whether_its_connection_is_kept(board, value):
    site = Site(board)
    site.client.send(GET)
    site.response.set_header("Connection", value).end()
    assert site.response.get_headers()["connection"] == value
    assert not site.response.has_header("keep-alive")


def test_a_listener_may_come_without_options_or_later(board):
    server = http.create_server(hello)
    assert server.listener_count("request") == 1
    assert http.create_server().listener_count("request") == 0


def test_a_request_reports_what_is_asked(board):
    site = Site(board)
    site.client.send(POST + b"he")
    heard = record(site.request, "data", "end", "close")
    site.client.send(b"llo")
    assert (site.request.method, site.request.url) == ("POST", "/a")
    assert site.request.headers["host"] == "b"
    assert site.request.status_code is None
    assert heard == [("data", b"he"), ("data", b"llo"), ("end",), ("close",)]


@pytest.mark.parametrize("data", [GET, POST, POST + b"hello"])
def test_a_destroyed_request_closes_the_connection(board, data):
    site = Site(board, lambda request, _: request.destroy())
    site.client.send(data)
    assert site.client.wire.lost


def test_a_destroyed_request_that_was_read_can_be_answered(board):
    site = Site(board)
    site.client.send(GET)
    site.request.on("end", site.request.destroy).resume()
    board.run()
    site.response.end("ok")
    assert site.client.take().endswith(b"ok")
    assert not site.client.wire.lost


def test_a_request_may_come_byte_by_byte(board):
    site = Site(board)
    for byte in POST + b"hello":
        site.client.send(bytes([byte]))
    heard = record(site.request, "data", "end")
    board.run()
    assert b"".join(event[1] for event in heard if event[0] == "data") == b"hello"
    assert heard[-1] == ("end",)


def test_requests_on_one_connection_are_answered_in_turn(board):
    site = Site(board)
    site.client.send(GET + GET)
    assert len(site.exchanges) == 1
    site.response.end("one")
    assert site.client.take().endswith(b"\r\n\r\none")
    assert len(site.exchanges) == 2
    site.response.end("two")
    assert site.client.take().endswith(b"\r\n\r\ntwo")
    site.client.send(GET)
    assert len(site.exchanges) == 3


def test_a_client_that_asks_faster_than_it_is_answered_is_paused(board):
    site = Site(board)
    site.client.send(GET * 1000)
    assert site.client.wire.producerState == "producing"
    for _ in range(4):
        if site.client.wire.producerState == "producing":
            site.client.send(GET * 1000)
    assert site.client.wire.producerState == "paused"
    for _ in range(3000):
        site.response.end()
        board.clock.advance(0)
        board.clock.advance(0)
    assert len(site.exchanges) >= 3000
    site.client.lose()


def test_an_answer_of_unknown_length_is_chunked(board):
    site = Site(board)
    site.client.send(GET)
    site.response.set_header("X-A", ["1", "2"])
    site.response.write("one")
    site.response.add_trailers({"X-Sum": "1"})
    site.response.end(b"two")
    assert site.client.take() == (
        b"HTTP/1.1 200 OK\r\nX-A: 1\r\nX-A: 2\r\n"
        + DATE
        + KEPT
        + b"Transfer-Encoding: chunked\r\n\r\n"
        b"3\r\none\r\n3\r\ntwo\r\n0\r\nX-Sum: 1\r\n\r\n"
    )


def test_an_answer_of_unknown_length_to_an_old_client_ends_with_the_connection(board):
    site = Site(board)
    site.client.send(b"GET / HTTP/1.0\r\n\r\n")
    site.response.write("one")
    site.response.end("two")
    answer = site.client.take()
    assert b"Connection: close\r\n" in answer
    assert answer.endswith(b"\r\n\r\nonetwo")
    assert site.client.wire.half_closed


@pytest.mark.parametrize(
    ("method", "status", "length"),
    [(b"HEAD", 200, b"Content-Length: 5\r\n"), (b"GET", 204, None), (b"GET", 304, None)],
)
def test_some_answers_have_no_body_whatever_is_written(board, method, status, length):
    site = Site(board)
    site.client.send(method + b" / HTTP/1.1\r\nHost: b\r\n\r\n")
    site.response.status_code = status
    site.response.end("hello")
    answer = site.client.take()
    assert answer.endswith(b"\r\n\r\n")
    assert length is None or length in answer
    site.client.send(GET)
    assert len(site.exchanges) == 2


def test_a_head_without_a_body_says_nothing_of_its_length(board):
    site = Site(board)
    site.client.send(b"HEAD / HTTP/1.1\r\nHost: b\r\n\r\n")
    site.response.end()
    assert b"Content-Length" not in site.client.take()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ((404,), b"HTTP/1.1 404 Not Found\r\n"),
        ((404, {"X": "y"}), b"HTTP/1.1 404 Not Found\r\nX: y\r\n"),
        ((404, "Gone fishing", {"X": "y"}), b"HTTP/1.1 404 Gone fishing\r\nX: y\r\n"),
        ((299,), b"HTTP/1.1 299 unknown\r\n"),
    ],
)
def test_write_head_says_status_message_and_headers(board, arguments, line):
    site = Site(board)
    site.client.send(GET)
    site.response.write_head(*arguments).end()
    assert site.client.take().startswith(line)


def test_a_status_has_three_digits_and_is_no_information(board):
    site = Site(board)
    site.client.send(GET)
    for status in (100, 1000):
        with pytest.raises(NodeError, match="allowed: 200 to 999"):
            site.response.write_head(status)


def test_one_side_may_ask_to_close(board):
    site = Site(board)
    site.client.send(GET)
    site.response.set_header("Connection", "close").end("x")
    site.client.take()
    assert site.client.wire.half_closed
    site.client.send(GET)  # too late: read and dropped
    assert len(site.exchanges) == 1
    site.client.end()
    assert site.client.wire.lost


def test_a_client_may_end_its_side_and_wait_for_the_answer(board):
    site = Site(board)
    site.client.send(GET)
    site.client.end()
    assert not site.client.wire.half_closed
    site.response.end("x")
    assert site.client.take().endswith(b"\r\n\r\nx")
    assert site.client.wire.lost


def test_a_client_that_ends_between_requests_is_let_go(board):
    site = Site(board)
    site.client.end()
    assert site.client.wire.lost


def test_a_client_that_ends_in_a_request_is_refused(board):
    site = Site(board)
    site.client.send(POST + b"he")
    heard = record(site.request, "aborted", "end", "error", "close")
    site.client.end()
    assert [event[0] for event in heard] == ["aborted", "error", "close"]
    assert site.client.take().startswith(b"HTTP/1.1 400 ")


def test_a_client_that_goes_away_aborts_its_request_and_not_the_server(board):
    site = Site(board)
    site.client.send(POST + b"he")
    ended = record(site.response, "close", "error")
    aborted = record(site.request, "aborted")
    site.client.lose(ConnectionLost())
    assert aborted == [("aborted",)]
    assert ended == [("close",)]
    site.response.end("x")  # no error: nobody is there, and that is no fault
    board.run()


def test_an_error_of_a_clients_connection_can_be_heard(board):
    site = Site(board)
    heard = record(site.server, "clientError")
    site.client.lose(ConnectionLost())
    assert heard[0][1].code == "ECONNRESET"


def test_a_client_may_ask_before_it_sends(board):
    site = Site(board)
    site.client.send(POST.replace(b"Host", b"Expect: 100-continue\r\nHost"))
    assert site.client.take().startswith(b"HTTP/1.1 100 Continue\r\n")
    site.response.write_continue()  # it was reported already
    assert site.client.take() == b""


def test_a_program_may_decide_who_may_send(board):
    site = Site(board)
    heard = []
    site.server.on("checkContinue", lambda *exchange: heard.append(exchange))
    site.client.send(POST.replace(b"Host", b"Expect: 100-continue\r\nHost"))
    assert site.client.take() == b""
    assert site.exchanges == []
    heard[0][1].write_head(417).end()
    assert site.client.take().startswith(b"HTTP/1.1 417 ")


def test_an_answer_before_the_end_of_the_request_lets_the_rest_pass_by(board):
    site = Site(board)
    site.client.send(POST + b"he")
    site.response.end("enough")
    assert site.client.take().endswith(b"enough")
    site.client.send(b"llo" + GET)
    assert len(site.exchanges) == 2


def test_an_answer_that_closes_does_not_wait_for_the_rest_of_the_request(board):
    site = Site(board)
    site.client.send(POST + b"he")
    site.response.set_header("Connection", "close").end("enough")
    site.client.take()
    assert site.client.wire.half_closed
    site.client.send(b"llo")
    site.client.end()
    assert site.client.wire.lost


# Limits.


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: b\r\nX: " + b"y" * 20_000, 431),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
    ],
)
def test_what_is_no_request_is_refused(board, data, status):
    site = Site(board)
    site.client.send(data)
    assert site.client.take().startswith(b"HTTP/1.1 %d " % status)
    assert site.client.wire.half_closed
    board.pass_time(5)
    assert site.client.wire.lost


def test_a_program_may_refuse_in_its_own_words(board):
    site = Site(board)
    site.server.on("clientError", lambda error, socket: socket.end(error.code))
    site.client.send(b"nonsense\r\n\r\n")
    assert site.client.take() == b"HPE_INVALID_METHOD"


def test_a_body_may_be_limited(board):
    site = Site(board, options={"max_body_size": 4})
    site.client.send(POST + b"hello")
    assert site.client.take().startswith(b"HTTP/1.1 413 ")
    site.response.end("too late")
    assert site.client.take() == b""


def test_a_fault_in_a_request_that_is_being_answered_cuts_the_answer(board):
    site = Site(board, options={"max_body_size": 2})
    site.client.send(POST)
    site.response.write("part")
    site.client.send(b"hello")
    assert site.client.wire.lost


def test_headers_must_come_in_time(board):
    site = Site(board)
    site.client.send(b"GET / HTTP/1.1\r\n")
    board.pass_time(59)
    site.client.send(b"X: y\r\n")
    board.pass_time(1)
    assert site.client.take().startswith(b"HTTP/1.1 408 ")


def test_a_request_must_come_in_time(board):
    site = Site(board, options={"request_timeout": 1000})
    site.client.send(POST)
    board.pass_time(1)
    assert site.client.take().startswith(b"HTTP/1.1 408 ")


def test_an_idle_connection_is_closed(board):
    site = Site(board, hello, {"keep_alive_timeout": 1000})
    site.client.send(GET)
    board.pass_time(0.9)
    site.client.send(GET)
    board.pass_time(0.9)
    assert not site.client.wire.lost
    board.pass_time(0.2)
    assert site.client.wire.lost


def test_a_program_has_all_its_time_to_answer(board):
    site = Site(board)
    site.client.send(GET)
    board.pass_time(1e6)
    assert not site.client.wire.lost
    site.response.destroy()
    board.run()
    assert site.client.wire.lost


def test_a_deadline_may_be_turned_off(board):
    site = Site(board, options={"headers_timeout": 0})
    board.pass_time(1e6)
    assert not site.client.wire.lost


# The end.


def test_closing_lets_idle_connections_go_and_busy_ones_finish(board):
    site = Site(board)
    idle, busy = site.client, board.accept()
    idle.send(GET)
    site.response.end()
    board.run()
    busy.send(GET)
    closed = record(site.server, "close")
    site.server.close()
    board.run()
    assert idle.wire.lost
    assert not busy.wire.lost
    site.response.end("last")
    assert busy.take().endswith(b"last")
    assert busy.wire.half_closed
    busy.end()
    assert closed == [("close",)]
    assert len(board.handles) == 0


def test_closing_all_spares_nobody(board):
    site = Site(board)
    site.client.send(GET)
    site.server.close()
    site.server.close_all_connections()
    board.run()
    assert site.client.wire.lost
