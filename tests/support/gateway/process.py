"""`tessel gateway` as a process, and clients of it with plain sockets."""

import socket
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lab.processes import Process
from lab.waiting import eventually
from support.hardening.growth import Held

COMMAND = Path(sys.executable).with_name("tessel")
START_SECONDS = 20.0
CLIENT_SECONDS = 20.0
EVERYTHING = "nothing.invalid"  # PROXY_LOCAL: all connections of a test go through the tunnel


def device_settings(proxy, authority_file, token):
    """Return the settings of a device whose connections all go through this proxy."""
    return {
        "PROXY_HOST": "localhost",
        "PROXY_PORT": str(proxy.port),
        "PROXY_TOKEN": token,
        "PROXY_CERT_FILE": str(authority_file),
        "PROXY_LOCAL": EVERYTHING,
    }


class Gateway:
    """A running gateway on a free port."""

    def __init__(self, folder, settings):
        environ = {"GATEWAY_LISTEN": "127.0.0.1:0", **settings}
        self.process = Process([COMMAND, "gateway"], environ, folder, "gateway")
        self.port = int(eventually(self._port, START_SECONDS, lambda: self.process.stderr))

    def _port(self):
        assert self.process.exit_code is None, self.process.stderr
        _, found, rest = self.process.stderr.partition("gateway on 127.0.0.1:")
        return rest.split()[0] if found and " " in rest else None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def held(self):
        return Held.by(self.process.id)

    def client(self):
        """Return a socket that is connected to the gateway."""
        connected = socket.create_connection(("127.0.0.1", self.port), timeout=CLIENT_SECONDS)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connected

    def joined(self, port, host="127.0.0.1"):
        """Return a socket that is joined to a target by SOCKS5."""
        with ExitStack() as stack:
            client = stack.enter_context(self.client())
            client.sendall(b"\x05\x01\x00" + socks5_request(host, port))
            assert exactly(client, 2) == b"\x05\x00"
            answer = exactly(client, 10)
            assert answer[1] == 0, f"SOCKS5 error {answer[1]}"
            stack.pop_all()
            return client


@contextmanager
def running_gateway(folder, settings):
    """Run a gateway; at the end it must not have failed, and its log has no traceback."""
    gateway = Gateway(folder, settings)
    try:
        yield gateway
        assert gateway.process.exit_code in (None, 0), gateway.process.stderr
        assert "Traceback" not in gateway.process.stderr, gateway.process.stderr
    finally:
        gateway.process.stop()


def socks5_request(host, port, command=1):
    name = host.encode()
    return bytes((5, command, 0, 3, len(name))) + name + port.to_bytes(2, "big")


def exactly(client, nbytes):
    """Return that many bytes of a socket; fail if it ends before."""
    found = b""
    while len(found) < nbytes:
        piece = client.recv(nbytes - len(found))
        assert piece, f"the connection ended after {found!r}"
        found += piece
    return found


def to_end(client):
    """Return all bytes up to the end."""
    found = bytearray()
    while piece := client.recv(65536):
        found += piece
    return bytes(found)
