"""The pool of connections: who may share one, how many there are, and what idle ones do."""

import pytest
from twisted.internet.error import ConnectionLost

from support.fake_board import powered_board, record
from tessel.errors import NodeError
from tessel.network.interface import TlsOptions
from tessel.node import http, https
from tessel.node._http import agent as pool

URL = "http://example.com/"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture
def board(monkeypatch):
    with powered_board() as board:
        monkeypatch.setattr(http, "global_agent", http.Agent(keep_alive=True))
        monkeypatch.setattr(https, "global_agent", https.Agent(keep_alive=True))
        yield board


def fetch(board, url=URL, options=None, module=http):
    """A request, answered on whichever connection it goes."""
    before = len(board.attempts)
    request = module.get(url, options)
    board.run()
    for attempt in board.attempts[before:]:
        attempt.stand()
    for attempt in board.attempts:
        if attempt.take():
            attempt.send(OK)
    return request


def test_a_connection_serves_one_request_after_another(board):
    assert not fetch(board).reused_socket
    assert fetch(board).reused_socket
    assert len(board.attempts) == 1


def test_the_connection_used_last_is_taken_first(board):
    http.get(URL)
    http.get(URL)
    board.run()
    for attempt in board.attempts:
        attempt.stand()
    board.attempts[1].send(OK)
    board.attempts[0].send(OK)
    board.attempts[0].take()
    http.get(URL)
    assert board.attempts[0].take()


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("http://example.org/", {}),
        ("http://example.com:81/", {}),
        (URL, {"proxy": False}),
        (URL, {"family": 4}),
    ],
)
def test_connections_that_differ_are_not_shared(board, url, options):
    fetch(board)
    fetch(board, url, options)
    fetch(board, url, options)
    assert len(board.attempts) == 2
    assert board.attempts[1].proxy is (options.get("proxy") is not False)


@pytest.mark.parametrize(
    ("options", "tls"),
    [
        ({"ca": "PEM"}, TlsOptions(ca=(b"PEM",))),
        ({"ca": ["PEM", b"PEM 2"]}, TlsOptions(ca=(b"PEM", b"PEM 2"))),
        ({"servername": "other"}, TlsOptions(servername="other")),
        ({"reject_unauthorized": False}, TlsOptions(reject_unauthorized=False)),
        ({"proxy": False}, TlsOptions()),
    ],
)
def test_tls_connections_that_trust_otherwise_are_not_shared(board, options, tls):
    url = "https://example.com/"
    fetch(board, url, module=https)
    fetch(board, url, options, module=https)
    fetch(board, url, options, module=https)
    assert [attempt.tls for attempt in board.attempts] == [TlsOptions(), tls]
    assert board.attempts[0].target.port == 443


def test_an_option_that_is_no_plain_value_is_distinguished_by_identity(board):
    authorities = {"PEM"}
    fetch(board, URL, {"ca": authorities})
    fetch(board, URL, {"ca": authorities})
    fetch(board, URL, {"ca": {"PEM"}})
    assert len(board.attempts) == 2


def test_an_agents_own_options_go_to_its_connections(board):
    agent = https.Agent({"ca": "PEM"}, proxy=False)
    fetch(board, "https://example.com/", {"agent": agent}, module=https)
    assert board.attempts[0].tls == TlsOptions(ca=(b"PEM",))
    assert board.attempts[0].proxy is False
    assert board.attempts[0].wire.lost  # it was not told to keep any


def test_an_idle_connection_does_not_keep_the_process_alive(board):
    fetch(board)
    assert not board.attempts[0].wire.lost
    assert len(board.handles) == 0
    request = http.get(URL)
    assert len(board.handles) > 0
    board.run()
    assert len(board.handles) > 0
    request.on("error", lambda _: None).destroy()


def test_an_idle_connection_is_closed_when_its_time_is_up(board):
    fetch(board)
    board.pass_time(4.9)
    assert not board.attempts[0].wire.lost
    board.pass_time(0.2)
    assert board.attempts[0].wire.lost
    assert http.global_agent.free_sockets == {}


def test_an_idle_connection_is_kept_no_longer_than_the_server_keeps_it(board):
    http.get(URL)
    board.run()
    wire = board.attempts[0].stand()
    wire.send(b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=3, max=9\r\nContent-Length: 0\r\n\r\n")
    board.pass_time(1.9)
    assert not wire.wire.lost
    board.pass_time(0.2)
    assert wire.wire.lost


def test_a_server_that_keeps_it_but_a_second_need_not_keep_it(board):
    http.get(URL)
    board.run()
    wire = board.attempts[0].stand()
    wire.send(b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1\r\nContent-Length: 0\r\n\r\n")
    assert wire.wire.lost


def test_an_agent_may_keep_connections_without_a_limit_of_time(board):
    agent = http.Agent(keep_alive=True, free_socket_timeout=float("inf"))
    fetch(board, options={"agent": agent})
    board.pass_time(1e6)
    assert not board.attempts[0].wire.lost
    agent.destroy()


@pytest.mark.parametrize("close", [b"Connection: close\r\n", b""])
def test_a_connection_is_not_kept_against_the_servers_will(board, close):
    http.get(URL)
    board.run()
    wire = board.attempts[0].stand()
    version = b"1.1" if close else b"1.0"
    wire.send(b"HTTP/" + version + b" 200 OK\r\n" + close + b"Content-Length: 0\r\n\r\n")
    assert wire.wire.lost


def test_bytes_behind_a_response_make_its_connection_useless(board):
    http.get(URL)
    board.run()
    wire = board.attempts[0].stand()
    wire.send(OK + b"HTTP/1.1 200 Forged\r\n\r\n")
    assert wire.wire.lost


@pytest.mark.parametrize(
    "fate",
    [
        lambda attempt: attempt.send(b"HTTP/1.1 200 Forged\r\n\r\n"),
        lambda attempt: attempt.end(),
        lambda attempt: attempt.lose(ConnectionLost()),
        lambda attempt: attempt.lose(NodeError("read ECONNRESET", "ECONNRESET")),
    ],
)
def test_an_idle_connection_that_speaks_or_dies_is_forgotten_quietly(board, fate):
    fetch(board)
    fate(board.attempts[0])
    assert board.attempts[0].wire.lost
    assert http.global_agent.free_sockets == {}
    fetch(board)
    assert len(board.attempts) == 2


def test_a_parked_socket_destroyed_by_the_program_is_not_handed_out(board):
    sockets = record(http.global_agent, "free")
    fetch(board)
    sockets[0][1].destroy()
    fetch(board)
    assert len(board.attempts) == 2


def test_only_so_many_idle_connections_are_kept(board):
    agent = http.Agent(keep_alive=True, max_free_sockets=1)
    for _ in range(2):
        http.get(URL, {"agent": agent})
    board.run()
    for attempt in board.attempts:
        attempt.stand().send(OK)
    assert [attempt.wire.lost for attempt in board.attempts] == [False, True]
    agent.destroy()


def test_more_requests_than_connections_take_turns(board):
    agent = http.Agent(max_sockets=1)
    order = []
    for name in "abc":
        http.get(
            URL + name,
            {"agent": agent},
            lambda response, name=name: order.append((name, response.resume())[0]),
        )
    board.run()
    assert len(board.attempts) == 1
    wire = board.attempts[0].stand()
    for name in b"abc":
        assert wire.take().startswith(b"GET /%c " % name)
        wire.send(OK)
    assert order == ["a", "b", "c"]
    assert wire.wire.lost  # nobody waits any more, and it is not to be kept
    assert agent.sockets == agent.requests == {}


def test_a_connection_that_dies_makes_room_for_a_new_one(board):
    agent = http.Agent(max_sockets=1)
    first = http.get(URL, {"agent": agent})
    heard = record(first, "error")
    fulfilled = []
    http.get(URL, {"agent": agent}, fulfilled.append)
    board.run()
    board.attempts[0].stand().lose(ConnectionLost())
    assert len(heard) == 1
    board.attempts[1].stand().send(OK)
    assert len(fulfilled) == 1


def test_a_connection_that_cannot_be_made_makes_room_too(board):
    agent = http.Agent(max_sockets=1)
    errors = []
    for _ in range(2):
        http.get(URL, {"agent": agent}).on("error", errors.append)
    board.run()
    board.attempts[0].fail(NodeError("connect ECONNREFUSED", "ECONNREFUSED"))
    board.attempts[1].fail(NodeError("connect ECONNREFUSED", "ECONNREFUSED"))
    assert len(errors) == 2
    assert agent.sockets == {}


def test_a_request_destroyed_while_it_waits_leaves_the_queue(board):
    agent = http.Agent(max_sockets=1)
    http.get(URL, {"agent": agent})
    waiting = http.get(URL, {"agent": agent})
    heard = record(waiting, "error", "close")
    waiting.destroy()
    board.run()
    assert [event[0] for event in heard] == ["error", "close"]
    assert agent.requests == {}
    board.attempts[0].stand().send(OK)
    assert len(board.attempts) == 1


def test_the_queue_of_requests_has_a_limit(board, monkeypatch):
    monkeypatch.setattr(pool, "MAX_WAITING_REQUESTS", 1)
    agent = http.Agent(max_sockets=1)
    requests = [http.get(URL, {"agent": agent}) for _ in range(2)]
    with pytest.raises(NodeError, match="wait for a connection already"):
        http.get(URL, {"agent": agent})
    for request in requests:
        request.on("error", lambda _: None).destroy()


def test_an_upgraded_connection_makes_room(board):
    agent = http.Agent(max_sockets=1)
    upgrade = http.get(URL, {"agent": agent, "headers": {"Connection": "Upgrade", "Upgrade": "x"}})
    sockets = []
    upgrade.on("upgrade", lambda _, socket, __: sockets.append(socket))
    http.get(URL, {"agent": agent})
    board.run()
    board.attempts[0].stand().send(b"HTTP/1.1 101 S\r\nUpgrade: x\r\n\r\n")
    assert len(board.attempts) == 2
    board.attempts[1].stand().send(OK)
    sockets[0].destroy()


def test_no_agent_means_a_connection_for_this_request_alone(board):
    fetch(board)
    fetch(board, options={"agent": False})
    assert len(board.attempts) == 2
    assert board.attempts[1].wire.lost


def test_destroy_closes_connections_in_use_and_at_rest(board):
    fetch(board)
    used = http.get("http://example.org/")
    heard = record(used, "error")
    board.run()
    board.attempts[1].stand()
    http.global_agent.destroy()
    board.run()
    assert all(attempt.wire.lost for attempt in board.attempts)
    assert heard[0][1].code == "ECONNRESET"
    assert http.global_agent.sockets == http.global_agent.free_sockets == {}


@pytest.mark.parametrize("agent", ["nonsense", https.Agent()])
def test_an_agent_must_be_one_for_the_protocol(board, agent):
    with pytest.raises(NodeError, match="expected one for http:"):
        http.get(URL, {"agent": agent})


@pytest.mark.parametrize(
    "options", [{"max_sockets": 0}, {"max_free_sockets": -1}, {"max_free_sockets": "many"}]
)
def test_an_agents_limits_are_numbers(options):
    with pytest.raises(NodeError, match="expected a number"):
        http.Agent(options)


def test_a_request_for_a_port_there_cannot_be_is_refused_at_once(board):
    with pytest.raises(NodeError) as refused:
        http.get({"host": "example.com", "port": 70_000})
    assert refused.value.code == "ERR_SOCKET_BAD_PORT"


def test_a_pool_does_not_outlive_its_board(monkeypatch):
    monkeypatch.setattr(http, "global_agent", http.Agent(keep_alive=True))
    for _ in range(2):
        with powered_board() as board:
            assert not fetch(board).reused_socket
            assert len(board.attempts) == 1
