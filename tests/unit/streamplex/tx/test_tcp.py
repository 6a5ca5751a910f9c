"""What the system is asked to do for a TCP connection."""

import socket
import time
from contextlib import suppress
from struct import Struct

import pytest
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.tcp import Connection
from twisted.internet.testing import MemoryReactorClock
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory

from streamplex.tx import tcp
from streamplex.tx.tcp import KeepAliveTimes, Progress, probe_peer, progress_of, tcp_below


class Options:
    """A socket of which options are set."""

    def __init__(self):
        self.set = {}

    def setsockopt(self, level, name, value):
        self.set[level, name] = value


@pytest.mark.parametrize("missing", ["TCP_KEEPINTVL", "TCP_KEEPCNT"])
def test_what_the_system_has_no_name_for_is_left_out(monkeypatch, missing):
    number = getattr(socket, missing)
    monkeypatch.delattr(socket, missing)
    options = Options()
    probe_peer(options, KeepAliveTimes())
    assert len(options.set) == 3
    assert (socket.IPPROTO_TCP, number) not in options.set


def test_a_system_without_an_option_for_the_idle_time_keeps_its_own(monkeypatch):
    monkeypatch.setattr(tcp, "_IDLE_OPTION", None)
    options = Options()
    probe_peer(options, KeepAliveTimes())
    assert options.set[socket.SOL_SOCKET, socket.SO_KEEPALIVE] == 1
    assert (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) not in options.set


def test_with_an_idle_time_of_0_nothing_is_asked_for():
    options = Options()
    probe_peer(options, KeepAliveTimes(idle_s=0))
    assert not options.set


class Pair:
    """A connection of this machine with itself, one end as Twisted has it."""

    def __enter__(self):
        with socket.create_server(("127.0.0.1", 0)) as listening:
            self.peer = socket.create_connection(listening.getsockname())
            made, _ = listening.accept()
        made.setblocking(False)
        self.made = made
        self.transport = Connection(made, Protocol(), MemoryReactorClock())
        self.transport.connected = True
        return self

    def __exit__(self, *_):
        self.made.close()
        self.peer.close()

    def until(self, holds):
        deadline = time.monotonic() + 10
        while not holds(progress_of(self.transport)):
            assert time.monotonic() < deadline, progress_of(self.transport)
            time.sleep(0.01)


def test_what_the_peers_system_has_acknowledged_and_sent_is_known():
    with Pair() as pair:
        pair.made.send(b"x" * 1000)
        pair.until(lambda progress: progress.taken >= 1000 and not progress.under_way)
        pair.peer.send(b"y" * 77)
        pair.until(lambda progress: progress.received == 77)
        assert progress_of(pair.transport).since_s < 5


def test_what_the_peers_system_has_no_room_for_is_under_way():
    with Pair() as pair:
        with suppress(BlockingIOError):
            while True:
                pair.made.send(b"x" * 100_000)
        pair.until(lambda progress: progress.under_way)


def test_below_tls_is_the_same_connection():
    with Pair() as pair:
        wrapper = ProtocolWrapper(WrappingFactory(Factory()), Protocol())
        wrapper.transport = pair.transport
        pair.peer.send(b"y" * 7)
        pair.until(lambda progress: progress.received == 7)
        assert progress_of(wrapper).received == 7
        assert tcp_below(wrapper) is pair.transport


def test_a_closed_connection_says_nothing_of_itself():
    with Pair() as pair:
        pair.made.close()
        assert progress_of(pair.transport) is None


def test_a_kernel_that_tells_less_says_nothing(monkeypatch):
    monkeypatch.setattr(tcp, "_TCP_INFO", Struct("=1000x"))
    with Pair() as pair:
        assert progress_of(pair.transport) is None


def test_elsewhere_it_is_what_the_system_has_taken_from_the_transport(monkeypatch):
    monkeypatch.setattr(tcp, "_LINUX", False)
    with Pair() as pair:
        pair.transport.dataBuffer, pair.transport.offset = b"x" * 100, 40
        before = progress_of(pair.transport)
        pair.transport.offset = 70
        after = progress_of(pair.transport)
        assert before.under_way
        assert after.taken - before.taken == 30
        pair.transport.offset = 100
        assert not progress_of(pair.transport).under_way


class Radio:
    unsent_bytes = 30


def test_a_radio_says_what_it_has_not_taken_yet():
    assert progress_of(Radio()) == Progress(received=0, taken=-30, under_way=True, since_s=0.0)
    assert progress_of(object()) is None


def test_a_dead_peer_is_found_when_all_its_probes_had_their_time():
    assert KeepAliveTimes().lost_s == 120
    assert KeepAliveTimes(idle_s=0).lost_s == 0
