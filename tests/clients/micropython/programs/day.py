"""A day of reconnects in fast motion: the clock, the proxy and the network are invented.

argv: hours, seconds that a link lasts, percent of dials that fail. Prints what happened.
"""

import gc
import io
import random
import sys

import tessel_tunnel
from tessel_tunnel import Tunnel, TunnelError

HOURS, LASTS_S, FAILING = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
WRAP = 1 << 30  # the clock of every port goes round at this number, after twelve days
START = WRAP - 6 * 3600 * 1000  # here after six hours
random.seed(18)


class Clock:
    now = START

    def passes(self, ms):
        self.now += max(ms, 1)


clock = Clock()
tessel_tunnel.ticks_ms = lambda: clock.now % WRAP
tessel_tunnel.sleep_ms = clock.passes

ANSWER = (
    b'{"type":"message","object":{"authed":true,"features":["credit/1","reuse/1","ping/1"],'
    b'"window":999}}'
)


def frame(channel, text):
    return (len(text) + 3).to_bytes(2, "big") + channel.to_bytes(2, "big") + b"\x01" + text


class Proxy(io.IOBase):
    """The proxy's end: accepts, connects, sends nothing, and vanishes after a time."""

    def __init__(self):
        self.out = frame(0, ANSWER)
        self.dies = clock.now + LASTS_S * 1000
        self.silent = random.randint(0, 1)  # then only a ping finds out

    def readinto(self, buf):
        if clock.now >= self.dies:
            if self.silent:
                return None
            return 0
        if not self.out:
            return None
        count = min(len(buf), len(self.out))
        buf[:count] = self.out[:count]
        self.out = self.out[count:]
        return count

    def write(self, data, at, count):
        if clock.now < self.dies:
            said = bytes(memoryview(data)[at : at + count])
            if b"_pls_connect" in said:
                at = said.find(b'{"event":"custom"') - 3
                channel = said[at] << 8 | said[at + 1]
                self.out += frame(channel, b'{"event":"custom","emitArgs":["connect"]}')
            if b'"ping"' in said:
                self.out += frame(0, b'{"type":"pong","id":1}')
        return count

    def ioctl(self, request, arg):
        return 0

    def close(self):
        pass


class Poller:
    """Waits by the invented clock."""

    def register(self, *_):
        pass

    unregister = modify = register

    def ipoll(self, wait_ms):
        clock.passes(wait_ms)
        return ()


class Pauses:
    """Of the dials: the longest and the shortest between two."""

    last = None
    longest = 0
    shortest = 1 << 40


def dial(*_):
    if Pauses.last is not None:
        Pauses.longest = max(Pauses.longest, clock.now - Pauses.last)
        Pauses.shortest = min(Pauses.shortest, clock.now - Pauses.last)
    Pauses.last = clock.now
    clock.passes(50)
    if random.randint(1, 100) <= FAILING:
        raise OSError(113)
    return Proxy()


tunnel = Tunnel("h", 1, "t", "f", dial=dial)
tunnel._poller = Poller()
lost = failed = 0
before = grown = 0
while clock.now < START + HOURS * 3600000:
    socket = tunnel.socket()
    try:
        socket.connect(("x", 1))
        while True:
            socket.settimeout(600)
            socket.recv(10)
    except TunnelError:
        if socket._flags & 1:
            lost += 1
        else:
            failed += 1
    socket.close()
    gc.collect()
    before = before or gc.mem_alloc()  # after the first connection
    grown = max(grown, gc.mem_alloc() - before)
print("lost", lost)
print("failed", failed)
print("longest_ms", Pauses.longest)
print("shortest_ms", Pauses.shortest)
print("grown", grown)
