"""TCP connections of Twisted's: over a kernel that is made up, and over the system's."""

import socket
from errno import EAGAIN, EMSGSIZE, EPIPE
from struct import pack

from twisted.internet.protocol import Protocol
from twisted.internet.tcp import Connection
from twisted.internet.testing import MemoryReactorClock

IOV_MAX = 1024


class Socket:
    """The kernel's side: takes what it has room for."""

    def __init__(self):
        self.room = 1_000_000
        self.broken = self.ended = False
        self.taken = bytearray()
        self.coming = None
        self.options = {}

    def setblocking(self, flag):
        pass

    def fileno(self):
        return 7

    def send(self, data):
        if self.broken:
            raise OSError(EPIPE, "broken pipe")
        if not self.room:
            raise OSError(EAGAIN, "no room")
        now = min(len(data), self.room)
        self.room -= now
        self.taken += data[:now]
        return now

    def sendmsg(self, pieces):
        if len(pieces) > IOV_MAX:
            raise OSError(EMSGSIZE, "too many pieces")
        return self.send(b"".join(pieces))

    def recv_into(self, room, most):
        room = room[:most]
        if self.broken:
            raise OSError(EPIPE, "broken pipe")
        if self.coming is None:
            raise BlockingIOError(EAGAIN, "nothing there")
        now = min(len(self.coming), len(room))
        room[:now] = self.coming[:now]
        self.coming = self.coming[now:]
        return now

    def setsockopt(self, level, name, value):
        self.options[level, name] = value

    def shutdown(self, how):
        self.ended = True

    def close(self):
        pass


class Producer:
    def __init__(self):
        self.calls = []

    def pauseProducing(self):
        self.calls.append("pause")

    def resumeProducing(self):
        self.calls.append("resume")

    def stopProducing(self):
        self.calls.append("stop")


class Tcp:
    """A connection of Twisted's over the socket above."""

    def __init__(self):
        self.socket, self.reactor = Socket(), MemoryReactorClock()
        self.transport = Connection(self.socket, Protocol(), self.reactor)
        self.transport.connected = 1
        self.producer = Producer()

    def writable(self):
        """The reactor's poll says that there is room."""
        assert self.transport in self.reactor.writers
        return self.transport.doWrite()


class Real:
    """A connection of Twisted's over a socket of the system's, and its peer."""

    def __init__(self):
        with socket.create_server(("127.0.0.1", 0)) as port:
            self.ours = socket.create_connection(port.getsockname())
            self.peer, _ = port.accept()
        self.came = []
        protocol = Protocol()
        protocol.dataReceived = self.came.append
        self.transport = Connection(self.ours, protocol, MemoryReactorClock())
        self.transport.connected = 1

    def reset(self):
        self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack("ii", 1, 0))
        self.peer.close()
