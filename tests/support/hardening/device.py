"""A device with a plain TLS socket, which can send anything."""

import json
import socket
import ssl

from support.dialogues import Frame
from support.frame_socket import FrameSocket

ANSWER_SECONDS = 10.0


def control(**said):
    return Frame(True, 0, False, _json(said)).wire


def hello(token, **more):
    return control(type="message", object={"token": token, **more})


def opening(channel, name="net"):
    return control(type="stream", sock=channel, name=name)


def event(channel, name, *args):
    said = {"event": "custom", "emitArgs": [name, *args]}
    return Frame(True, channel, False, _json(said)).wire


def end(channel):
    return Frame(True, channel, False, b'{"event":"end"}').wire


def credit(channel, nbytes):
    return Frame(True, channel, False, _json({"event": "credit", "bytes": nbytes})).wire


def data(channel, payload):
    return Frame(True, channel, True, payload).wire


def connecting(channel, port, host="127.0.0.1", name="net"):
    """Return the bytes that open a substream and name its target."""
    return opening(channel, name) + event(channel, "_pls_connect", port, host)


def _json(value):
    return json.dumps(value, separators=(",", ":")).encode()


class Device(FrameSocket):
    """A connection to the proxy, after the TLS handshake."""

    def __init__(self, port, context, receive_buffer=None, before_tls=()):
        """`before_tls`: pieces that are sent before the handshake, as a load balancer does."""
        # Wrapped before it connects: Python loses a socket that is reset before it is wrapped.
        secured = context.wrap_socket(
            socket.socket(), server_hostname="localhost", do_handshake_on_connect=False
        )
        if receive_buffer:
            secured.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        secured.settimeout(ANSWER_SECONDS)
        try:
            secured.connect(("127.0.0.1", port))
            secured.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for piece in before_tls:
                socket.socket.sendall(secured, piece)
            secured.do_handshake()
        except OSError:
            secured.close()
            raise
        super().__init__(secured)

    def send_until_full(self, data, most, within):
        """Send repeatedly until the socket blocks for `within` seconds; return how many times."""
        self.socket.settimeout(within)
        try:
            for count in range(most):  # noqa: B007 -- it is returned
                self.socket.sendall(data)
        except OSError:
            return count
        finally:
            self.socket.settimeout(ANSWER_SECONDS)
        return most

    def said(self):
        """Return the next JSON message as (channel, value); data frames are ignored."""
        while (frame := self.frame()).is_data:
            pass
        return frame.channel, json.loads(frame.payload)

    def authenticate(self, token, **more):
        """Send the token; return the object of the answer."""
        self.send(hello(token, **more))
        return self.said()[1]["object"]

    def events(self, channel):
        """Return the events of a substream until its `close`: names, or texts of errors."""
        names = []
        while not names or names[-1] != "close":
            where, said = self.said()
            if where == channel:
                names.append(_shown(said))
        return names

    def read_bytes(self, channel, count):
        """Return `count` bytes of a substream. All other messages are ignored."""
        taken = bytearray()
        while len(taken) < count:
            frame = self.frame()
            if frame.is_data and frame.channel == channel:
                taken += frame.payload
        return bytes(taken)


def moved_until_refused(device, echo_port, most):
    """Echo bytes until the account's day is used up, or `most` were moved.

    Returns the bytes of both directions, also those of the last piece, which were refused.
    """
    device.send(connecting(2, echo_port))
    moved, piece = 0, bytes(10_000)
    while moved < most:
        device.send(data(2, piece))
        moved += len(piece)
        left = len(piece)
        while left > 0:
            frame = device.frame()
            if b"EDQUOT" in frame.payload:
                return moved
            left -= len(frame.payload) if frame.is_data else 0
        moved += len(piece)
    return moved


def _shown(said):
    match said:
        case {"event": "custom", "emitArgs": [name, *_]}:
            return name
        case {"event": "error", "message": text}:
            return text
        case {"event": name}:
            return name


def trusting(authority):
    """Return a TLS context for devices."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context
