"""The admin API for the operator's commands: fixed answers, and a stream of events."""

import json
import queue
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import ThreadingMixIn, UnixStreamServer


class _LocalServer(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True


class _Api:
    """Serves within a `with` block; it may be entered again, as a proxy that was restarted."""

    def __init__(self, answers):
        self.answers = answers  # "GET tunnels" -> value
        self.asked = []  # (method, path, body)
        self._streams = []

    def push(self, topic, value):
        """Send an event to all who watch."""
        for stream in self._streams:
            stream.put(f"event: {topic}\ndata: {json.dumps(value)}\n\n".encode())

    def __enter__(self):
        self._server = self._made(_answers_of(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *_):
        for stream in self._streams:
            stream.put(None)
        self._streams = []
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def watch(self):
        self._streams.append(queue.Queue())
        return self._streams[-1]


class LocalApi(_Api):
    """The API at a CONTROL_SOCKET."""

    def __init__(self, path, answers):
        super().__init__(answers)
        self._path = path

    def _made(self, answers):
        self._path.unlink(missing_ok=True)
        return _LocalServer(str(self._path), answers)

    def __exit__(self, *error):
        super().__exit__(*error)
        self._path.unlink()


class UrlApi(_Api):
    """The API at an admin port."""

    def _made(self, answers):
        server = ThreadingHTTPServer(("127.0.0.1", 0), answers)
        self.url = f"http://127.0.0.1:{server.server_port}"
        return server


def _answers_of(api):
    class Answers(BaseHTTPRequestHandler):
        def address_string(self):
            return "local"

        def log_message(self, *_):
            pass

        def do_GET(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            api.asked.append((self.command, self.path, json.loads(body) if body else None))
            resource = self.path.partition("?")[0].removeprefix("/api/v1/")
            answer = api.answers.get(f"{self.command} {resource}")
            self.send_response(404 if answer is None else 200)
            self.end_headers()
            if resource == "events" and answer is not None:
                self._stream()
            else:
                self.wfile.write(b"nothing" if answer is None else json.dumps(answer).encode())

        do_POST = do_DELETE = do_GET

        def _stream(self):
            events = api.watch()
            self.wfile.write(b": begun\n\n")
            try:
                while (event := events.get()) is not None:
                    self.wfile.write(event)
            except OSError:
                pass  # nobody watches any more

    return Answers
