"""The admin API over invented tunnels, for tests of the page that no real proxy could run.

It is as strict as the real one: a session's cookie, the value that guards commands, and the origin
are checked; without a session each path answers 404. What it serves is in its attributes.
"""

import json
import queue
import re
import secrets
import threading
import time
from http import HTTPStatus
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

from tessel_proxy.explanations import paragraph
from tessel_proxy.monitoring.page import PAGE, SECURITY_HEADERS, error_page
from tessel_proxy.records.error_codes import ErrorCode

TOKEN = "an operator's token"
STEP_S = 10
HISTORY_STEPS = 360
KEEP_ALIVE_S = 15.0


def tunnel(number, **more):
    """Return a tunnel as the API has it."""
    return {
        "id": f"3fa95c1e-{number}",
        "proxy": "edge-1",
        "member": "edge-1/3fa95c1e",
        "account": f"account-{number % 7}",
        "device": f"device-{number}",
        "address": f"192.0.2.{number % 250}",
        "listener": "0.0.0.0:8443",
        "since_at": time.time() - number,
        "tls_version": "TLSv1.3",
        "tls_cipher": "TLS_AES_128_GCM_SHA256",
        "resumed": False,
        "features": ["ping/1", "credit/1", "device/1"],
        "bytes_from_device": 1000 * number,
        "bytes_from_target": 2000 * number,
        "bytes_from_device_per_s": float(number % 5) * 700,
        "bytes_from_target_per_s": float(number % 3) * 90_000,
        "open_substreams": number % 4,
        "substreams": number,
        "state": "open",
        **more,
    }


def substream(number, target="api.example:443", **more):
    """Return a substream as the API has it."""
    return {
        "number": number,
        "kind": "tls",
        "target": target,
        "address": "198.51.100.4",
        "state": "open",
        "since_at": time.time(),
        "bytes_from_device": 420,
        "bytes_from_target": 12_345,
        **more,
    }


def account(name, **more):
    """Return an account as the API has it."""
    limits = {"tunnels": 100, "substreams": 500, "opens_per_s": 50}
    return {
        "account": name,
        "tunnels": 3,
        "substreams": 12,
        "bytes_today": 734_003_200,
        "limits": {**limits, "bytes_per_s": 0, "bytes_per_day": 1_073_741_824},
        "bytes_from_device_per_s": 1_500.0,
        "bytes_from_target_per_s": 250_000.0,
        "opens_per_s": 0.7,
        "refused": {"TP1005": 12, "TP2005": 1},
        "last_refusal": {"code": "EACCES", "error": "TP1005", "at": time.time() - 90},
        **more,
    }


def proxy(member, **more):
    """Return a process of the fleet as the API has it."""
    counts = {"tunnels": 1200, "substreams": 4100, "accounts": 7}
    return {
        "proxy": member.partition("/")[0],
        "member": member,
        "pid": 4711,
        "role": "worker",
        "version": "0.1.0",
        "since_at": time.time() - 93_000,
        "ready": True,
        "obstacles": [],
        "draining": False,
        "cpu_s": 2_760.0,
        "memory_bytes": 187_000_000,
        **counts,
        **more,
    }


def flat_history(opens=8):
    """Return an hour in which the same happened in each step."""
    series = {
        "bytes_from_device": [100_000] * HISTORY_STEPS,
        "bytes_from_target": [4_000_000] * HISTORY_STEPS,
        "opens": [opens] * HISTORY_STEPS,
        "refusals": {"TP1005": [1] * HISTORY_STEPS},
    }
    from_at = time.time() - STEP_S * HISTORY_STEPS
    return {"step_s": STEP_S, "from_at": from_at, "all": series, "accounts": {"anna": series}}


class StandInApi:
    """Serves on a free port of loopback until `close`."""

    def __init__(self):
        self.tunnels = {}
        self.substreams = {}  # id of a tunnel -> list
        self.accounts = []
        self.refused = []
        self.proxies = [proxy("edge-1/3fa95c1e")]
        self.history = flat_history()
        self.sessions = {}  # id -> csrf
        self.commands = []  # (method, path, body)
        self.requests = []  # (method, path)
        self.silent = False  # sends no totals
        self._streams = {}  # queue -> topics
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _answers_of(self))
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}/"
        self.closing = threading.Event()
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        threading.Thread(target=self._totals, daemon=True).start()

    def close(self):
        self.closing.set()
        self.drop_streams()
        self._server.shutdown()
        self._server.server_close()

    def have(self, *tunnels):
        """Serve these tunnels, and no others."""
        self.tunnels = {each["id"]: each for each in tunnels}

    def push(self, name, value, topic=None):
        """Send an event to who watches its topic."""
        with self._lock:
            watching = [q for q, topics in self._streams.items() if (topic or name) in topics]
        for each in watching:
            each.put((name, value))

    def drop_streams(self):
        """End all streams of events, as a restart of the proxy does."""
        with self._lock:
            for each in self._streams:
                each.put(None)

    @property
    def watched(self):
        """The topics of each open stream."""
        with self._lock:
            return list(self._streams.values())

    def watch(self, topics):
        with self._lock:
            stream = self._streams[queue.Queue()] = topics
            return next(q for q, watched in self._streams.items() if watched is stream)

    def leave(self, stream):
        with self._lock:
            del self._streams[stream]

    def _totals(self):
        while not self.closing.wait(1.0):
            if not self.silent:
                self.push("totals", self.totals())

    def totals(self):
        rows = list(self.tunnels.values())
        return {
            "at": time.time(),
            "tunnels": len(rows),
            "substreams": sum(each["open_substreams"] for each in rows),
            "bytes_from_device_per_s": sum(each["bytes_from_device_per_s"] for each in rows),
            "bytes_from_target_per_s": sum(each["bytes_from_target_per_s"] for each in rows),
            "opens_per_s": 12.5,
        }


def _page_of(rows, key, name, query):
    """Return one answer of a paged list."""
    limit, after = int(query.get("limit", ["100"])[0]), query.get("after", [None])[0]
    rows = sorted(rows, key=lambda row: row[key])
    first = 1 + next(i for i, row in enumerate(rows) if row[key] == after) if after else 0
    page, more = rows[first : first + limit], len(rows) > first + limit
    return {
        name: page,
        "next": page[-1][key] if more else None,
        "total": len(rows),
        "missing": [],
    }


class RefusalError(Exception):
    def __init__(self, status, code, message):
        super().__init__(message)
        self.status, self.code = status, code


NOT_FOUND = (HTTPStatus.NOT_FOUND, "not_found", "not found")


def _answers_of(api):  # noqa: C901 -- one function for each resource
    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def do_GET(self):
            self._answer()

        do_POST = do_DELETE = do_HEAD = do_GET

        def _answer(self):
            api.requests.append((self.command, self.path))
            length = int(self.headers.get("Content-Length") or 0)
            self.body = json.loads(self.rfile.read(length)) if length else None
            split = urlsplit(self.path)
            self.query = parse_qs(split.query)
            try:
                if (page := PAGE.get(split.path.encode())) is not None:
                    self._send(200, page.body, page.content_type.decode())
                else:
                    self._resource(split.path)
            except RefusalError as refusal:
                said = {"code": refusal.code, "message": str(refusal)}
                self._json({"error": said}, refusal.status)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def _resource(self, path):
            if path == "/api/v1/session" and self.command == "POST":
                return self._log_in()
            self._need_session()
            if self.command != "GET":
                self._need_own_origin()
                api.commands.append((self.command, self.path, self.body))
            for pattern, call in self._resources().items():
                if found := re.fullmatch(pattern, f"{self.command} {path}"):
                    return call(*(unquote(each) for each in found.groups()))
            raise RefusalError(*NOT_FOUND)

        def _resources(self):
            return {
                "GET /api/v1/session": lambda: self._json(self._session()),
                "DELETE /api/v1/session": self._log_out,
                "GET /api/v1/tunnels": self._tunnels,
                "GET /api/v1/tunnels/([^/]+)": self._tunnel,
                "DELETE /api/v1/tunnels/([^/]+)": self._end,
                "GET /api/v1/accounts": lambda: self._json(
                    _page_of(api.accounts, "account", "accounts", self.query)
                ),
                "GET /api/v1/proxies": lambda: self._json(self._fleet()),
                "GET /api/v1/refused": lambda: self._json({"refused": api.refused}),
                "POST /api/v1/refused": self._refuse,
                "DELETE /api/v1/refused/(.+)": self._allow,
                "POST /api/v1/(?:end|check-tokens|drain|rebalance)": lambda: self._json(
                    {"ended": 3, "asked": 3, "confirmed": ["edge-1"], "missing": []}
                ),
                "GET /api/v1/history": lambda: self._json(api.history),
                "GET /api/v1/errors/(.+)": lambda number: self._json(
                    paragraph(ErrorCode(number)).as_json()
                ),
                "GET /errors/(.+)": lambda number: self._send(
                    200, error_page(number), "text/html; charset=utf-8"
                ),
                "GET /api/v1/events": self._events,
            }

        def _log_in(self):
            if self.body != {"token": TOKEN}:
                raise RefusalError(403, "wrong_token", "wrong token")
            name = secrets.token_hex(16)
            api.sessions[name] = secrets.token_hex(16)
            cookie = f"tessel_session={name}; HttpOnly; SameSite=Strict; Path=/"
            self._json(
                {"csrf": api.sessions[name], "expires_at": time.time() + 43_200},
                headers={"Set-Cookie": cookie},
            )

        def _cookie(self):
            cookie = SimpleCookie(self.headers.get("Cookie", "")).get("tessel_session")
            return cookie and cookie.value

        def _need_session(self):
            if self._cookie() not in api.sessions:
                raise RefusalError(*NOT_FOUND)

        def _need_own_origin(self):
            own = f"http://{self.headers['Host']}"
            guard = api.sessions[self._cookie()]
            if self.headers.get("Origin") != own or self.headers.get("X-Tessel-CSRF") != guard:
                raise RefusalError(403, "forged", "the request is not from the page")

        def _session(self):
            return {"csrf": api.sessions[self._cookie()], "expires_at": time.time() + 43_200}

        def _log_out(self):
            del api.sessions[self._cookie()]
            self._send(204, b"", "text/plain")

        def _tunnels(self):
            asked = {
                key: self.query[key][0]
                for key in ("account", "device", "address")
                if key in self.query
            }
            rows = [t for t in api.tunnels.values() if all(t[k] == v for k, v in asked.items())]
            self._json(_page_of(rows, "id", "tunnels", self.query))

        def _tunnel(self, name):
            if name not in api.tunnels:
                raise RefusalError(*NOT_FOUND)
            self._json({**api.tunnels[name], "open": api.substreams.get(name, [])})

        def _end(self, name):
            if api.tunnels.pop(name, None) is None:
                raise RefusalError(*NOT_FOUND)
            why = self.query["reason"][0]
            end = {"id": name, "outcome": "ended by the operator", "error": "TP2032", "why": why}
            api.push("tunnels", {"opened": [], "changed": [], "closed": [end]})
            self._json({"ended": 1, "confirmed": ["edge-1"], "missing": []})

        def _refuse(self):
            rule = {"account": None, "device": None, "address": None, **self.body}
            seconds = rule.pop("for_s", None)
            until = time.time() + seconds if seconds else None
            rule |= {
                "id": f"r{len(api.refused)}",
                "until_at": until,
                "by": "session",
                "since_at": time.time(),
            }
            api.refused.append(rule)
            self._json({**rule, "ended": 1, "confirmed": ["edge-1"], "missing": []})

        def _allow(self, name):
            api.refused = [rule for rule in api.refused if rule["id"] != name]
            self._json({"confirmed": ["edge-1"], "missing": []})

        def _fleet(self):
            return {"proxies": api.proxies, "engine": {"url": None, "away": False}, "missing": []}

        def _events(self):
            topics = self.query["topics"][0].split(",")
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            self.close_connection = True
            stream = api.watch(topics)
            session = self._cookie()
            try:
                if not api.silent:
                    self._event("totals", api.totals())
                while session in api.sessions and (event := stream.get()) is not None:
                    self._event(*event)
            finally:
                api.leave(stream)

        def _event(self, name, value):
            self.wfile.write(f"id: 1\nevent: {name}\ndata: {json.dumps(value)}\n\n".encode())
            self.wfile.flush()

        def _json(self, value, status=200, headers=()):
            self._send(status, json.dumps(value).encode(), "application/json", headers)

        def _send(self, status, body, content_type, headers=()):
            self.send_response(status)
            for name, value in SECURITY_HEADERS.items():
                self.send_header(name.decode(), value.decode())
            for name, value in dict(headers).items():
                self.send_header(name, value)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Answers
