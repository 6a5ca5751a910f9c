"""On Ctrl-C a program that does not end reports the request or response it left open."""

import signal
import socket
import subprocess
import sys

import pytest

from support.fake_board import powered_board
from tessel.node import http

URL = "http://example.com/page?secret=1"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"


@pytest.fixture
def board():
    with powered_board() as board:
        yield board


def asked(board, request, *pieces):
    board.run()
    wire = board.attempts[-1].stand()
    for piece in pieces:
        wire.send(piece)
    (place,) = board.handles.places()
    return place


def test_a_request_without_an_end_is_named(board):
    place = asked(board, http.request(URL))
    assert "GET http://example.com/page: end() was not called, opened at " in place
    assert "test_http_left_open.py, line " in place
    assert "secret" not in place


def test_a_request_without_a_response_is_named(board):
    assert "example.com/page: no response yet" in asked(board, http.get(URL))


@pytest.mark.parametrize("pieces", [(HEAD, b"he"), (HEAD + b"hello",)])
@pytest.mark.parametrize(
    ("listener", "state"),
    [
        (lambda response: None, "is not read"),
        (lambda response: response.pause(), "is paused"),
    ],
)
def test_a_response_that_nobody_reads_is_named(board, pieces, listener, state):
    assert f": its response {state}" in asked(board, http.get(URL, listener), *pieces)


def test_a_response_that_is_on_the_way_is_named(board):
    request = http.get(URL, lambda response: response.resume())
    assert ": its response is on the way" in asked(board, request, HEAD)


def test_a_connection_that_is_kept_names_nobody(board):
    agent = http.Agent(keep_alive=True)
    http.get(URL, lambda response: response.resume(), agent=agent)
    board.run()
    board.attempts[-1].stand().send(HEAD + b"hello")
    assert board.handles.places() == []
    http.get("http://example.com/other", agent=agent)
    board.run()
    (place,) = board.handles.places()
    assert "/other: no response yet" in place


def test_a_servers_response_without_an_end_is_named(board):
    http.create_server(lambda request, response: None).listen(0)
    board.run()
    client = board.accept()
    client.send(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
    found = [place for place in board.handles.places() if "socket from" in place]
    assert "GET /slow: its response was not ended" in found[0]


PROGRAM = """
from tessel.node import http

http.get("http://127.0.0.1:{port}/page", lambda response: print("got it", flush=True))
"""


def test_a_real_program_is_notified_on_ctrl_c(tmp_path):
    program = tmp_path / "program.py"
    with socket.create_server(("127.0.0.1", 0)) as site:
        program.write_text(PROGRAM.format(port=site.getsockname()[1]))
        code, said = interrupted([sys.executable, "-m", "tessel", "run", program], site)
    assert code == 130
    assert "/page: its response is not read, opened at" in said
    assert f"{program}, line 4" in said


def interrupted(command, site):
    """The program is stopped when it has its response."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe) as process, site.accept()[0] as client:
        client.recv(10_000)
        client.sendall(HEAD + b"hello")
        assert process.stdout.readline() == b"got it\n"
        process.send_signal(signal.SIGINT)
        return process.wait(30), process.stderr.read().decode()
