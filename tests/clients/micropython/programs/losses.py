"""Lose the link after each byte of a conversation, by a clean end and by an error; then go on.

After each loss the open socket has to fail, and the next one to work over the next link.
"""

import io

from tessel_tunnel import Tunnel, TunnelError


def frame(channel, kind, payload):
    return (
        (len(payload) + 3).to_bytes(2, "big") + channel.to_bytes(2, "big") + bytes([kind]) + payload
    )


ANSWER = frame(
    0, 1, b'{"type":"message","object":{"authed":true,"features":["credit/1","ping/1"],"window":9}}'
)
CONNECTED = frame(2, 1, b'{"event":"custom","emitArgs":["connect"]}')
TALK = b"".join(
    (
        frame(2, 0, b"some data"),
        frame(0, 1, b'{"type":"ping","id":7}'),
        frame(2, 1, b'{"event":"credit","bytes":50}'),
        frame(2, 0, b"and more"),
        frame(2, 1, b'{"event":"end"}'),
        frame(2, 1, b'{"event":"custom","emitArgs":["close"]}'),
    )
)
WHOLE = ANSWER + CONNECTED + TALK


class Link(io.IOBase):
    """Says these bytes, then ends as told: by 0, by an error, or not (None)."""

    def __init__(self, data, ends):
        self.data = data
        self.ends = ends
        self.opened = False
        self.before = min(len(ANSWER), len(data))  # bytes that need no request

    def readinto(self, buf):
        # what comes after the answer waits for the request to connect
        ready = self.data if self.opened else self.data[: self.before]
        if not ready:
            if self.data:
                return None
            if self.ends == "error":
                raise OSError(104)
            return self.ends
        count = min(len(buf), len(ready))
        buf[:count] = ready[:count]
        self.data = self.data[count:]
        self.before -= count
        return count

    def write(self, data, at, count):
        if b"_pls_connect" in bytes(memoryview(data)[at : at + count]):
            self.opened = True
        return count

    def ioctl(self, request, arg):
        return arg if request == 3 else 0

    def close(self):
        pass


def cut_after(count, ends):
    links = [Link(WHOLE, None), Link(WHOLE[:count], ends)]
    tunnel = Tunnel("h", 1, "t", "f", dial=lambda *_: links.pop())
    socket = tunnel.socket()
    socket.settimeout(5)
    received = b""
    try:
        socket.connect(("x", 1))
        try:
            socket.write(b"hello")
        except TunnelError:
            pass  # what came before the loss can be read
        while data := socket.recv(5):
            received += data
        outcome = "end"
    except TunnelError as error:
        outcome = error.code
    # the last bytes are the end and the close: only with the end it is whole
    whole = count >= len(WHOLE) - len(frame(2, 1, b'{"event":"custom","emitArgs":["close"]}'))
    assert outcome == ("end" if whole else "ECONNRESET"), (count, outcome)
    assert b"some dataand more".startswith(received)
    socket.close()
    if ends is None:
        return
    tunnel._not_before = None  # the backoff is tested elsewhere
    socket = tunnel.socket()
    socket.settimeout(5)
    socket.connect(("x", 1))
    assert socket.read(17) == b"some dataand more"


for count in range(len(WHOLE)):
    for ends in (0, "error"):
        cut_after(count, ends)
cut_after(len(WHOLE), None)
print("cut", len(WHOLE))
