"""Run a program over the simulated chip with `tessel run`: bytes per CPU second of its process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

PROGRAM = Path(__file__).with_name("radio_program.py")
WAYS = "down", "up"
LEAST_MB_PER_CPU_S = 6.0  # the bar for programs over the simulated chip
_RUN_S = 300.0  # limit for one program
_PIECE = bytes(1 << 20)


class Handler(BaseHTTPRequestHandler):
    """Answers GET /N with N bytes, and POST with the number of received bytes."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        left = int(self.path[1:])
        self._answer(left)
        while left:
            left -= self.wfile.write(_PIECE[:left])

    def do_POST(self) -> None:
        came, length = 0, int(self.headers["Content-Length"])
        while came < length and (piece := self.rfile.read(min(len(_PIECE), length - came))):
            came += len(piece)
        text = str(came).encode()
        self._answer(len(text))
        self.wfile.write(text)

    def _answer(self, length: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def site() -> Iterator[int]:
    """Run a site for transfers in a thread of this process; yield its port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def run(profile: str, way: str, port: int, size: int) -> float:
    """Run the program; return 10^6 bytes per CPU second of its process, with its start.

    Raises:
        RuntimeError: the program failed.
    """
    tessel = Path(sys.executable).with_name("tessel")
    done = subprocess.run(
        [tessel, "run", PROGRAM, way, str(port), str(size)],
        env={"RADIO": "cc3000-sim", "CC3000_PROFILE": profile},
        capture_output=True,
        text=True,
        timeout=_RUN_S,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"the program failed: {done.stderr}")
    result = json.loads(done.stdout)
    return float(result["bytes"] / result["cpu_s"] / 1e6)
