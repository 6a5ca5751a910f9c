"""`dns`: look-ups in the Node manner."""

import pytest
from twisted.internet.defer import Deferred

from support.fake_board import FakeNetwork, powered_board
from tessel.errors import NodeError
from tessel.node import dns


class Names(FakeNetwork):
    """Keeps the questions; a test answers them."""

    def __init__(self, board):
        super().__init__(board)
        self.asked = []
        self.answers = []

    @property
    def answer(self):
        return self.answers[-1]

    def lookup(self, name, family=0):
        self.asked.append((name, family))
        self.answers.append(Deferred())
        return self.answer


@pytest.fixture
def board():
    with powered_board() as board:
        board.network = board.runtime.network = Names(board)
        yield board


@pytest.fixture
def heard():
    return []


def keep(heard):
    return lambda *args: heard.append(args)


def test_a_look_up_gives_the_best_address_and_its_family(board, heard):
    dns.lookup("example.com", keep(heard))
    assert board.handles.names() == ["look-up of example.com"]
    board.network.answer.callback(["2001:db8::1", "192.0.2.1"])
    board.run()
    assert heard == [(None, "2001:db8::1", 6)]
    assert len(board.handles) == 0


@pytest.mark.parametrize(
    ("options", "named", "family"),
    [
        (4, {}, 4),
        ({"family": 6}, {}, 6),
        ({}, {"family": 4}, 4),
        (None, {}, 0),
    ],
)
def test_the_family_can_be_chosen(board, heard, options, named, family):
    dns.lookup("h", options, keep(heard), **named)
    assert board.network.asked == [("h", family)]


def test_all_addresses_can_be_had(board, heard):
    dns.lookup("h", {"all": True}, keep(heard))
    board.network.answer.callback(["::1", "127.0.0.1"])
    board.run()
    both = [{"address": "::1", "family": 6}, {"address": "127.0.0.1", "family": 4}]
    assert heard == [(None, both)]


def test_a_failure_is_the_callbacks_first_argument(board, heard):
    dns.lookup("h", keep(heard), all=False)
    error = NodeError("getaddrinfo ENOTFOUND h", "ENOTFOUND")
    board.network.answer.errback(error)
    board.run()
    assert heard == [(error,)]
    assert len(board.handles) == 0


def test_a_callback_that_raises_ends_the_program(board):
    dns.lookup("h", lambda *_: 1 / 0)
    board.network.answer.callback(["127.0.0.1"])
    board.run()
    assert isinstance(board.uncaught.pop(), ZeroDivisionError)


def test_resolve_asks_for_one_family(board, heard):
    dns.resolve("h", keep(heard))
    dns.resolve("h", "AAAA", keep(heard))
    dns.resolve4("h", keep(heard))
    dns.resolve6("h", keep(heard))
    assert board.network.asked == [("h", 4), ("h", 6), ("h", 4), ("h", 6)]
    board.network.answer.callback(["192.0.2.1"])
    board.run()
    assert heard == [(None, ["192.0.2.1"])]


@pytest.mark.parametrize(
    "call",
    [
        lambda: dns.resolve("h", "MX", print),
        lambda: dns.lookup("h", 5, print),
        lambda: dns.lookup("h", {"family": "4"}, print),
        lambda: dns.lookup("h"),
    ],
)
def test_what_makes_no_sense_is_reported_at_once(board, call):
    with pytest.raises(NodeError):
        call()


def test_a_bug_below_ends_the_program(board, heard):
    dns.lookup("h", keep(heard))
    board.network.answer.errback(ZeroDivisionError())
    board.run()
    assert heard == []
    assert len(board.handles) == 0
    assert isinstance(board.uncaught.pop(), ZeroDivisionError)


def test_a_callback_with_all_results_gets_an_error_too(board):
    told = []
    dns.lookup("h", lambda error, address, family: told.append((error.code, address, family)))
    board.network.answer.errback(NodeError("no", "ENOTFOUND"))
    board.run()

    assert told == [("ENOTFOUND", None, None)]
