"""Measure what an operator who can look, and one who watches, cost the proxy.

usage: python -m bench.operating [--tunnels N] [--moving N] [--seconds S]

For each arrangement, a new proxy holds the tunnels, and its CPU time over some seconds is read from
the kernel: without an operator, with ADMIN_TOKEN and nobody who watches, and with one watcher of
the page's topics. Once all tunnels are idle; once some of them echo a byte each second.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.client import IncompleteRead
from pathlib import Path
from typing import Final

from bench import contenders
from bench.contenders import Contender, Setup
from bench.load import Load
from bench.processes import BenchError

BUILT: Final = Path(__file__).parent / "build"
TUNNELS, MOVING, SECONDS = 5000, 500, 30
TOKEN: Final = "bench-operators-token"
OPERATED: Final = {"ADMIN_PORT": "0", "ADMIN_TOKEN": TOKEN}
ROOM: Final = {
    "MAX_TUNNELS": "20000",
    "MAX_TUNNELS_PER_ACCOUNT": "20000",
    "PING_INTERVAL_S": "3600",  # pings come in bursts, which would hide the rest
}
TOPICS: Final = "tunnels,totals,refusals,proxies"
FOR_EVER_S: Final = 1_000_000
SETTLES_S: Final = 3.0  # after the last tunnel, and after the first events


class Watcher:
    """Reads the events of the page in a thread, and counts their bytes."""

    def __init__(self, proxy: Contender) -> None:
        request = urllib.request.Request(
            f"http://127.0.0.1:{admin_port(proxy)}/api/v1/events?topics={TOPICS}"
        )
        request.add_header("Authorization", f"Bearer {TOKEN}")
        self._stream = urllib.request.urlopen(request)
        self.nbytes = 0
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with suppress(IncompleteRead):  # the proxy is stopped
            while line := self._stream.readline():
                self.nbytes += len(line)


def admin_port(proxy: Contender) -> int:
    """Return the admin port that the proxy has logged."""
    lines = proxy.served.output.read_text().splitlines() if proxy.served else []
    events = [json.loads(line) for line in lines if line.startswith("{")]
    (found,) = [each["port"] for each in events if each["event"] == "admin_listening"]
    return int(found)


@contextmanager
def held(setup: Setup, settings: dict[str, str], idle: int, moving: int) -> Iterator[Contender]:
    """Start a proxy and open the tunnels; `moving` of them echo until the end."""
    proxy = contenders.proxy_with(setup, ROOM | settings)
    with ExitStack() as stack:
        stack.callback(proxy.stop)
        for mode in (("hold", idle, FOR_EVER_S), ("trickle", moving, FOR_EVER_S)):
            load = stack.enter_context(Load(BUILT / "load", proxy.options(setup), mode))
            load.until_ready()
            load.go()
        time.sleep(SETTLES_S)
        yield proxy


def measure(setup: Setup, arguments: argparse.Namespace, moving: int) -> None:
    """Print the part of a core that each arrangement takes."""
    print(f"{arguments.tunnels} tunnels, {moving} of them echo a byte each second")
    for name, settings in (
        ("no operator", {}),
        ("ADMIN_TOKEN, nobody watches", OPERATED),
        ("one watcher", OPERATED),
    ):
        with held(setup, settings, arguments.tunnels - moving, moving) as proxy:
            watcher = Watcher(proxy) if name == "one watcher" else None
            time.sleep(SETTLES_S)
            nbytes = watcher.nbytes if watcher else 0
            before, began = proxy.usage().cpu_s, time.monotonic()
            time.sleep(arguments.seconds)
            part = (proxy.usage().cpu_s - before) / (time.monotonic() - began)
            rate = f"{(watcher.nbytes - nbytes) / arguments.seconds:.0f} B/s" if watcher else ""
            print(f"  {name:30} {part:7.2%} of a core  {rate}", flush=True)


def main() -> int:
    """Run the bench; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.operating", description=__doc__)
    parser.add_argument("--tunnels", type=int, default=TUNNELS, metavar="N")
    parser.add_argument("--moving", type=int, default=MOVING, metavar="N")
    parser.add_argument("--seconds", type=int, default=SECONDS, metavar="S")
    arguments = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory(prefix="tessel-bench-") as name, ExitStack() as stack:
            folder = Path(name)
            contenders.make_certificate(folder)
            site, port = contenders.site(BUILT / "site", folder)
            stack.callback(site.stop)
            for moving in (0, arguments.moving):
                measure(Setup(folder, port), arguments, moving)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
