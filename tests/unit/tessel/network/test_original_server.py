"""A server of the original kind, which listens on after a refusal: 40,000 substreams."""

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from support.fake_proxy import ENVIRON, Watch
from support.memory_tunnels import Connection, HalfCloseable
from support.original_peer import OriginalPeer
from tessel.errors import NodeError
from tessel.network.interface import Target
from tessel.network.tunneled import TunneledNetwork
from tessel.settings import Settings

pytestmark = pytest.mark.usefixtures("untraced")

SUBSTREAMS = 40_000
REFUSED = 3  # of these one


class OriginalServer(OriginalPeer):
    """Answers each question with what its target says; every third target refuses.

    Who listens on a channel is taken away when the device has ended; after a refusal it never
    reads so far. Opened again, such a channel would obey twice.
    """

    def connectionMade(self):
        super().connectionMade()
        self.listeners = {}
        self.highest = 0

    def end(self, channel):
        self.say(channel, {"event": "end"})
        self.custom(channel, "close")

    def json_received(self, channel, value):
        if channel:
            self._told(channel, value)
        else:
            self._controlled(value)

    def _controlled(self, said):
        if said["type"] == "stream":
            self.listeners.setdefault(said["sock"], []).append(None)
            self.highest = max(self.highest, said["sock"])
        else:
            self.say(0, {"type": "message", "object": {"authed": True}})

    def _told(self, channel, said):
        match said:
            case {"event": "custom", "emitArgs": ["_pls_connect", port, _host]}:
                for at, _ in enumerate(self.listeners[channel]):
                    self.listeners[channel][at] = port
                    self._connect(channel, port)
            case {"event": "end"}:
                ports = self.listeners[channel]
                if any(port % REFUSED for port in ports):
                    del self.listeners[channel]
            case {"event": "credit" | "reset" | "error"}:
                raise AssertionError(said)

    def _connect(self, channel, port):
        if port % REFUSED:
            self.custom(channel, "connect")
        else:
            self.say(
                channel, {"event": "error", "message": f"connect ECONNREFUSED 10.0.0.1:{port}"}
            )
            self.end(channel)

    def data_received(self, channel, question):
        for port in self.listeners[channel]:
            if port % REFUSED:
                self.data(channel, b"%d answers %s" % (port, question))
                self.end(channel)


class Original:
    """A network through such servers: one for each tunnel."""

    def __init__(self):
        self.clock = Clock()
        self.servers = []
        self.connections = []
        settings = Settings.from_env(ENVIRON)
        self.network = TunneledNetwork(settings, self._dial, self.clock, lambda: 1.0)

    def _dial(self, _target, factory, _tls):
        device, server = factory(), OriginalServer()
        self.servers.append(server)
        self.connections.append(Connection(device, server, self.clock))
        return succeed(device)

    def pump(self):
        self.clock.advance(0)
        for connection in self.connections:
            connection.pump()

    def ask(self, port):
        """One substream's life: what its program got, or the code of its error."""
        outcome = []
        connecting = Deferred.fromCoroutine(
            self.network.connect(Target("example.com", port), HalfCloseable, Watch(), "a test")
        )
        connecting.addCallbacks(outcome.append, lambda why: outcome.append(why.value))
        self.pump()
        (result,) = outcome
        if isinstance(result, NodeError):
            return result.code
        result.transport.write(b"question %d" % port)
        self.pump()
        assert result.calls[-1] == "lost"
        return bytes(result.data)


def test_every_one_of_40_000_substreams_gets_its_own_bytes_over_two_tunnels():
    original = Original()
    for number in range(SUBSTREAMS):
        port = 1 + number % 60_000
        expected = b"%d answers question %d" % (port, port) if port % REFUSED else "ECONNREFUSED"
        assert original.ask(port) == expected
    highest = [server.highest for server in original.servers]
    assert highest == [65_534, 2 * (SUBSTREAMS - 32_767)]
