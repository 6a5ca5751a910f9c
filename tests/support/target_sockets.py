"""Sockets of targets that a test plays, and targets without TLS over them."""

import errno
import socket

from twisted.python.failure import Failure

from tessel_proxy.targets.plain import PlainTarget

MUCH = 1 << 30


class Socket:
    """A socket to a peer that takes and sends what a test says."""

    def __init__(self):
        self.room = MUCH  # bytes that the system accepts
        self.sent = []
        self.incoming = []
        self.fault = None  # of the next write
        self.options = []
        self.shut = self.closed = False

    def fileno(self):
        return 7

    def sendmsg(self, pieces):
        return self.send(b"".join(pieces))

    def send(self, data):
        if self.fault is not None:
            raise OSError(self.fault, "a fault")
        if not self.room and data:
            raise BlockingIOError(errno.EAGAIN, "full")
        taken = bytes(data[: self.room])
        self.room -= len(taken)
        self.sent.append(taken)
        return len(taken)

    def recv_into(self, buffer, nbytes):
        data = self._next()
        assert len(data) <= nbytes
        buffer[: len(data)] = data
        return len(data)

    def _next(self):
        if not self.incoming:
            raise BlockingIOError
        data = self.incoming.pop(0)
        if isinstance(data, Exception):
            raise data
        return data

    def recvmsg_into(self, buffers):
        data = self._next()
        at = 0
        for buffer in buffers:
            part = data[at : at + len(buffer)]
            buffer[: len(part)] = part
            at += len(part)
        return at, [], 0, None

    def setsockopt(self, *option):
        self.options.append(option[:2])

    def shutdown(self, how):
        assert how == socket.SHUT_WR
        self.shut = True
        if self.fault is not None:
            raise OSError(self.fault, "not connected")

    def close(self):
        self.closed = True


class SocketTransport:
    """A new connection to a target, as TargetTransport, but with the proxy's own PlainTarget.

    `turn` does what a turn of the reactor would.
    """

    def __init__(self, reactor):
        self._reactor = reactor
        self._socket = Socket()

    def relay_for(self, owner, clock, sockets):
        self._target = PlainTarget(self._socket, self._reactor, owner, clock, sockets)
        return self._target

    def turn(self):
        if self._socket.room and self._target in self._reactor.writers:
            self._lose_for(self._target.doWrite())
        while self._socket.incoming and self._target in self._reactor.readers:
            self._lose_for(self._target.doRead())

    def _lose_for(self, why):
        if why is not None:
            self._target.connectionLost(Failure(why))

    @property
    def closed(self):
        return self._socket.closed or self._target.disconnecting

    @property
    def aborted(self):
        return self._target._aborting

    # actions of the target

    def send(self, data):
        for at in range(0, len(data), self._target.bufferSize):
            self._socket.incoming.append(data[at : at + self._target.bufferSize])
        self.turn()

    def end(self):
        self._socket.incoming.append(b"")
        self.turn()

    def reset(self):
        self._socket.incoming = [ConnectionResetError()]
        self.turn()

    def lose(self, reason):
        self._target.connectionLost(Failure(reason))

    def takes_nothing(self):
        self._socket.room = 0

    def takes_all(self):
        self._socket.room = MUCH
        self.turn()
