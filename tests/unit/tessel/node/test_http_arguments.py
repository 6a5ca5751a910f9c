"""What `http.request`, `http.create_server` and `http.Agent` take, and their members."""

import re

import pytest
from twisted.internet.error import ConnectionLost

from support.fake_board import powered_board, record
from tessel.errors import NodeError
from tessel.node import http, https, net

URL = "http://example.com/"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
GET = b"GET /a HTTP/1.1\r\nHost: b\r\n\r\n"


@pytest.fixture
def board(monkeypatch):
    with powered_board() as board:
        monkeypatch.setattr(http, "global_agent", http.Agent(keep_alive=True))
        monkeypatch.setattr(https, "global_agent", https.Agent(keep_alive=True))
        yield board


def answered(board, request):
    responses = record(request, "response")
    request.end()
    board.run()
    attempt = board.attempts[-1].stand()
    attempt.send(OK)
    return attempt, responses[0][1].resume()


# Requests.


@pytest.mark.parametrize(
    "make",
    [
        lambda heard: http.get(URL, heard.append),
        lambda heard: http.get(URL, {}, heard.append),
        lambda heard: http.get(URL, None, heard.append),
        lambda heard: http.get({"host": "example.com"}, heard.append),
        lambda heard: http.get(URL, heard.append, method="GET", port=80),
        lambda heard: http.get(URL, callback=heard.append),
        lambda heard: http.get(host="example.com", callback=heard.append),
    ],
)
def test_a_request_takes_a_url_options_keywords_and_a_callback(board, make):
    heard = []
    make(heard)
    board.run()
    board.attempts[0].stand().send(OK)
    assert board.attempts[0].target.host == "example.com"
    assert len(heard) == 1


def test_keywords_win_over_options_and_those_over_the_url(board):
    http.get("http://a:1/", {"port": 2, "host": "b"}, port=3)
    board.run()
    assert (board.attempts[0].target.host, board.attempts[0].target.port) == ("b", 3)


def test_https_takes_the_options_of_tls(board):
    https.get("https://example.com/", reject_unauthorized=False, servername="other")
    board.run()
    tls = board.attempts[0].tls
    assert (tls.reject_unauthorized, tls.servername) == (False, "other")


@pytest.mark.parametrize(
    "arguments",
    [(5,), (URL, 5), (URL, {}, 5), (URL, "path"), (URL, lambda: None, {}), (b"http://a",)],
)
def test_arguments_of_a_wrong_type_are_refused_at_the_call(board, arguments):
    with pytest.raises(TypeError, match="must be"):
        http.request(*arguments)


def test_a_misspelt_keyword_is_refused_at_the_call(board):
    with pytest.raises(TypeError, match="Did you mean 'reject_unauthorized'"):
        https.get("https://a/", rejectUnauthorized=False)
    with pytest.raises(TypeError, match="Did you mean 'max_sockets'"):
        http.Agent(maxSockets=1)
    with pytest.raises(TypeError, match="Did you mean 'request_timeout'"):
        http.create_server({"requestTimeout": 1})


def test_a_program_may_connect_itself(board):
    made = []

    def connect(options):
        made.append(options)
        return net.connect(7, "elsewhere")

    http.get(URL, create_connection=connect)
    board.run()
    assert made[0]["host"] == "example.com"
    assert board.attempts[0].target.host == "elsewhere"


def test_the_socket_of_a_request_can_be_set_before_and_after_it_is_there(board):
    request = http.request(URL)
    request.set_no_delay(False)
    request.set_socket_keep_alive(True)
    attempt, response = answered(board, request)
    assert (attempt.wire.no_delay, attempt.wire.keep_alive) == (False, True)
    assert response.connection is response.socket


def test_a_request_reports_its_members(board):
    request = http.request("http://example.com:81/x?y", method="PUT")
    request.set_headers({"A": "1"}).append_header("a", "2")
    assert (request.method, request.path, request.host) == ("PUT", "/x?y", "example.com")
    assert request.protocol == "http:"
    assert request.should_keep_alive
    assert request.get_headers() == {"host": "example.com:81", "a": ["1", "2"]}
    assert request.get_raw_header_names() == ["Host", "a"]
    assert request.connection is None
    assert not request.finished
    request.end()
    assert request.finished
    board.run()
    assert request.connection is request.socket is not None


def test_headers_cannot_change_once_they_are_sent(board):
    request = http.request(URL)
    request.write("x")
    board.run()
    board.attempts[0].stand()
    for change in (
        lambda: request.set_header("a", "b"),
        lambda: request.append_header("a", "b"),
        lambda: request.remove_header("a"),
        lambda: request.set_headers({}),
    ):
        with pytest.raises(NodeError) as refused:
            change()
        assert refused.value.code == "ERR_HTTP_HEADERS_SENT"


def test_a_timeout_reaches_request_and_response(board):
    request = http.request(URL, timeout=1000).end()
    told = record(request, "timeout")
    board.run()
    board.attempts[0].stand().send(OK[:-2])
    responses = []
    request.on("response", responses.append)
    board.pass_time(1.1)
    assert told == [("timeout",)]


def test_an_abort_of_a_waiting_request_is_no_error(board):
    agent = http.Agent(max_sockets=1)
    http.get(URL, agent=agent)
    waiting = http.get(URL, agent=agent)
    heard = record(waiting, "abort", "error", "close")
    board.run()
    waiting.abort()
    board.run()
    assert heard == [("abort",), ("close",)]
    assert waiting.aborted
    assert waiting.destroyed


def test_a_waiting_request_that_is_destroyed_hangs_up(board):
    agent = http.Agent(max_sockets=1)
    http.get(URL, agent=agent)
    waiting = http.get(URL, agent=agent)
    heard = record(waiting, "abort", "error", "close")
    waiting.destroy()
    board.run()
    assert [event[0] for event in heard] == ["error", "close"]
    assert str(heard[0][1]) == "socket hang up"


# Messages.


def test_messages_have_headers_in_every_form(board):
    request = http.request(URL)
    responses = record(request.end(), "response")
    board.run()
    board.attempts[0].stand().send(
        b"HTTP/1.1 200 Fine\r\nSet-Cookie: a\r\nset-cookie: b\r\nX: 1\r\nX: 2\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\nSum: 1\r\nSum: 2\r\n\r\n"
    )
    response = responses[0][1]
    assert (response.http_version_major, response.http_version_minor) == (1, 1)
    assert response.status_message == "Fine"
    assert response.headers["set-cookie"] == ["a", "b"]
    assert response.headers["x"] == "1, 2"
    assert response.headers_distinct["x"] == ["1", "2"]
    assert response.raw_headers[:4] == ["Set-Cookie", "a", "set-cookie", "b"]
    assert response.trailers == {"sum": "1, 2"}
    assert response.trailers_distinct == {"sum": ["1", "2"]}
    assert response.raw_trailers == ["Sum", "1", "Sum", "2"]


def test_messages_take_and_give_text_in_nodes_encodings(board):
    request = http.request(URL, method="POST")
    done = []
    request.write("6869", "hex", lambda *_: done.append("written"))
    request.end("IQ==", "base64", lambda *_: done.append("ended"))
    texts = []
    request.on("response", lambda response: response.set_encoding("hex").on("data", texts.append))
    board.run()
    attempt = board.attempts[0].stand()
    assert attempt.take().endswith(b"\r\n\r\nhi!")
    assert done == ["written", "ended"]
    attempt.send(OK)
    assert texts == [b"hello".hex()]


def test_the_end_of_a_response_takes_all_of_nodes_forms(board):
    done = []

    def answer(request, response):
        forms = {
            "/a": (lambda *_: done.append("a"),),
            "/b": ("hi", lambda *_: done.append("b")),
            "/c": ("aGk=", "base64", lambda *_: done.append("c")),
        }
        response.end(*forms[request.url])

    client = served(board, answer, *(GET.replace(b"/a", path) for path in (b"/a", b"/b", b"/c")))
    bodies = re.findall(rb"\r\n\r\n(hi)?", client.take())
    assert bodies == [b"", b"hi", b"hi"]
    assert done == ["a", "b", "c"]


# Servers.


def served(board, listener, *requests, **options):
    http.create_server(listener, **options).listen(0)
    board.run()
    client = board.accept()
    for request in requests or (GET,):
        client.send(request)
    return client


def test_responses_may_come_before_the_response(board):
    told = []

    def answer(request, response):
        response.write_processing()
        response.write_early_hints({"link": "</x>; rel=preload"}, lambda: told.append("hints"))
        response.end("ok")

    written = served(board, answer).take()
    assert written.startswith(
        b"HTTP/1.1 102 Processing\r\n\r\n"
        b"HTTP/1.1 103 Early Hints\r\nlink: </x>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\n"
    )
    assert told == ["hints"]


def test_a_response_reports_its_members(board):
    def answer(request, response):
        assert response.req is request
        assert response.connection is request.connection is response.socket
        assert not response.headers_sent
        response.write_head(201, ["X-A", "1", "X-A", "2"])
        response.end("ok")
        assert response.headers_sent
        assert response.writable_ended
        assert response.status_message == "Created"

    written = served(board, answer).take()
    assert b"X-A: 1\r\nX-A: 2\r\n" in written


@pytest.mark.parametrize("status", [99, 1000, "200", 200.5, None, True])
def test_a_status_must_be_one(board, status):
    def answer(request, response):
        with pytest.raises(NodeError) as refused:
            response.write_head(status)
        assert refused.value.code == "ERR_HTTP_INVALID_STATUS_CODE"
        response.end()

    assert served(board, answer).take().startswith(b"HTTP/1.1 200 OK")


def test_a_servers_limits_are_attributes_too(board):
    server = http.create_server(lambda request, response: response.end("ok")).listen(0)
    assert (server.headers_timeout, server.request_timeout) == (60_000, 300_000)
    assert (server.keep_alive_timeout, server.max_header_size) == (5_000, 16_384)
    server.keep_alive_timeout = 1_000
    server.max_requests_per_socket = 2
    board.run()
    client = board.accept()
    client.send(GET)
    assert b"Connection: close" not in client.take()
    client.send(GET)
    assert b"Connection: close" in client.take()
    idle = board.accept()
    idle.send(GET)
    board.pass_time(1.1)
    assert idle.wire.lost


@pytest.mark.parametrize("who", ["server", "request", "response", None])
def test_a_server_may_time_connections_out(board, who):
    heard = []

    def answer(request, response):
        {"request": request, "response": response}.get(who, server).on(
            "timeout", lambda *_: heard.append(who)
        ) if who else None

    server = http.create_server(answer)
    assert server.set_timeout(1_000) is server
    server.listen(0)
    board.run()
    client = board.accept()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
    board.pass_time(1.1)
    assert heard == ([who] if who else [])
    assert client.wire.lost == (who is None)


def test_a_message_may_set_the_timeout_of_its_connection(board):
    heard = []

    def answer(request, response):
        response.set_timeout(500, lambda *_: heard.append("response"))

    client = served(board, answer)
    board.pass_time(0.6)
    assert heard == ["response"]
    assert not client.wire.lost


# Agents.


def test_an_agent_limits_all_connections_together(board):
    agent = http.Agent(keep_alive=True, max_total_sockets=1)
    first = http.get("http://a/", agent=agent)
    http.get("http://b/", agent=agent)
    board.run()
    assert [attempt.target.host for attempt in board.attempts] == ["a"]
    first.on("response", lambda response: response.resume())
    board.attempts[0].stand().send(OK)
    assert [attempt.target.host for attempt in board.attempts] == ["a", "b"]
    assert agent.total_socket_count == 1


@pytest.mark.parametrize(("scheduling", "used"), [("lifo", 1), ("fifo", 0), (None, 1)])
def test_an_agent_says_which_idle_connection_is_used(board, scheduling, used):
    agent = http.Agent(keep_alive=True, scheduling=scheduling)
    for _ in range(2):
        http.get(URL, agent=agent)
    board.run()
    for attempt in board.attempts:
        attempt.stand()
    for attempt in board.attempts:
        attempt.send(OK)
        attempt.take()
    http.get(URL, agent=agent)
    assert board.attempts[used].take().startswith(b"GET")


def test_a_program_decides_which_connections_an_agent_keeps(board):
    class Own(http.Agent):
        reused = 0

        def keep_socket_alive(self, socket):
            return self.reused == 0

        def reuse_socket(self, socket, request):
            self.reused += 1

    agent = Own(keep_alive=True)
    answered(board, http.request(URL, agent=agent))
    board.run()
    http.get(URL, agent=agent)
    board.run()
    attempt = board.attempts[0]
    attempt.send(OK)
    assert (len(board.attempts), agent.reused) == (1, 1)
    assert attempt.wire.lost


@pytest.mark.parametrize(
    "options", [{"scheduling": "random"}, {"max_total_sockets": 0}, {"keep_alive_msecs": "soon"}]
)
def test_an_agents_option_must_make_sense(board, options):
    with pytest.raises(NodeError) as refused:
        http.Agent(options)
    assert refused.value.code == "ERR_INVALID_ARG_VALUE"


def test_a_lost_connection_is_an_error_of_the_waiting_request(board):
    request = http.get(URL)
    heard = record(request, "error")
    board.run()
    board.attempts[0].stand().lose(ConnectionLost())
    assert heard[0][1].code == "ECONNRESET"


# The module.


def test_the_words_of_http_are_nodes():
    assert http.STATUS_CODES[413] == "Payload Too Large"
    assert {"GET", "M-SEARCH", "QUERY", "PROPFIND"} <= set(http.METHODS)
    assert http.max_header_size == 16_384


@pytest.mark.parametrize(
    ("check", "arguments", "code"),
    [
        (http.validate_header_name, ("a b",), "ERR_INVALID_HTTP_TOKEN"),
        (http.validate_header_name, (None,), "ERR_INVALID_HTTP_TOKEN"),
        (http.validate_header_value, ("a", None), "ERR_HTTP_INVALID_HEADER_VALUE"),
        (http.validate_header_value, ("a", "b\n"), "ERR_INVALID_CHAR"),
    ],
)
def test_headers_can_be_checked_beforehand(check, arguments, code):
    with pytest.raises(NodeError) as refused:
        check(*arguments)
    assert refused.value.code == code
