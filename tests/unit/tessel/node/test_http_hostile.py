"""Nothing that a peer sends ends a program: mutated, cut and reordered HTTP, in both directions.

`powered_board` fails a test if anything was raised that no listener of the program took.
"""

import random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.error import ConnectionDone, ConnectionLost

from support.fake_board import powered_board, record
from tessel.node import http

POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
REQUESTS = [
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"HEAD /x?y=z HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    POST + CHUNKED + b"\r\n5;a=b\r\nhello\r\n0\r\nT: u\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok",
    b"POST / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\nContent-Length: 2\r\n\r\nok",
    b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"GET /\r\n\r\n",
    b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\nraw",
    b"CONNECT a:80 HTTP/1.0\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\nraw",
    POST + b"Upgrade: h2c\r\nConnection: upgrade\r\nContent-Length: 3\r\n\r\nabc",
    POST + b"Upgrade: h2c\r\nConnection: upgrade\r\nX: " + b"a" * 3000 + b"\r\n\r\n",
    b"DESCRIBE rtsp://a/ RTSP/1.0\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    POST + CHUNKED + b"Content-Length: 3\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    b"GET http://[::1/ HTTP/1.1\r\nHost: [\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"\r\n\r\nGET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n" + b"a: b\r\n" * 3000 + b"\r\n",
]
RESPONSES = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhelloworld",
    b"\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x\r\nhello\r\n0\r\nT: u\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello",
    b"HTTP/1.0 200 OK\r\n\r\nhello",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n",
    b"HTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 304 Not Modified\r\n\r\n",
    b"HTTP/1.1 102 Wait\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 100 Go\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nraw",
    b"HTTP/1.1 101 Switching\r\n\r\nraw",
    b"HTTP/1.1 407 Proxy\r\nContent-Length: 3\r\n\r\nno!",
    b"HTTP/1.1 099 Odd\r\nContent-Length: 3\r\n\r\nno!",
    b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=99999999999999\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
    b"ICY 200 OK\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.9\r\n",
    b"\x15\x03\x01\x00\x02\x02\x28",
]
METHODS = ["GET", "HEAD", "POST", "CONNECT"]
SPLICES = [
    b"\r\n",
    b"\n",
    b"\0",
    b":",
    b" ",
    b"\t",
    b"\xff",
    b"chunked",
    b"-1",
    b"9" * 30,
    b"%",
    b"",
]
ENDS = [None, "end", ConnectionDone(), ConnectionLost()]
SWITCHES = {"connect", "upgrade"}
MANY = settings(max_examples=300, suppress_health_check=list(HealthCheck), deadline=None)


def mutated(data, seed):
    chance = random.Random(seed)
    for _ in range(chance.randrange(4)):
        at = chance.randrange(len(data) + 1)
        until = min(len(data), at + chance.randrange(4))
        data = data[:at] + chance.choice(SPLICES) + data[until:]
    return data


traffic = st.builds(
    lambda several, seed: mutated(b"".join(several), seed),
    st.lists(st.sampled_from(REQUESTS), min_size=1, max_size=3),
    st.integers(0, 1 << 32),
)
answers = st.builds(
    lambda several, seed: mutated(b"".join(several), seed),
    st.lists(st.sampled_from(RESPONSES), min_size=1, max_size=2),
    st.integers(0, 1 << 32),
)
cuts = st.integers(1, 64)


def pieces(data, size):
    """At first in small pieces, as a slow peer sends, then all the rest."""
    small = [data[at : at + size] for at in range(0, min(len(data), 400), size)]
    return [*small, data[len(b"".join(small)) :]]


def give(wire, data, size, end):
    for piece in pieces(data, size):
        if piece and not wire.wire.lost:
            wire.send(piece)
    if not wire.wire.lost and end is not None:
        wire.end() if end == "end" else wire.lose(end)


def echo(request, response):
    request.on("data", response.write)
    request.on("end", response.end)


def ignore(request, response):
    response.end("early")


def take(_, socket, head):
    """What is switched is the program's, its errors too."""
    socket.on("error", lambda _: None)
    socket.on("data", lambda _: None)


def measured(request, response):
    response.set_header("Content-Length", 3)
    request.on("end", lambda: response.end("more than three"))
    request.resume()


@MANY
@given(
    st.sampled_from([echo, ignore, measured]),
    st.sampled_from([(), ("connect", "upgrade"), ("clientError", "checkContinue")]),
    traffic,
    cuts,
    st.sampled_from(ENDS),
)
def test_no_client_ends_a_server(program, listens, data, size, end):
    with powered_board() as board:
        server = http.create_server(program).listen(0)
        heard = record(server, *listens)
        for event in set(listens) & SWITCHES:
            server.on(event, take)
        board.run()
        give(board.accept(), data, size, end)
        board.pass_time(400)
        other = board.accept()
        other.send(REQUESTS[0])
        assert other.take().startswith(b"HTTP/1.1 200 OK")
        assert all(isinstance(event[1], Exception) for event in heard if event[0] == "clientError")


@MANY
@given(
    st.sampled_from([(), ("connect", "upgrade", "information", "continue")]),
    answers,
    cuts,
    st.sampled_from(ENDS),
    st.sampled_from(METHODS),
)
def test_no_server_ends_a_client(listens, data, size, end, method):
    with powered_board() as board:
        agent = http.Agent(keep_alive=True)
        request = http.request({"host": "a", "method": method, "path": "b:1", "agent": agent})
        told = record(request, "error", "response", "close", *listens)
        for event in set(listens) & SWITCHES:
            request.on(event, take)
        bodies = []
        request.on("response", lambda response: response.on("data", bodies.append))
        request.end("body" if method == "POST" else None)
        board.run()
        give(board.attempts[0].stand(), data, size, end)
        names = [event[0] for event in told]
        assert names.count("close") <= 1
        assert names.count("response") <= 1
        assert names.count("error") <= 1
        if end in ENDS[2:]:
            assert names[-1] == "close"


@MANY
@given(answers, cuts, st.sampled_from(ENDS))
def test_a_response_looks_complete_only_if_it_is(data, size, end):
    with powered_board() as board:
        responses = []
        request = http.get({"host": "a", "agent": False}, responses.append)
        request.on("error", lambda _: None)
        board.run()
        give(board.attempts[0].stand(), data, size, end)
        for response in responses:
            heard = record(response.resume(), "end", "aborted")
            board.run()
            assert (("end",) in heard) <= response.complete
            assert len(heard) <= 1
