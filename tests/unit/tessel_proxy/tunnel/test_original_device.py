"""A device of the original kind, which counts up and never says `end`: 40,000 substreams."""

import pytest
from twisted.internet import error

from streamplex import Side
from streamplex.tx import TunnelProtocol
from support.memory_tunnels import Connection
from support.original_peer import OriginalPeer
from support.proxy_in_memory import PUBLIC, TOKEN, Stage
from tessel_proxy.records.accounting import TunnelRecord
from tessel_proxy.tunnel.session import Session

pytestmark = pytest.mark.usefixtures("untraced")

PER_TUNNEL = 20_000
"""Twice: the original throws on the 32,768th of one tunnel."""


class OriginalDevice(OriginalPeer):
    """Notes what is said on its channels."""

    def connectionMade(self):
        super().connectionMade()
        self.heard = {}
        self.say(0, {"type": "message", "object": {"token": TOKEN}})

    def json_received(self, channel, value):
        self.heard.setdefault(channel, []).append(value)

    data_received = json_received


class Tunnel:
    """One of its tunnels to a proxy."""

    def __init__(self, stage):
        self.stage = stage
        self.device = OriginalDevice()
        record = TunnelRecord(tunnel=8, peer="192.0.2.9:4711", started_at=0.0)
        self.session = Session(stage.shared, record)
        self.server = TunnelProtocol(Side.A, self.session, stage.clock)
        self.connection = Connection(self.device, self.server, stage.clock)
        self.session.tunnelSecured()
        self.pump = self.connection.pump
        self.pump()

    def exchange(self, channel):
        """One substream's life; what the device heard."""
        self.device.say(0, {"type": "stream", "sock": channel, "name": "net"})
        self.device.data(channel, b"ask %d" % channel)  # before `_pls_connect`, as it does
        self.device.custom(channel, "_pls_connect", 80, PUBLIC)
        self.pump()
        target = self.stage.dials.pop().stands()
        self.pump()
        assert target.value() == b"ask %d" % channel
        target.send(b"answer %d" % channel)
        target.end()
        self.pump()
        assert target.closed
        target.lose(error.ConnectionDone())
        return self.device.heard.pop(channel)


def test_every_one_of_40_000_substreams_gets_its_own_bytes_and_is_forgotten():
    stage = Stage(opens_per_s=1_000_000)
    for _ in range(2):
        tunnel = Tunnel(stage)
        assert tunnel.device.heard.pop(0) == [{"type": "message", "object": {"authed": True}}]
        for channel in range(2, 2 + 2 * PER_TUNNEL, 2):
            assert tunnel.exchange(channel) == [
                {"event": "custom", "emitArgs": ["connect"]},
                b"answer %d" % channel,
                {"event": "end"},
                {"event": "custom", "emitArgs": ["close"]},
            ]
        assert not tunnel.server.substreams_in_use
        assert not tunnel.server.core.has_waiting
        assert tunnel.device.heard == {}
