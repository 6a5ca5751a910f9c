"""The driver of this repository's Python device, over the network that its programs use.

Commands and answers: tests/interop/clients/README.md.
"""

import binascii
import random
from pathlib import Path

from tessel_service_kit.reactor import reactor  # before Twisted installs its own

# ruff: isort: split
from twisted.internet.defer import Deferred, DeferredQueue
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer
from twisted.internet.protocol import Protocol
from twisted.internet.stdio import StandardIO
from twisted.internet.task import deferLater
from twisted.protocols.basic import LineReceiver
from zope.interface import implementer

from streamplex.conversation import FEATURES
from streamplex.features import DEVICE
from support.clients.driver import LIMIT_MS, pattern
from tessel.errors import NodeError
from tessel.network.direct import DirectNetwork
from tessel.network.interface import IConnectWatcher, Target
from tessel.network.tunneled import TunneledNetwork
from tessel.network.tunneled.refused import AuthorizationFailed, RefusedForNow
from tessel.network.tunneled.tunnel import WINDOWS, TunnelPhase
from tessel.radio.host import HostRadio
from tessel.settings import Settings

CAN = ["early", "abort", "abandons", "tls", "idle"]
PIECE_BYTES = 16_384
STALLED_S = 0.3  # in which nothing could be sent
POLL_S = 0.01


@implementer(IHalfCloseableProtocol, IPushProducer, IConnectWatcher)
class Connection(Protocol):
    """A connection that is read only when the test asks for bytes."""

    def __init__(self):
        self.received = bytearray()
        self.outcome = None  # "end", or the error that ended it
        self.established = None  # True, or the error of the attempt
        self.attempt = None
        self.idle = 0  # events `timeout` that were not asked for
        self.sent = 0
        self.may_write = True
        self._early = None

    # IConnectWatcher.

    def opened(self, transport):
        self._early = transport

    def looked_up(self, error, address, family):
        pass

    def connected(self):
        pass

    # Protocol.

    @property
    def out(self):
        return self.transport or self._early

    def connectionMade(self):
        self.transport.pauseProducing()

    def dataReceived(self, data):
        self.received += data
        self.transport.pauseProducing()

    def readConnectionLost(self):
        self.outcome = self.outcome or "end"

    def writeConnectionLost(self):
        pass

    def connectionLost(self, reason):
        ended = reason.check(ConnectionDone)
        self.outcome = self.outcome or ("end" if ended else reason.value)
        if not ended:
            self.may_write = False

    # IPushProducer: the transport calls these.

    def resumeProducing(self):
        self.may_write = True

    def pauseProducing(self):
        self.may_write = False

    def stopProducing(self):
        self.may_write = False

    def expired(self):
        self.idle += 1

    def want(self):
        """Let the next bytes in, if there are none."""
        if not self.received and self.transport and not isinstance(self.outcome, NodeError):
            self.transport.resumeProducing()
        return bool(self.received or self.outcome)

    def hear(self):
        """Let events in: they wait behind the bytes of a paused connection."""
        self.want()
        return self.idle


class TimedOutError(Exception):
    """A command waited for longer than its limit."""


class Driver(LineReceiver):
    """Reads commands and answers them, one after the other."""

    delimiter = b"\n"

    def __init__(self):
        self.limit_s = LIMIT_MS / 1000
        self.network = None
        self.tunnel_core = None
        self.connections = {}
        self.lines = DeferredQueue()

    def connectionMade(self):
        Deferred.fromCoroutine(self._serve()).addErrback(self._crashed)

    def lineReceived(self, line):
        self.lines.put(line.decode())

    def connectionLost(self, reason):
        reactor.stop()

    def _crashed(self, failure):
        failure.printTraceback()
        reactor.stop()

    async def _serve(self):
        while True:
            word, *args = (await self.lines.get()).split(" ")
            try:
                answer = await getattr(self, f"do_{word}")(*args)
            except TimedOutError:
                answer = "error ETIMEDOUT the limit of the command is over"
            except NodeError as error:
                answer = _refusal(error) or f"error {error.code} {error}"
            self.sendLine(answer.encode())
            if word == "quit":
                self.transport.loseConnection()  # once the answer is written
                return

    async def _until(self, true, limit_s=None):
        deadline = reactor.seconds() + (self.limit_s if limit_s is None else limit_s)
        while not true():
            if reactor.seconds() >= deadline:
                raise TimedOutError
            await deferLater(reactor, POLL_S)

    async def do_hello(self):
        return " ".join(["ok device", *(set(FEATURES) - {DEVICE}), *CAN])

    async def do_limit(self, limit_ms):
        self.limit_s = int(limit_ms) / 1000
        return "ok"

    async def do_tunnel(self, host, port, token, authority, _window):
        if self.network is not None:
            await self.network.close()
        radio = HostRadio(reactor)
        await radio.power_on()
        direct = DirectNetwork(radio, reactor)
        settings = Settings.from_env(
            {
                "PROXY_HOST": host,
                "PROXY_PORT": port,
                "PROXY_TOKEN": token,
                "PROXY_CERT": Path(authority).read_text(),  # noqa: ASYNC240 -- nothing else is under way
            }
        )

        def dial(target, factory, tls):
            return direct.connect_tls(target, factory, tls, Connection())

        self.network = TunneledNetwork(settings, dial, reactor, random.random)
        self.tunnel_core = await self.network._tunnels.tunnel()
        return f"ok {WINDOWS.first if 'credit/1' in self.tunnel_core._features else '-'}"

    async def do_open(self, name, kind, host, port):
        connection = self.connections[name] = Connection()
        connect = self.network.connect if kind == "net" else self.network.connect_tls_at_proxy
        attempt = Deferred.fromCoroutine(
            connect(Target(host, int(port)), lambda: connection, connection, "the test asks")
        )
        connection.attempt = attempt
        attempt.addCallbacks(
            lambda _: setattr(connection, "established", True),
            lambda failure: setattr(connection, "established", failure.value),
        )
        return "ok"

    async def do_established(self, name):
        connection = self.connections[name]
        await self._until(lambda: connection.established)
        if connection.established is not True:
            raise connection.established
        return "ok"

    async def do_send(self, name, data):
        sent = bytes.fromhex(data)
        self.connections[name].out.write(sent)
        return f"ok {len(sent)}"

    async def do_fill(self, name, count):
        await self._write(self.connections[name], int(count), self.limit_s)
        return f"ok {count}"

    async def do_push(self, name, count):
        return f"ok {await self._write(self.connections[name], int(count), None)}"

    async def _write(self, connection, count, limit_s):
        """Write pattern bytes while the transport takes them; without a limit, until it stalls."""
        connection.may_write = True
        connection.out.registerProducer(connection, streaming=True)
        written = 0
        try:
            while written < count:
                await self._until(lambda: connection.may_write, limit_s or STALLED_S)
                piece = pattern(min(PIECE_BYTES, count - written), connection.sent)
                connection.out.write(piece)
                connection.sent += len(piece)
                written += len(piece)
        except TimedOutError:
            if limit_s:
                raise
        finally:
            connection.out.unregisterProducer()
        return written

    async def do_recv(self, name, most):
        connection = self.connections[name]
        await self._until(connection.want)
        if connection.received:
            data = bytes(connection.received[: int(most)])
            del connection.received[: int(most)]
            return f"data {data.hex()}"
        if connection.outcome != "end":
            raise connection.outcome
        return "end"

    async def do_take(self, name, count):
        connection, left, crc = self.connections[name], int(count), 0
        while left:
            await self._until(connection.want)
            if not connection.received:
                break
            data = bytes(connection.received[:left])
            del connection.received[:left]
            crc = binascii.crc32(data, crc)
            left -= len(data)
        if left and connection.outcome != "end":
            raise connection.outcome
        return f"ok {int(count) - left} {crc:08x}"

    async def do_end(self, name):
        self.connections[name].out.loseWriteConnection()
        return "ok"

    async def do_abort(self, name):
        self.connections[name].out.abortConnection()
        return "ok"

    async def do_close(self, name):
        connection = self.connections.pop(name)
        if connection.established is None:
            connection.attempt.cancel()
            return "ok"
        connection.out.discard()
        connection.out.resumeProducing()
        return "ok"

    async def do_idle(self, name, timeout_ms):
        connection = self.connections[name]
        connection.out.watch_idle(int(timeout_ms), connection.expired)
        return "ok"

    async def do_event(self, name, event):
        assert event == "timeout", event
        connection = self.connections[name]
        await self._until(connection.hear)
        connection.idle -= 1
        return "ok"

    async def do_cycle(self, count, host, port):
        for _ in range(int(count)):
            await self.do_open("cycle", "net", host, port)
            await self.do_established("cycle")
            await self._until(lambda: self.connections["cycle"].want() and self._ended("cycle"))
            await self.do_close("cycle")
        return f"ok {count}"

    def _ended(self, name):
        self.connections[name].received.clear()
        return self.connections[name].outcome

    async def do_state(self):
        match self.tunnel_core.phase:
            case TunnelPhase.OPEN:
                return "ok open"
            case TunnelPhase.RETIRED:
                return "ok going"
            case phase:
                return f"ok closed {phase.name}"

    async def do_lost(self):
        await self._until(lambda: self.tunnel_core.phase is TunnelPhase.LOST)
        error = self.tunnel_core.end_error()
        return f"ok {error.code} {error}"

    async def do_quit(self):
        if self.network is not None:
            await self.network.close()
        return "ok"


def _refusal(error):
    """The device keeps of a refusal only whether to try again, and the text."""
    match error:
        case AuthorizationFailed():
            return f"refused - no - {error}"
        case RefusedForNow():
            return f"refused - yes {error.hold_s * 1000:.0f} {error}"
        case NodeError(code="EAGAIN"):
            return f"refused - yes - {error}"
    return None


def main():
    StandardIO(Driver(), reactor=reactor)
    reactor.run()


if __name__ == "__main__":
    main()
