"""Feed the client hostile bytes, without a network: argv: seed, number of cases.

Each case opens two sockets over a link that says valid frames, some of them mutated, in pieces of
any size. Nothing but an OSError may reach the program, nothing may hang, and the heap may not grow.
"""

import gc
import io
import random
import sys

import tessel_tunnel
from tessel_tunnel import Tunnel

random.seed(int(sys.argv[1]))
CASES = int(sys.argv[2])

ACCEPT = (
    b'{"type":"message","object":{"authed":true,"features":["credit/1","reuse/1","ping/1",'
    b'"goaway/1","halfclose/1"],"window":300}}'
)
TEXTS = (
    b'{"event":"custom","emitArgs":["connect"]}',
    b'{"event":"custom","emitArgs":["close"]}',
    b'{"event":"custom","emitArgs":[]}',
    b'{"event":"end"}',
    b'{"event":"reset"}',
    b'{"event":"credit","bytes":100}',
    b'{"event":"credit","bytes":2147483647}',
    b'{"event":"credit","bytes":1e400}',
    b'{"event":"error","message":"connect ECONNREFUSED 1.2.3.4:5"}',
    b'{"event":"error","message":["ECONNREFUSED"]}',
    b'{"type":"ping","id":1}',
    b'{"type":"ping","id":{"a":[]}}',
    b'{"type":"pong","id":1}',
    b'{"type":"goaway","after_ms":1}',
    b'{"type":"goaway","after_ms":-1}',
    b'{"type":"message","object":{"authed":false,"retry":true,"retry_after_ms":99999999999999999}}',
    b'{"type":"message","object":{"authed":false,"reason":7,"message":"\\u0007x\\n"}}',
    b'{"type":"message","object":[[[[[[[[]]]]]]]]}',
    b'{"type":"message"}',
    b'{"type":{"type":{}}}',
    b'{"event":null,"emitArgs":"x"}',
    b"{" * 300 + b"}" * 300,
    b'{"a":' + b"[" * 400 + b"]" * 400 + b"}",
    b"{}",
    b"[]",
    b"",
)


def frame(channel, kind, payload):
    return (
        (len(payload) + 3).to_bytes(2, "big") + channel.to_bytes(2, "big") + bytes([kind]) + payload
    )


def hostile():
    """Some frames, most of them valid, with mutations."""
    pieces = []
    for _ in range(random.randint(1, 12)):
        channel = random.choice((0, 0, 2, 2, 4, 6, 1, 65535))
        if random.randint(0, 2):
            pieces.append(frame(channel, 1, random.choice(TEXTS)))
        else:
            pieces.append(frame(channel, 0, bytes(random.randint(0, 1500))))
    said = bytearray(b"".join(pieces))
    for _ in range(random.choice((0, 0, 1, 3, 20))):
        at = random.randint(0, len(said) - 1)
        said[at] = random.getrandbits(8)
    if not random.randint(0, 3):
        said = said[: random.randint(0, len(said))]
    return said


class Link(io.IOBase):
    """What a TLS socket does, from bytes in memory."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def readinto(self, buf):
        if self.at >= len(self.data):
            return None if random.randint(0, 3) else 0
        count = min(len(buf), random.randint(1, 700), len(self.data) - self.at)
        buf[:count] = self.data[self.at : self.at + count]
        self.at += count
        return count

    def write(self, data, *part):
        count = part[-1] if part else len(data)
        return random.choice((count, count, min(count, 7), None))

    def ioctl(self, request, arg):
        return arg if request == 3 else 0

    def close(self):
        pass


def attempt(act, argument):
    try:
        act(argument)
    except OSError:  # TunnelError is one
        pass


def case():
    data = frame(0, 1, ACCEPT) + hostile()
    if not random.randint(0, 9):
        data = hostile()
    link = Link(data)
    links = [link]

    def dial(*_):
        if not links:
            raise OSError(111)
        return links.pop()

    tunnel = Tunnel("h", 1, "t", "f", windows=512, dial=dial)
    sockets = [tunnel.socket(), tunnel.socket(tls=True)]
    buf = bytearray(100)
    for socket in sockets:
        socket.setblocking(False)
        attempt(socket.connect, ("x", 1))
    for _ in range(25):
        for socket in sockets:
            attempt(socket.recv_into, buf)
            attempt(socket.write, b"y" * 50)
            assert socket._held <= 512
    random.choice(sockets).close()
    tunnel.poll()
    tunnel.close()
    for socket in sockets:
        assert socket._link is None, "a socket of a closed tunnel"


tessel_tunnel.sleep_ms = lambda _ms: None
case()
gc.collect()
before = gc.mem_alloc()
samples = []
for number in range(CASES):
    try:
        case()
    except Exception as error:
        print("seed", sys.argv[1], "case", number)
        sys.print_exception(error, sys.stdout)
        sys.exit(1)
    if not number % 50:
        gc.collect()
        samples.append(gc.mem_alloc() - before)
# the collector takes numbers on the stack for pointers, and keeps some garbage for a while
print("grown", min(samples[-8:]))
