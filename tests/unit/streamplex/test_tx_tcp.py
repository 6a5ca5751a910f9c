"""What the system is asked to do for a TCP connection."""

import socket

import pytest

from streamplex.tx import tcp
from streamplex.tx.tcp import KeepAliveTimes, probe_peer


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
