"""What programs do at bad moments: long pauses, full buffers, failed attempts, a full heap.

argv: the case. The link is invented; the function of each case says what has to hold.
"""

import errno
import io
import sys

from tessel_tunnel import Tunnel, TunnelError


def frame(channel, text):
    return (len(text) + 3).to_bytes(2, "big") + channel.to_bytes(2, "big") + b"\x01" + text


ANSWER = frame(
    0,
    b'{"type":"message","object":{"authed":true,"features":["credit/1","ping/1"],"window":9999}}',
)


class Link(io.IOBase):
    """Accepts the token and each connection, until told otherwise."""

    def __init__(self):
        self.data = ANSWER
        self.said = b""
        self.connects = self.writable = True
        self.ended = self.broken = self.closed = False
        self.number = 2

    def readinto(self, buf):
        if not self.data:
            return 0 if self.ended else None
        count = min(len(buf), len(self.data))
        buf[:count] = self.data[:count]
        self.data = self.data[count:]
        return count

    def write(self, data, at, count):
        if self.ended or self.broken:
            raise OSError(errno.ECONNRESET)
        if not self.writable:
            return None
        said = bytes(memoryview(data)[at : at + count])
        self.said += said
        if b"_pls_connect" in said and self.connects:
            text = b'{"event":"custom","emitArgs":["connect"]}'
            self.data += frame(self.number, text)
            self.number += 2
        return count

    def ioctl(self, request, arg):
        return arg if request == 3 else 0

    def close(self):
        self.closed = True


links = []


def dial(*_):
    links.append(Link())
    return links[-1]


tunnel = Tunnel("h", 1, "t", "f", dial=dial)


def connected():
    socket = tunnel.socket()
    socket.settimeout(2)
    socket.connect(("x", 1))
    return socket


def failure(use):
    """Return the error of a call that has to fail."""
    try:
        use()
    except OSError as error:
        return error
    raise AssertionError("it did not fail")


def pause():
    """The proxy closed the tunnel while the program did something else: the next socket works."""
    connected().close()
    links[0].ended = True
    socket = tunnel.socket()
    socket.settimeout(5)
    socket.connect(("x", 1))
    assert len(links) == 2


def loss():
    """The link breaks as a socket is opened: that socket fails, and the next one works."""
    connected()
    links[0].broken = True
    assert failure(connected).code == "ECONNRESET"
    assert links[0].closed
    connected()


def abort():
    """An abort that finds no room is sent later, before the end: nothing must look whole."""
    socket = connected()
    links[0].writable = False
    socket.setblocking(False)
    while socket.write(b"data"):
        pass
    socket.abort()
    links[0].writable = True
    tunnel.poll()
    said = links[0].said
    assert 0 < said.find(b'{"event":"error"') < said.find(b'{"event":"end"}'), said


def attempt():
    """An attempt that timed out is given up: the proxy keeps no connection that nobody has."""
    tunnel.connect()
    links[0].connects = False
    socket = tunnel.socket()
    socket.settimeout(0.05)
    assert failure(lambda: socket.connect(("x", 1))).code == "ETIMEDOUT"
    assert b'{"event":"reset"}' in links[0].said
    assert b'{"event":"end"}' in links[0].said


def unconnected():
    """A socket that was never connected reports it, instead of waiting for ever."""
    socket = tunnel.socket()
    for use in (lambda: socket.write(b"x"), lambda: socket.recv(1), lambda: socket.readline()):
        assert failure(use).errno == errno.ENOTCONN


def memory():
    """A link for which there is no memory is closed; the next attempt makes another."""
    import tessel_tunnel

    real = tessel_tunnel._Link

    def full(*_):
        raise MemoryError

    tessel_tunnel._Link = full
    assert isinstance(failure(connected), TunnelError)
    assert links[0].closed
    tessel_tunnel._Link = real
    tunnel._not_before = None
    connected()


def loss_without_memory():
    """A link that is lost while the heap is full is forgotten all the same."""
    import tessel_tunnel

    real = tessel_tunnel.TunnelError
    socket = connected()
    links[0].ended = True

    def full(*_):
        raise MemoryError

    tessel_tunnel.TunnelError = full
    tunnel.poll()
    tessel_tunnel.TunnelError = real
    assert failure(lambda: socket.recv(1)).code == "ECONNRESET"
    connected()
    assert len(links) == 2


globals()[sys.argv[1]]()
print("ok")
