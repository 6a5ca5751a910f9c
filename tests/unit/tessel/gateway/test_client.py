"""One client of the gateway, joined to a target: stages, ends, losses and limits."""

import pytest
from twisted.internet.error import ConnectionDone, ConnectionLost

from support.fake_board import Attempt, Board
from tessel.errors import NodeError
from tessel.gateway.client import NEXT, Client, Happening, Means, Stage
from tessel.gateway.limits import (
    EARLY_BYTES,
    HALF_CLOSED_IDLE_S,
    LINGER_S,
    OPENING_TIMEOUT_S,
)
from tessel.gateway.opening import Opening
from tessel.network.interface import Target

HANDSHAKE_S = 10
REQUEST = b"\x05\x01\x00\x05\x01\x00\x03\x01a\x00\x50"
METHOD = b"\x05\x00"
CONNECTED = b"\x05\x00\x00\x01" + bytes(6)
FORWARDED = b"POST http://a/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
LOST = ConnectionLost("a reset")


class Here:
    """A client of the gateway, and its target."""

    def __init__(self):
        self.board = Board()
        self.over = []
        means = Means(self.board.network, self.board.clock, HANDSHAKE_S)
        self.client = Attempt(self.board, None, lambda: self._link(means), proxy=False)
        self.client.wire.protocol = self.client.factory()
        self.client.wire.protocol.makeConnection(self.client.wire)

    def _link(self, means):
        return Client(means, Opening(None), "client", self.over.append).protocol()

    @property
    def target(self):
        (attempt,) = self.board.attempts
        return attempt

    def connecting(self):
        self.client.send(REQUEST)
        assert self.client.take() == METHOD
        return self

    def joined(self):
        self.connecting().target.stand()
        assert self.client.take() == CONNECTED
        return self

    def forwarding(self):
        self.client.send(FORWARDED)
        self.target.stand()
        self.target.take()
        return self


@pytest.fixture
def here():
    return Here()


def test_the_request_names_the_target(here):
    assert here.connecting().target.target == Target("a", 80)


def test_bytes_go_both_ways(here):
    here.joined()
    here.client.send(b"question")
    here.target.send(b"answer")

    assert here.target.take() == b"question"
    assert here.client.take() == b"answer"


def test_early_data_reaches_the_target_after_the_connection(here):
    here.client.send(REQUEST + b"early")
    here.client.send(b" data")

    assert here.target.stand().take() == b"early data"
    assert here.client.take() == METHOD + CONNECTED


def test_too_much_early_data_pauses_the_client_until_there_is_a_target(here):
    here.connecting().client.send(bytes(EARLY_BYTES))
    assert here.client.wire.producerState == "paused"

    here.target.stand()

    assert here.client.wire.producerState == "producing"
    assert len(here.target.take()) == EARLY_BYTES


def test_a_client_that_ended_early_half_closes_the_target(here):
    here.connecting().client.end()

    assert here.target.stand().wire.half_closed
    here.target.send(b"answer")
    assert here.client.take().endswith(b"answer")


def test_a_full_target_pauses_the_client(here):
    here.joined()
    here.target.wire.producer.pauseProducing()
    here.client.send(b"more")
    assert here.client.wire.producerState == "paused"

    here.target.wire.producer.resumeProducing()

    assert here.client.wire.producerState == "producing"


def test_a_full_client_pauses_the_target(here):
    here.joined()
    here.client.wire.producer.pauseProducing()
    here.target.send(b"more")

    assert here.target.wire.producerState == "paused"


def test_each_end_is_passed_on_and_both_close_the_connections(here):
    here.joined()
    here.target.end()
    assert here.client.wire.half_closed
    assert not here.client.wire.lost

    here.client.end()

    assert here.target.wire.half_closed
    assert here.client.wire.lost
    assert here.target.wire.lost
    assert not here.client.wire.aborted
    assert not here.target.wire.aborted
    assert len(here.over) == 1


@pytest.mark.parametrize("reason", [LOST, ConnectionDone(), NodeError("read ECONNRESET", "E")])
def test_a_target_that_is_lost_before_its_end_resets_the_client(here, reason):
    here.joined().target.lose(reason)

    assert here.client.wire.aborted
    assert len(here.over) == 1


def test_a_target_that_is_lost_after_its_end_resets_a_client_that_still_sends(here):
    here.joined().target.end()
    here.target.lose(LOST)

    assert here.client.wire.aborted


def test_a_target_that_is_closed_after_its_end_closes_the_client_in_order(here):
    here.joined().target.end()
    here.target.lose()

    assert here.client.wire.lost
    assert not here.client.wire.aborted


def test_a_client_that_is_lost_resets_the_target(here):
    here.joined().client.lose(LOST)

    assert here.target.wire.aborted
    assert len(here.over) == 1


def test_a_client_that_is_lost_stops_the_attempt(here):
    here.connecting().client.lose(LOST)

    assert here.target.cancelled
    assert len(here.over) == 1


def test_a_client_that_is_refused_reads_the_answer_and_closes(here):
    here.connecting().target.fail(NodeError("connect ECONNREFUSED a:80", "ECONNREFUSED"))
    assert here.client.take() == b"\x05\x05\x00\x01" + bytes(6)
    assert here.client.wire.half_closed
    here.client.send(b"ignored")
    assert not here.client.wire.lost

    here.client.end()

    assert here.client.wire.lost
    assert not here.client.wire.aborted
    assert len(here.over) == 1


def test_a_client_that_is_refused_and_stays_is_reset(here):
    here.client.send(b"GET / HTTP/1.1\r\n\r\n")
    assert here.client.take().startswith(b"HTTP/1.1 400 ")

    here.board.pass_time(LINGER_S)

    assert here.client.wire.aborted
    assert len(here.over) == 1


def test_a_client_that_had_ended_is_closed_with_its_refusal(here):
    here.connecting().client.end()
    here.target.fail(NodeError("getaddrinfo ENOTFOUND a", "ENOTFOUND"))

    assert here.client.take() == b"\x05\x04\x00\x01" + bytes(6)
    assert here.client.wire.lost
    assert not here.client.wire.aborted


def test_a_client_without_a_request_is_closed_in_time(here):
    here.client.send(REQUEST[:5])
    here.board.pass_time(HANDSHAKE_S)
    assert here.client.wire.half_closed

    here.board.pass_time(LINGER_S)

    assert here.client.wire.aborted


def test_a_client_that_ends_before_its_request_is_closed(here):
    here.client.send(REQUEST[:5])
    here.client.end()

    assert here.client.wire.lost
    assert not here.board.clock.getDelayedCalls()


def test_an_attempt_that_takes_too_long_is_answered_as_a_timeout(here):
    here.connecting()
    here.board.pass_time(OPENING_TIMEOUT_S)

    assert here.client.take() == b"\x05\x06\x00\x01" + bytes(6)
    assert here.target.cancelled


def test_a_half_closed_connection_without_traffic_is_reset(here):
    here.joined().client.end()
    here.board.pass_time(HALF_CLOSED_IDLE_S - 1)
    here.target.send(b"alive")
    here.board.pass_time(1)
    assert not here.client.wire.lost

    here.board.pass_time(HALF_CLOSED_IDLE_S)

    assert here.client.wire.aborted
    assert here.target.wire.aborted


def test_a_request_that_is_passed_on_gets_the_targets_response(here):
    here.forwarding().client.send(b"2\r\nhi\r\n0\r\n\r\nGET http://b/ HTTP/1.1\r\n\r\n")
    here.target.send(b"HTTP/1.1 204 No Content\r\n\r\n")

    assert here.target.take() == b"2\r\nhi\r\n0\r\n\r\n"
    assert here.client.take() == b"HTTP/1.1 204 No Content\r\n\r\n"


def test_a_malformed_body_resets_the_target_which_must_not_take_it_as_complete(here):
    here.forwarding().client.send(b"not a chunk\r\n")

    assert here.target.wire.aborted
    assert here.client.wire.aborted


def test_each_stage_has_a_row():
    assert set(NEXT) == set(Stage)
    assert {stage for row in NEXT.values() for stage in row.values()} == set(Stage) - {
        Stage.OPENING
    }
    assert {happening for row in NEXT.values() for happening in row} == set(Happening)
