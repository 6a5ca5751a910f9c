"""Look-ups of a JavaScript program, on the device's end of the channel."""

import pytest
from twisted.internet.defer import Deferred, fail, succeed

from tessel.errors import NodeError


def test_a_name_is_answered_with_its_addresses(board, child):
    board.network.names["site.test"] = succeed(["192.0.2.7", "2001:db8::7"])
    child.call(1, "lookup", name="site.test", family=0)
    addresses = [
        {"address": "192.0.2.7", "family": 4},
        {"address": "2001:db8::7", "family": 6},
    ]
    assert child.take() == [(1, {"event": "found", "addresses": addresses})]
    assert not len(child.bridge.channel)


def test_an_unknown_name_is_answered_with_the_error_and_its_hint(board, child):
    error = NodeError("getaddrinfo ENOTFOUND site.test", "ENOTFOUND")
    error.hint = "ask another one"
    board.network.names["site.test"] = fail(error)
    child.call(1, "lookup", name="site.test", family=4)
    fields = {"message": str(error), "code": "ENOTFOUND", "hint": "ask another one"}
    assert child.take() == [(1, {"event": "failed", "error": fields})]
    assert not len(child.bridge.channel)


@pytest.mark.parametrize(
    "fields", [{}, {"name": 5, "family": 4}, {"name": "a", "family": 5}, {"name": "a"}]
)
def test_a_look_up_with_wrong_fields_ends_the_program(child, fields):
    child.call(1, "lookup", **fields)
    assert len(child.broken) == 1
    assert child.broken[0].startswith("lookup: ")


@pytest.mark.parametrize(
    "send",
    [
        lambda child: child.call(1, "lookup", name="site.test", family=0),
        lambda child: child.data(1, b"bytes"),
        lambda child: child.credit(1, 5),
    ],
)
def test_anything_else_for_a_running_look_up_ends_the_program(board, child, send):
    board.network.names["site.test"] = Deferred()
    child.call(1, "lookup", name="site.test", family=0)
    send(child)
    assert len(child.broken) == 1
    assert "a look-up" in child.broken[0]


def test_the_look_ups_of_a_program_that_ends_are_cancelled(board, child):
    cancelled = []
    board.network.names["site.test"] = Deferred(cancelled.append)
    child.call(1, "lookup", name="site.test", family=0)
    child.end()
    assert len(cancelled) == 1
    assert child.take() == []
    assert not len(child.bridge.channel)
    assert not board.uncaught
