"""A peer that is gone is found out; one that is slow, or not listened to, is not taken for it."""

from dataclasses import replace

import pytest
from twisted.internet.error import ConnectionDone

from streamplex import SilentPeerError, TunnelLostError
from streamplex.features import PING
from streamplex.tx import protocol
from streamplex.tx.flow import MAX_HELD_BYTES
from streamplex.tx.tcp import Progress
from support.memory_tunnels import Aware, Tunnels

INTERVAL_S, TIMEOUT_S = 10, 4


@pytest.fixture
def tunnels():
    """Two tunnels; the server watches over its device."""
    tunnels = Tunnels()
    for end in (tunnels.device, tunnels.server):
        end.enable({PING})
    tunnels.server.keep_alive(INTERVAL_S, TIMEOUT_S)
    return tunnels


def pass_time(tunnels, seconds):
    for _ in range(seconds):
        tunnels.clock.advance(1)
        tunnels.pump()


def test_a_silent_peer_that_is_there_is_asked_now_and_then_and_kept(tunnels):
    heard = []
    receive = tunnels.device.dataReceived
    tunnels.device.dataReceived = lambda data: heard.append(bytes(data)) or receive(data)
    pass_time(tunnels, 65)
    assert [data.count(b"ping") for data in heard] == [1] * 6
    assert tunnels.far.lost is None


def test_a_tunnel_gives_memory_back_when_it_is_silent_and_not_before(tunnels, monkeypatch):
    settled = []
    monkeypatch.setattr(tunnels.server, "settle", lambda: settled.append(tunnels.clock.seconds()))
    for _ in range(4 * INTERVAL_S):
        tunnels.clock.advance(0.5)
        tunnels.server.dataReceived(b"")
    assert not settled
    pass_time(tunnels, INTERVAL_S)
    assert settled


def test_one_that_is_gone_is_found_out_in_the_sum_of_both_times(tunnels):
    tunnels.open(Aware())
    tunnels.device_end.reading = False
    pass_time(tunnels, INTERVAL_S + TIMEOUT_S - 1)
    assert tunnels.far.lost is None
    pass_time(tunnels, 1)
    assert tunnels.far.lost.check(SilentPeerError)
    assert tunnels.server_end.aborted
    assert tunnels.served[0].lost.check(TunnelLostError)


def test_any_byte_is_a_sign_of_life_half_a_frame_too(tunnels):
    tunnels.device_end.reading = False
    for _ in range(20):
        pass_time(tunnels, INTERVAL_S - 1)
        tunnels.server.dataReceived(b"")
    assert not tunnels.server_end.sent  # nobody was asked
    pass_time(tunnels, INTERVAL_S)
    tunnels.server.dataReceived(b"\0")  # asked, and heard in time
    pass_time(tunnels, INTERVAL_S + TIMEOUT_S - 1)
    assert tunnels.far.lost is None


def test_a_slow_link_that_takes_what_is_sent_is_one_too(tunnels):
    tunnels.device_end.reading = False  # the ping waits behind data, and the pong is far away
    for _ in range(5):
        pass_time(tunnels, INTERVAL_S + TIMEOUT_S - 1)
        tunnels.server.resumeProducing()
    assert tunnels.far.lost is None


def test_a_peer_that_is_not_listened_to_is_not_missed(tunnels):
    device, server = tunnels.open(Aware())
    server.transport.pauseProducing()
    device.transport.write(b"x" * (MAX_HELD_BYTES + 100_000))
    tunnels.pump()
    assert tunnels.server.is_deaf
    pass_time(tunnels, 2 * (INTERVAL_S + TIMEOUT_S))
    assert tunnels.far.lost is None
    server.transport.resumeProducing()
    tunnels.device_end.reading = False
    pass_time(tunnels, 2 * INTERVAL_S + TIMEOUT_S)
    assert tunnels.far.lost.check(SilentPeerError)


def test_the_watch_ends_with_the_tunnel(tunnels):
    tunnels.server.keep_alive(1, 1)  # there is one already: no second one is begun
    tunnels.connection.cut(ConnectionDone())
    assert tunnels.clock.getDelayedCalls() == []
    tunnels.server.keep_alive(INTERVAL_S, TIMEOUT_S)
    assert tunnels.clock.getDelayedCalls() == []


def test_the_peer_of_a_tunnel_that_closes_slowly_is_given_up_once(tunnels):
    tunnels.device_end.reading = False
    tunnels.server.open("net").write(b"x" * 300_000)
    tunnels.server.loseConnection()
    pass_time(tunnels, 2 * (INTERVAL_S + TIMEOUT_S))
    assert tunnels.far.calls.count("lost") == 1


@pytest.fixture
def link(tunnels, monkeypatch):
    """What the system says of the server's transport, which no byte comes back over."""
    link = Link()
    monkeypatch.setattr(protocol, "progress_of", lambda _transport: link.progress)
    tunnels = link.tunnels = Tunnels()
    for end in (tunnels.device, tunnels.server):
        end.enable({PING})
    tunnels.server.keep_alive(INTERVAL_S, TIMEOUT_S)
    tunnels.device_end.reading = False
    return link


class Link:
    def __init__(self):
        self.progress = Progress(received=0, taken=0, under_way=False, since_s=0.0)

    def says(self, **what):
        self.progress = replace(self.progress, **what)

    def pass_time(self, seconds):
        pass_time(self.tunnels, seconds)

    @property
    def is_given_up(self):
        return self.tunnels.far.lost is not None


def test_a_ping_that_may_be_behind_data_is_waited_for_while_that_is_acknowledged(link):
    for taken in range(1, 200):
        link.pass_time(1)
        link.says(taken=taken, under_way=True)
    assert not link.is_given_up
    link.pass_time(2 * INTERVAL_S + TIMEOUT_S)
    assert link.is_given_up


def test_bytes_from_the_peer_count_though_they_are_no_record_of_tls_yet(link):
    for received in range(1, 200):
        link.pass_time(1)
        link.says(received=received)
    assert not link.is_given_up


def test_silence_is_counted_from_the_last_that_came_and_not_from_the_look_that_found_it(link):
    link.pass_time(INTERVAL_S - 1)
    link.says(taken=1, under_way=True, since_s=8.0)  # 2 s after the start
    link.pass_time(1)
    link.says(since_s=9.0)
    link.pass_time(2 + TIMEOUT_S - 1)
    assert not link.is_given_up
    link.pass_time(1)
    assert link.is_given_up


def test_a_peer_whose_system_alone_is_alive_is_given_up(link):
    link.pass_time(INTERVAL_S)  # asked
    link.says(taken=100)
    link.pass_time(2 * TIMEOUT_S)
    assert link.is_given_up


def test_a_ping_that_has_arrived_is_given_its_time_once(link):
    link.pass_time(INTERVAL_S)  # asked
    link.pass_time(TIMEOUT_S - 1)
    link.says(taken=100)  # a second before it would be given up
    link.pass_time(1)
    link.says(taken=101)  # more data for a program that hangs
    assert not link.is_given_up
    link.pass_time(TIMEOUT_S)
    assert link.is_given_up


def test_what_is_acknowledged_before_the_ping_is_no_life_if_nothing_is_under_way(link):
    for taken in range(1, INTERVAL_S + TIMEOUT_S + 1):
        link.says(taken=taken)
        link.pass_time(1)
    link.pass_time(TIMEOUT_S)
    assert link.is_given_up


@pytest.mark.parametrize("silent_about_it", ["first", "later"])
def test_a_transport_that_stops_telling_is_judged_by_what_comes(link, silent_about_it):
    if silent_about_it == "later":
        link.pass_time(INTERVAL_S)
    link.progress = None
    link.pass_time(INTERVAL_S + TIMEOUT_S)
    assert link.is_given_up


# --- a peer that cannot be asked

LIMIT_S = 12.0


@pytest.fixture
def unasked(monkeypatch):
    link = Link()
    monkeypatch.setattr(protocol, "progress_of", lambda _transport: link.progress)
    link.tunnels = Tunnels()
    return link


def test_one_whose_system_answers_nothing_while_data_is_on_its_way_is_given_up(unasked):
    unasked.says(under_way=True, since_s=LIMIT_S)
    unasked.tunnels.server.give_up_unanswered(LIMIT_S)
    unasked.tunnels.server.give_up_unanswered(LIMIT_S)
    unasked.tunnels.pump()
    assert unasked.tunnels.far.lost.check(SilentPeerError)


@pytest.mark.parametrize(
    "progress",
    [
        Progress(received=0, taken=0, under_way=False, since_s=1e6),  # idle: TCP asks by itself
        Progress(received=0, taken=0, under_way=True, since_s=LIMIT_S - 1),
        None,
    ],
)
def test_one_that_is_idle_or_only_does_not_read_is_not(unasked, progress):
    unasked.progress = progress
    unasked.tunnels.server.give_up_unanswered(LIMIT_S)
    unasked.tunnels.pump()
    assert not unasked.is_given_up
