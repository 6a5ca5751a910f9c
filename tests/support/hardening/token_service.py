"""A fake token service that can fail in many ways."""

import json
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

SLOW_SECONDS = 30.0
GOOD_TOKEN = "good"


class TokenService:
    """Listens on loopback; `mood` names the method that answers requests."""

    def __init__(self):
        self.mood = "good"
        self.asked = 0
        self._ending = threading.Event()
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                service.asked += 1
                data = self.rfile.read(int(self.headers["content-length"]))
                form = {name: values[0] for name, values in parse_qs(data.decode()).items()}
                with suppress(OSError):  # the proxy has closed the connection
                    getattr(service, f"_{service.mood}")(self, form)

            def log_message(self, *_):
                """Do nothing: the tests read the proxy's log."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._ending.set()
        self._server.shutdown()
        self._server.server_close()

    # --- moods

    def _good(self, request, form):
        if request.path == "/oauth/token":
            key = form["api_key"]
            if not key.startswith(GOOD_TOKEN):
                answer(request, 400, {"code": 400, "error": "invalid_request"})
                return
            answer(request, 200, {"token_type": "bearer", "access_token": f"of-{key}"})
        elif "authorization" in request.headers:  # one access token too many, as in the original
            answer(request, 400, {"code": 400, "error": "invalid_request"})
        else:
            key = form["access_token"].removeprefix("of-")
            answer(request, 200, {"username": "kim", "apiKey": key})

    def _slow(self, request, form):
        self._ending.wait(SLOW_SECONDS)

    def _drip(self, request, form):
        request.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        while not self._ending.is_set():
            request.wfile.write(b" ")
            time.sleep(0.1)

    def _endless(self, request, form):
        request.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not self._ending.is_set():
            request.wfile.write(b" " * 65_536)

    def _failing(self, request, form):
        answer(request, 503, {"code": 503, "error": "server_error"})

    def _a_page(self, request, form):
        send_raw(request, 200, b"<html>Welcome to this hotel's network</html>")

    def _a_list(self, request, form):
        answer(request, 200, ["access_token"])

    def _of_no_one(self, request, form):
        answer(request, 200, {"access_token": "x", "username": None})

    def _elsewhere(self, request, form):
        request.send_response(307)
        request.send_header("location", "http://127.0.0.1:1/oauth/token")
        request.send_header("content-length", "0")
        request.end_headers()

    def _cut(self, request, form):
        request.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{")
        request.connection.close()

    def _not_http(self, request, form):
        request.wfile.write(b"\xff\x00 220 welcome\r\n\r\n")


WRONG_MOODS = (
    *("failing", "a_page", "a_list", "of_no_one", "elsewhere", "cut", "not_http"),
    *("slow", "drip", "endless"),
)


def answer(request, status, value):
    send_raw(request, status, json.dumps(value).encode())


def send_raw(request, status, body):
    request.send_response(status)
    request.send_header("content-length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)
