"""Measure the simulated CC3000: bytes per CPU second.

    .venv/bin/python bench/radio.py [MEGABYTES]

- emulator alone: the emulated chip, read and written at its pins as fast as possible.
- program: a program run by `tessel run` that transfers five times as much by HTTP over the chip.
- radio: whole radios (host and chip) over loopback, with this process at both ends.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

sys.path.insert(0, str(Path(__file__).parent.parent))  # so that `bench` can be imported

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, ITransport
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.internet.task import Clock, react

from bench import real_program
from tessel.cc3000 import spi
from tessel.cc3000.hci import sockets, wlan
from tessel.cc3000.hci.codes import Security
from tessel.cc3000.hci.command import Message
from tessel.cc3000.hci.fields import SocketAddress
from tessel.cc3000.simulated import SimulatedBus
from tessel.emulator.air import AccessPoint, Air
from tessel.emulator.emulated_chip import EmulatedChip
from tessel.emulator.peer_connection import PeerConnection
from tessel.emulator.profiles import PROFILES
from tessel.radio.cc3000 import Cc3000Radio, WifiCredentials
from tessel.radio.host import HostRadio
from tessel.radio.resolver_names import asked
from tessel.radio_factory import TESSEL_SIZES, simulated_sizes

SSID = b"bench"
READ, WRITE = 1460, 1024  # bytes per call: a TCP segment; the maximum of the Tessel's firmware


class Pins:
    """A minimal driver for an emulated chip in memory. It checks nothing."""

    def __init__(self, profile: str) -> None:
        self.clock = Clock()
        self.stream = PeerConnection(self.clock, 0, nagle=False)
        air = PeerAir(self.clock, self._dialled)
        air.appear(AccessPoint(ssid=SSID))
        self.chip = EmulatedChip(air, PROFILES[profile], by_level=True)
        self.chip.power(on=True)
        self.clock.advance(0)
        self.write(wlan.Start(), cut=True)
        self.write(wlan.ConnectWlan(SSID))
        self.read_all()
        self.write(sockets.OpenSocket())
        self.write(sockets.Connect(0, SocketAddress("192.0.2.1", 80)))
        self.read_all()

    def _dialled(self, stream: PeerConnection) -> None:
        self.stream = stream
        stream.makeConnection(Sink(self.clock))  # type: ignore[no-untyped-call]  # Twisted's

    def write(self, message: Message[Any], *, cut: bool = False) -> None:
        frame = spi.write_frame(message.packet().encode())
        self.chip.select(selected=True)
        for part in (frame[:4], frame[4:]) if cut else (frame,):
            self.chip.transfer(part)
        self.chip.select(selected=False)

    def read_all(self) -> None:
        self.clock.advance(0)
        while self.chip.irq:
            self.chip.select(selected=True)
            first = self.chip.transfer(spi.FIRST_BURST)
            self.chip.transfer(spi.rest_burst(first, spi.ReadStyle.BY_PACKET))
            self.chip.select(selected=False)
            self.clock.advance(0)

    def down(self, nbytes: int) -> None:
        for _ in range(nbytes // READ):
            self.stream.dataReceived(bytes(READ))
            self.write(sockets.Receive(0, READ))
            self.read_all()

    def up(self, nbytes: int) -> None:
        message = sockets.Send(0, bytes(WRITE))
        for _ in range(nbytes // WRITE):
            self.write(message)
            self.read_all()


class PeerAir(Air):
    """A network in memory with one peer for all connections."""

    def __init__(self, clock: Any, dialled: Callable[[PeerConnection], None]) -> None:
        super().__init__(clock, lambda _: Deferred())
        self._dialled = dialled

    def dial(self, host: str, port: int, protocol: Any, **_: Any) -> Deferred[Any]:
        del host, port
        self._dialled(protocol)
        found: Deferred[Any] = Deferred()
        found.callback(protocol)
        return found


class Sink:
    """A transport that accepts all bytes at once and drops them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._producer: PeerConnection | None = None

    def setTcpNoDelay(self, enabled: bool) -> None:
        del enabled

    def registerProducer(self, producer: PeerConnection, streaming: bool) -> None:
        del streaming
        self._producer = producer

    def write(self, data: bytes) -> None:
        del data
        if self._producer is not None:
            self._clock.callLater(0, self._producer.resumeProducing)

    def pauseProducing(self) -> None:
        """Do nothing: it produces nothing."""

    def resumeProducing(self) -> None:
        """Do nothing: it produces nothing."""


class End(Protocol):
    """Counts received bytes; `done` fires when as many have arrived as `wants` expects."""

    def __init__(self) -> None:
        self.count = 0
        self.wanted = 0
        self.done: Deferred[None] = Deferred()

    def wants(self, nbytes: int) -> Deferred[None]:
        self.count, self.wanted, self.done = 0, nbytes, Deferred()
        return self.done

    def dataReceived(self, data: bytes) -> None:
        self.count += len(data)
        if self.count >= self.wanted and not self.done.called:
            self.done.callback(None)


class Target(ServerFactory):
    """Keeps the protocol of its last connection in `end`."""

    noisy = False

    def buildProtocol(self, addr: IAddress | None) -> End:
        del addr
        self.end = End()
        return self.end


def radios(reactor: Any) -> Iterator[tuple[str, Any]]:
    """Yield the radios that are measured, with their names."""
    yield "host", HostRadio(reactor)
    for profile in ("ideal", "cc3000"):
        air = Air(reactor, lambda name: asked(name, reactor.nameResolver, reactor))
        air.appear(AccessPoint(ssid=SSID))
        bus = SimulatedBus(EmulatedChip(air, PROFILES[profile]))
        point = WifiCredentials(SSID, Security.OPEN)
        yield profile, Cc3000Radio(bus, reactor, point, sizes=simulated_sizes(TESSEL_SIZES))


def measure(transfer: Callable[[int], None], name: str, nbytes: int) -> None:
    """Call `transfer`, and print its rate."""
    began = time.process_time()
    transfer(nbytes)
    show_since(name, nbytes, began)


def show_since(name: str, nbytes: int, began: float) -> None:
    """Print the rate of a transfer that began at this CPU time."""
    show(name, nbytes / (time.process_time() - began) / 1e6)


def show(name: str, rate: float, more: str = "") -> None:
    """Print a line of the table."""
    print(f"{name:34}{rate:9.1f} MB per CPU second{more}", flush=True)


async def over_loopback(reactor: Any, nbytes: int) -> None:
    """Measure the radios with this process at both ends."""
    target = Target()
    port = reactor.listenTCP(0, target, interface="127.0.0.1")
    for name, radio in radios(reactor):
        await radio.power_on()
        client = await radio.connect(["127.0.0.1"], port.getHost().port, End)
        for way, source, sink in (("down", target.end, client), ("up", client, target.end)):
            arrived = sink.wants(nbytes)
            began = time.process_time()
            cast("ITransport", source.transport).write(bytes(nbytes))
            await arrived
            show_since(f"radio {name}, {way}", nbytes, began)
        await radio.power_off()
    await port.stopListening()


def over_programs(nbytes: int) -> None:
    """Measure programs that are run by `tessel run`."""
    with real_program.site() as port:
        for profile in ("ideal", "cc3000"):
            for way in real_program.WAYS:
                rate = real_program.run(profile, way, port, nbytes)
                met = "met" if rate >= real_program.LEAST_MB_PER_CPU_S else "missed"
                bar = f"bar {real_program.LEAST_MB_PER_CPU_S:g} {met}"
                show(f"program {profile}, {way}", rate, f", the whole process; {bar}")


def main() -> None:
    """Run all measurements and print them."""
    parser = argparse.ArgumentParser(description="Measure the simulated CC3000.")
    parser.add_argument(
        "megabytes", nargs="?", type=float, default=10, help="size of a transfer (default: 10)"
    )
    nbytes = int(parser.parse_args().megabytes * 1e6)
    for profile in ("ideal", "cc3000"):
        pins = Pins(profile)
        measure(pins.down, f"emulator alone {profile}, down", nbytes)
        measure(pins.up, f"emulator alone {profile}, up", nbytes)
    over_programs(5 * nbytes)
    react(lambda reactor: Deferred.fromCoroutine(over_loopback(reactor, nbytes)))


if __name__ == "__main__":
    main()
