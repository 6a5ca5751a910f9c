"""Targets of the battery: each on a port of its own, all on loopback."""

import queue
import socket
import ssl
import struct
import threading
from contextlib import ExitStack, closing

import trustme

READ_BYTES = 65_536
SMALL_BUFFER = 16_384  # bytes of a stalled target's socket, so that a sender is stalled soon


class Targets:
    """Running targets. `ports` has the port of each by its name."""

    def __init__(self, folder):
        authority = self.authority = trustme.CA()
        self.ca_file = folder / "targets-ca.pem"
        authority.cert_pem.write_to_path(self.ca_file)
        self.resets = threading.Semaphore(0)  # one for each connection that was reset
        self.counted = queue.Queue()  # bytes that came after a target had ended its side
        self.released = threading.Event()  # the stalled target begins to read
        self._open = ExitStack()
        trusted = _context(authority.issue_cert("localhost"))
        stranger = _context(trustme.CA().issue_cert("localhost"))
        behaviours = {
            "echo": (_echo, None),
            "count": (_count, None),
            "sends": (_send_asked, None),
            "bye": (_bye, None),
            "ends_first": (self._end_first, None),
            "stalled": (self._stall, None),
            "resets": (_reset, None),
            "tls": (_echo, trusted),
            "untrusted": (_echo, stranger),
            "page": (_page, trusted),
        }
        self.ports = {name: self._serve(*how) for name, how in behaviours.items()}
        # bound and not listening: nobody else can be given this port
        closed = self._open.enter_context(socket.socket())
        closed.bind(("127.0.0.1", 0))
        self.ports["closed"] = closed.getsockname()[1]

    def close(self):
        self.released.set()
        self._open.close()

    def _serve(self, behave, tls):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        self._open.enter_context(closing(listener))
        self._open.callback(listener.shutdown, socket.SHUT_RDWR)  # else accept() never returns
        accepting = threading.Thread(target=self._accept, args=(listener, behave, tls), daemon=True)
        accepting.start()
        return listener.getsockname()[1]

    def _accept(self, listener, behave, tls):
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self._attend, args=(peer, behave, tls), daemon=True).start()

    def _attend(self, peer, behave, tls):
        if tls is not None:
            peer = tls.wrap_socket(peer, server_side=True, do_handshake_on_connect=False)
        with peer:
            try:
                if tls is not None:
                    peer.do_handshake()
                behave(peer)
            except ConnectionResetError:
                self.resets.release()
            except OSError:
                pass  # TLS that the proxy refuses, as tests expect

    def _end_first(self, peer):
        peer.sendall(b"done")
        peer.shutdown(socket.SHUT_WR)
        count = 0
        while data := peer.recv(READ_BYTES):
            count += len(data)
        self.counted.put(count)

    def _stall(self, peer):
        self.released.wait()
        _count(peer)


def _echo(peer):
    while data := peer.recv(READ_BYTES):
        peer.sendall(data)
    if isinstance(peer, ssl.SSLSocket):
        peer.unwrap()


def _count(peer):
    """Answer with the number of bytes when the peer has ended."""
    count = 0
    while data := peer.recv(READ_BYTES):
        count += len(data)
    peer.sendall(b"%d\n" % count)


def _send_asked(peer):
    """Send as many bytes of the pattern as the first four bytes say, then end."""
    (count,) = struct.unpack(">I", peer.recv(4, socket.MSG_WAITALL))
    block = bytes(range(251))
    peer.sendall((block * (count // 251 + 1))[:count])


def _page(peer):
    """Answer one HTTP request with its path."""
    request = b""
    while b"\r\n\r\n" not in request:
        request += peer.recv(READ_BYTES)
    path = request.split(b" ")[1]
    peer.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nyou asked for " + path)
    peer.unwrap()


def _bye(peer):
    peer.sendall(b"bye")


def _reset(peer):
    peer.recv(1)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _context(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context
