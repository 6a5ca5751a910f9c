"""Compare the gateway and the proxy with `ssh -D` and sshd, in one run: what a program notices.

usage: python -m bench.gateway [--quick] [--runs N]

The client speaks SOCKS5 to both. Other than in `make bench`, CPU seconds are those of both ends
together: gateway and proxy, ssh and sshd. Each row has the medians of the runs, and the median of
the ratios, with minimum and maximum.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import contenders
from bench.contenders import LOOPBACK, TOKEN, Contender, Setup, command, free_port
from bench.measures import DOWN, UP, Measure, Stage, bulk, opens
from bench.processes import BenchError, Server, Usage
from bench.sizes import FULL, QUICK

HERE = Path(__file__).parent
SITE = HERE / "build" / "site"
LOAD = HERE / "build" / "load"
RUNS = 5
MEASURES: Sequence[Measure] = (
    bulk(DOWN, 1),
    bulk(UP, 1),
    bulk(DOWN, 50),
    bulk(UP, 50),
    opens(1),
    opens(50),
)


@dataclass(frozen=True, slots=True)
class BothEnds(Contender):
    """A contender whose CPU time is that of both of its ends."""

    def usage(self) -> Usage:
        """Return CPU time and memory of both ends."""
        each = [
            server.usage() for server in (*self.beside, *((self.served,) if self.served else ()))
        ]
        return Usage(sum(one.cpu_s for one in each), sum(one.memory_kib for one in each))


def gateway(setup: Setup) -> Contender:
    """Start a proxy, and a gateway whose tunnel leads to it."""
    proxy = contenders.proxy(setup)
    port = free_port()
    settings = {
        "GATEWAY_LISTEN": f"{LOOPBACK}:{port}",
        "PROXY_HOST": LOOPBACK,
        "PROXY_PORT": str(proxy.port),
        "PROXY_TOKEN": TOKEN,
        "PROXY_CERT_FILE": str(setup.folder / "authority-cert.pem"),
        "PROXY_LOCAL": "local.invalid",  # by default, it reaches loopback directly
    }
    beside = Server("gateway", [command("tessel"), "gateway"], setup.folder, settings)
    try:
        contenders.await_port(beside, port)
    except BaseException:
        proxy.stop()
        raise
    return BothEnds(
        "gateway", "socks", port, multiplexed=True, served=proxy.served, beside=(beside,)
    )


def openssh(setup: Setup) -> Contender:
    """Start sshd and `ssh -D`."""
    found = contenders.openssh(setup)
    if found is None:
        raise BenchError("OpenSSH is not installed: make bench-peers")
    return BothEnds(
        found.name,
        found.way,
        found.port,
        multiplexed=True,
        served=found.served,
        beside=found.beside,
    )


def measure(runs: int, *, quick: bool) -> None:
    """Measure all rows and print them."""
    with tempfile.TemporaryDirectory(prefix="tessel-bench-") as name:
        folder = Path(name)
        contenders.make_certificate(folder)
        site, port = contenders.site(SITE, folder)
        setup = Setup(folder, port)
        started: list[Contender] = []
        try:
            started += [gateway(setup)]
            started += [openssh(setup)]
            stages = [Stage(LOAD, setup, each, QUICK if quick else FULL) for each in started]
            print(f"{'':24} {'gateway':>10} {'OpenSSH -D':>10}   ratio")
            for each in MEASURES:
                rounds = [[each.run(stage) for stage in stages] for _ in range(runs)]
                for figure in rounds[0][0]:
                    print(_line(figure, rounds), flush=True)
        finally:
            for contender in started:
                contender.stop()
            site.stop()


def _line(figure: str, rounds: Sequence[Sequence[Mapping[str, float]]]) -> str:
    ours, theirs = ([each[at][figure] for each in rounds] for at in (0, 1))
    ratios = [our / their for our, their in zip(ours, theirs, strict=True)]
    medians = f"{statistics.median(ours):10.2f} {statistics.median(theirs):10.2f}"
    spread = f"({min(ratios):.2f}-{max(ratios):.2f})"
    return f"{figure:24} {medians}   {statistics.median(ratios):.2f} {spread}"


def main() -> int:
    """Run the bench; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.gateway", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one run with small sizes")
    parser.add_argument("--runs", type=int, metavar="N", help=f"runs (default: {RUNS})")
    arguments = parser.parse_args()
    try:
        measure(arguments.runs or (1 if arguments.quick else RUNS), quick=arguments.quick)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
