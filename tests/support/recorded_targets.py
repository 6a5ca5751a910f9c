"""The targets of the recorded dialogues, each on a port of its own."""

import socket
import ssl
import struct
import threading
from contextlib import ExitStack, closing

import trustme

ECHO, DISCARD, SENDS, BYE = 17000, 17001, 17003, 17005
SELF_SIGNED, TRUSTED, BAD_NAME, REFUSES = 17010, 17011, 17012, 17019


class RecordedTargets:
    """Targets on free ports that replace the recorded ones. All port numbers have five digits."""

    def __init__(self, folder):
        authority = trustme.CA()
        self.ca_file = folder / "targets-ca.pem"
        authority.cert_pem.write_to_path(self.ca_file)
        trusted = _context(authority.issue_cert("localhost", "127.0.0.1"))
        elsewhere = _context(authority.issue_cert("elsewhere.example"))
        self_signed = _context_of_itself(folder)
        self._open = ExitStack()
        self.ports = {
            ECHO: self._serve(_echo),
            DISCARD: self._serve(_count),
            SENDS: self._serve(_send_ordered),
            BYE: self._serve(lambda peer: peer.sendall(b"bye")),
            SELF_SIGNED: self._serve(_echo, self_signed),
            TRUSTED: self._serve(_echo, trusted),
            BAD_NAME: self._serve(_echo, elsewhere),
            REFUSES: _unused_port(),
        }

    def close(self):
        self._open.close()

    def _serve(self, behave, tls=None):
        listener = self._open.enter_context(closing(_listener()))
        self._open.callback(listener.shutdown, socket.SHUT_RDWR)  # else accept() never returns
        threading.Thread(target=_accept, args=(listener, behave, tls), daemon=True).start()
        return listener.getsockname()[1]


def _listener():
    """Listen on a port with five digits, so that messages are as long as the recorded ones."""
    while True:
        listener = socket.create_server(("127.0.0.1", 0))
        if listener.getsockname()[1] >= 10_000:
            return listener
        listener.close()


def _unused_port():
    with _listener() as listener:
        return listener.getsockname()[1]


def _accept(listener, behave, tls):
    while True:
        try:
            peer, _ = listener.accept()
        except OSError:
            return  # closed
        threading.Thread(target=_attend, args=(peer, behave, tls), daemon=True).start()


def _attend(peer, behave, tls):
    with peer:
        try:
            if tls is None:
                behave(peer)
            else:
                _attend_tls(peer, behave, tls)
        except OSError:
            pass  # the proxy refused the certificate or reset the connection, as tests expect


def _attend_tls(peer, behave, tls):
    with tls.wrap_socket(peer, server_side=True) as secured:
        behave(secured)
        secured.unwrap()  # close_notify


def _echo(peer):
    while data := peer.recv(65536):
        peer.sendall(data)


def _count(peer):
    count = 0
    while data := peer.recv(65536):
        count += len(data)
    peer.sendall(b"%d\n" % count)


def _send_ordered(peer):
    (count,) = struct.unpack(">I", peer.recv(4, socket.MSG_WAITALL))
    peer.sendall(bytes(count))


def _context(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def _context_of_itself(folder):
    """Return a self-signed certificate for a server."""
    unknown = trustme.CA()
    chain, key = folder / "unknown.pem", folder / "unknown-key.pem"
    unknown.cert_pem.write_to_path(chain)
    unknown.private_key_pem.write_to_path(key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    return context
