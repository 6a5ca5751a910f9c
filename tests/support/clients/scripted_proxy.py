"""A proxy that a test controls frame by frame, for clients that are driven at their other end."""

import json
import socket
import ssl

from support.frame_socket import FrameSocket, GoneError
from support.hardening.device import control

ANSWER_SECONDS = 20.0
TOKEN = "DEV-CRED"
FEATURES = [
    "reuse/1",
    "halfclose/1",
    "retry/1",
    "reason/1",
    "message/1",
    "device/1",
    "goaway/1",
    "ping/1",
    "credit/1",
]
WINDOW = 65_536
ACCEPTED = {"authed": True, "features": FEATURES, "window": WINDOW}
ORIGINAL = {"authed": True}


def message(value):
    return control(type="message", object=value)


class ScriptedProxy:
    """Listens with TLS; a test accepts each tunnel and answers it."""

    def __init__(self, authority, folder):
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(self._context)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(ANSWER_SECONDS)
        self.port = self._listener.getsockname()[1]
        self.authority_file = folder / "authority.pem"
        authority.cert_pem.write_to_path(self.authority_file)

    def close(self):
        self._listener.close()

    def ask(self, driver, token=TOKEN, window=WINDOW, port=None):
        """Tell a driver to make a tunnel to this proxy."""
        driver.tell("tunnel", "localhost", port or self.port, token, self.authority_file, window)

    def accept(self):
        """Return the next connection, before TLS."""
        plain, _ = self._listener.accept()
        plain.settimeout(ANSWER_SECONDS)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return plain

    def secured(self):
        """Return the next connection as a tunnel, after TLS."""
        plain = self.accept()
        try:
            return ScriptedTunnel(self._context.wrap_socket(plain, server_side=True))
        except OSError as refused:
            plain.close()
            raise GoneError from refused

    def opened(self, driver, answer=ACCEPTED, window=WINDOW):
        """Make a tunnel with a driver, and return the proxy's end of it."""
        self.ask(driver, window=window)
        tunnel = self.secured()
        tunnel.hello = tunnel.said()[1]["object"]
        tunnel.send(message(answer))
        (offered,) = driver.heard_ok()
        tunnel.clients_window = None if offered == "-" else int(offered)
        return tunnel


class ScriptedTunnel(FrameSocket):
    """The proxy's end of a tunnel."""

    losses = (ConnectionError, ssl.SSLError)  # a client may break TLS when it leaves

    def __init__(self, secured):
        super().__init__(secured)
        self.hello = None
        self.clients_window = None

    def said(self):
        """Return the next JSON message as (channel, value); fails on data."""
        frame = self.frame()
        assert not frame.is_data, frame
        return frame.channel, json.loads(frame.payload)

    def opening(self):
        """Return the number, the kind and the target (port, host) of the next substream.

        Frames of other substreams before it are dropped.
        """
        channel, said = self.said()
        while channel:
            channel, said = self.said()
        assert said["type"] == "stream", said
        where, asked = self.said()
        assert where == said["sock"], asked
        name, *target = asked["emitArgs"]
        assert name == "_pls_connect", asked
        return where, said["name"], tuple(target)

    def quiet(self, seconds):
        """Return the frames that come within this time of silence."""
        self.socket.settimeout(seconds)
        said = []
        try:
            while True:
                said.append(self.frame())
        except TimeoutError:
            return said
        finally:
            self.socket.settimeout(ANSWER_SECONDS)

    def cut(self):
        """Close without a word: no close_notify, a plain FIN."""
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
