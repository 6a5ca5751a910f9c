"""never_ends.py HOST PORT COUNT: an original device that never sends `end`, on Python alone.

Again and again, over one tunnel, it asks the source for its bytes, and takes `close` for the end
of it. The frames are written out here: what is tested must not be tested with itself.
"""

import json
import os
import signal
import socket
import ssl
import struct
import sys

DATA, JSON = 0, 1
SECONDS = 20
NBYTES = 100_000


def frame(channel, kind, payload):
    return struct.pack(">HHB", 3 + len(payload), channel, kind) + payload


def tell(channel, value):
    return frame(channel, JSON, json.dumps(value, separators=(",", ":")).encode())


def custom(channel, *words):
    return tell(channel, {"event": "custom", "emitArgs": words})


def received(stream):
    """Yield each message as channel and bytes, or channel and JSON value."""
    while head := stream.read(2):
        body = stream.read(*struct.unpack(">H", head))
        channel, kind = struct.unpack(">HB", body[:3])
        yield channel, json.loads(body[3:]) if kind == JSON else body[3:]


def download(tunnel, messages, channel):
    """Return all messages of the proxy on this channel until `close`."""
    tunnel.sendall(
        tell(0, {"type": "stream", "sock": channel, "name": "net"})
        + frame(channel, DATA, b"%d\n" % NBYTES)
        + custom(channel, "_pls_connect", int(port), host)
    )
    nbytes, told = 0, []
    for to, value in messages:
        if to != channel:
            raise SystemExit(f"channel {channel} was asked, {to} answered: {value!r}")
        if isinstance(value, bytes):
            nbytes += len(value)
            continue
        told.append(value["emitArgs"][0] if value["event"] == "custom" else value["event"])
        if told[-1] == "close":
            return nbytes, told
    raise SystemExit(f"the tunnel ended before channel {channel}, after {told}")


host, port, count = sys.argv[1:]
context = ssl.create_default_context(cafile=os.environ["PROXY_CERT_FILE"])
address = (os.environ["PROXY_HOST"], int(os.environ["PROXY_PORT"]))
plain = socket.create_connection(address, SECONDS)
with context.wrap_socket(plain, server_hostname=address[0]) as tunnel:
    messages = received(tunnel.makefile("rb"))
    tunnel.sendall(tell(0, {"type": "message", "object": {"token": os.environ["PROXY_TOKEN"]}}))
    _, answer = next(messages)
    assert answer == {"type": "message", "object": {"authed": True}}, answer
    for number in range(int(count)):
        nbytes, told = download(tunnel, messages, 2 + 2 * number)
        assert nbytes == NBYTES, nbytes
        assert told[-2:] == ["end", "close"], told
    print(f"{count} downloads, and never an end", flush=True)

    # the tunnel stays until the one who watches has counted what the proxy left open
    signal.pause()
