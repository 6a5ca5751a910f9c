"""One end of a tunnel on a plain TLS socket, which can send anything, and reads frame by frame."""

import socket
import struct

from support.dialogues import frames_in

READ_BYTES = 65_536


class GoneError(Exception):
    """The peer closed the connection."""


class FrameSocket:
    """Frames over a socket that has TLS; closes it at the end of a `with` block."""

    losses = (ConnectionError,)  # errors of the socket that mean that the peer is gone

    def __init__(self, secured):
        self.socket = secured
        self._buffer = bytearray()
        self._frames = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, *pieces):
        self.socket.sendall(b"".join(pieces))

    def frame(self):
        """Return the next frame of the peer. Raises GoneError or TimeoutError."""
        while not self._frames:
            try:
                data = self.socket.recv(READ_BYTES)
            except self.losses as lost:
                raise GoneError from lost
            if not data:
                raise GoneError
            self._buffer += data
            self._frames, left = frames_in(self._buffer)
            del self._buffer[: len(self._buffer) - left]
        return self._frames.pop(0)

    def wait_until_gone(self, within):
        """Wait until the peer closes. Raises TimeoutError after `within` seconds."""
        self.socket.settimeout(within)
        try:
            while True:
                self.frame()
        except GoneError:
            pass

    def reset(self):
        """Reset the connection."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()
