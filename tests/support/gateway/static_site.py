"""A web site with the files of a folder, over HTTP and HTTPS. PUT and POST return the SHA-256."""

import hashlib
import ssl
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer


class _Files(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_PUT(self):
        digest = hashlib.sha256()
        for piece in self._body():
            digest.update(piece)
        text = digest.hexdigest().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_POST = do_PUT

    def _body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            yield from self._pieces(int(self.headers["Content-Length"]))
            return
        while size := int(self.rfile.readline(), 16):
            yield from self._pieces(size)
            self.rfile.readline()
        self.rfile.readline()

    def _pieces(self, left):
        while left:
            piece = self.rfile.read(min(left, 65536))
            left -= len(piece)
            yield piece

    def log_message(self, *_):
        """Write no log."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 300

    def handle_error(self, request, client_address):
        """Say nothing: a client may be cut on purpose."""


@contextmanager
def serving(folder, certificate=None):
    """Serve a folder; yields the port. With a certificate of trustme's, over TLS."""
    server = _Server(("127.0.0.1", 0), partial(_Files, directory=str(folder)))
    if certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        certificate.configure_cert(context)
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
