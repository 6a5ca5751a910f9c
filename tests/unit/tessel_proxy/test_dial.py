"""Happy eyeballs over one answer."""

from ipaddress import ip_address

import pytest
from twisted.internet import error
from twisted.internet.defer import CancelledError
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure

from tessel_proxy.dial import ATTEMPT_DELAY_S, MAX_ADDRESSES, Dialling, in_turn
from tessel_proxy.nodewords import TargetError
from unit.tessel_proxy.stage import Dial

SIX, FOUR, OTHER = (ip_address(x) for x in ("2001:4860::1", "192.0.2.4", "192.0.2.5"))
REFUSED = error.getConnectError((111, "refused"))
UNREACHABLE = error.getConnectError((101, "unreachable"))


class NoProtocol(Factory):
    def buildProtocol(self, addr):
        return None


class Race:
    def __init__(self, *addresses):
        self.reactor = MemoryReactorClock()
        factory = Factory.forProtocol(Protocol)
        factory.noisy = False
        self.won = Dialling(self.reactor, addresses, 80, factory).start()
        self.result = []
        self.won.addBoth(self.result.append)

    @property
    def dialled(self):
        return [str(client[0]) for client in self.reactor.tcpClients]

    def dial(self, number):
        return Dial(self.reactor, number)

    @property
    def error(self):
        (failure,) = self.result
        failure.trap(TargetError)
        return str(failure.value)


def test_the_first_that_stands_wins():
    race = Race(SIX, FOUR)
    race.dial(0).stands()
    (dialled,) = race.result
    assert dialled.address == SIX
    assert race.dialled == [str(SIX)]
    assert not race.reactor.getDelayedCalls()


def test_the_connection_knows_its_protocol_and_nothing_between():
    race = Race(SIX)
    transport = race.dial(0).stands()
    (dialled,) = race.result
    assert transport.protocol is dialled.protocol
    assert dialled.protocol.transport is transport


def test_what_loses_a_connection_that_stood_is_its_protocols_business():
    race = Race(SIX)
    dial = race.dial(0)
    dial.stands()
    dial.factory.clientConnectionLost(dial.connector, Failure(error.ConnectionDone()))
    assert len(race.result) == 1


def test_one_that_is_stopped_is_heard_of_no_more():
    race = Race(SIX)
    dial = race.dial(0)
    race.won.cancel()
    dial.fails(error.UserError())  # as the reactor says it
    assert dial.protocol() is None
    race.result[0].trap(CancelledError)


def test_no_protocol_no_connection():
    reactor = MemoryReactorClock()
    Dialling(reactor, [SIX], 80, NoProtocol()).start()
    assert Dial(reactor, 0).protocol() is None


def test_the_next_is_tried_after_a_moment_and_may_overtake():
    race = Race(SIX, FOUR, OTHER)
    race.reactor.advance(ATTEMPT_DELAY_S)
    assert race.dialled == [str(SIX), str(FOUR)]
    race.dial(1).stands()
    assert race.result[0].address == FOUR
    assert race.dial(0).stopped
    assert not race.reactor.getDelayedCalls()


def test_after_a_failure_the_next_is_tried_at_once():
    race = Race(SIX, FOUR)
    race.dial(0).fails(UNREACHABLE)
    assert race.dialled == [str(SIX), str(FOUR)]
    assert not race.result


def test_all_failed_the_first_ones_reason_is_told():
    race = Race(SIX, FOUR, OTHER)
    race.reactor.advance(ATTEMPT_DELAY_S)
    race.dial(1).fails(UNREACHABLE)
    race.dial(2).fails(UNREACHABLE)
    assert not race.result
    race.dial(0).fails(REFUSED)
    assert race.error == f"connect ECONNREFUSED {SIX}:80"


def test_cancelled_everything_stops():
    race = Race(SIX, FOUR, OTHER)
    race.reactor.advance(ATTEMPT_DELAY_S)
    race.won.cancel()
    assert race.dial(0).stopped
    assert race.dial(1).stopped
    assert not race.reactor.getDelayedCalls()
    race.result[0].trap(CancelledError)


@pytest.mark.parametrize(
    ("addresses", "order"),
    [
        ([SIX, FOUR], [SIX, FOUR]),
        ([FOUR, OTHER, SIX], [FOUR, SIX, OTHER]),
        ([FOUR], [FOUR]),
    ],
)
def test_the_families_alternate_and_the_preferred_one_goes_first(addresses, order):
    assert in_turn(addresses) == order


def test_of_a_long_answer_only_the_beginning_is_tried():
    assert len(in_turn([ip_address(number) for number in range(1000)])) == MAX_ADDRESSES
