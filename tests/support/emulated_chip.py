"""An emulated chip that has an address, and a minimal host at its pins."""

from dataclasses import replace

from support.fake_air import HOME, FakeAir
from support.pin_host import PinHost
from tessel.cc3000.hci import sockets
from tessel.cc3000.hci.codes import Option, SocketKind
from tessel.cc3000.hci.fields import SocketAddress
from tessel.emulator.emulated_chip import EmulatedChip
from tessel.emulator.latencies import Latencies
from tessel.emulator.profiles import Profile
from tessel.emulator.quirks import IDEAL, Quirks

PEER = SocketAddress("192.0.2.7", 80)


class Emulated:
    def __init__(self, quirks=None, latencies=None, *points, joined=True, by_level=False):
        self.air = FakeAir(*(points or (HOME,)))
        self.machine = self.air.machine
        profile = Profile(quirks or Quirks(), latencies or Latencies())
        self.chip = EmulatedChip(self.air, profile, by_level=by_level)
        self.host = PinHost(self.chip, self.machine)
        if joined:
            self.host.join(HOME)

    def socket(self, kind=SocketKind.STREAM):
        return self.host.call(sockets.OpenSocket(kind=kind)).value

    def connected(self):
        """Connect a socket; return its number and the peer."""
        sd = self.socket()
        self.host.begin(sockets.Connect(sd, PEER))
        transport = self.machine.answer_dial()
        assert self.host.answer_to(sockets.Connect).value == 0
        return sd, transport

    def listening(self, port=8080):
        sd = self.socket()
        assert self.host.call(sockets.Bind(sd, SocketAddress(port=port))).value == 0
        assert self.host.call(sockets.Listen(sd)).value == 0
        self.host.call(sockets.SetSocketOption(sd, Option.ACCEPT_NONBLOCK, b"\0"))
        return sd

    def datagrams(self, port=7000):
        sd = self.socket(SocketKind.DATAGRAM)
        assert self.host.call(sockets.Bind(sd, SocketAddress(port=port))).value == 0
        return sd, self.machine.udp_ports[-1]

    def send(self, sd, data=b"x"):
        return self.host.call(sockets.Send(sd, data)).count

    def receive(self, sd, limit=1460):
        """Receive; return the number of bytes, and the bytes."""
        reply = self.host.call(sockets.Receive(sd, limit))
        if reply.count <= 0:
            return reply.count, b""
        self.host.settle(1)
        return reply.count, self.host.events.pop().payload

    def impatient(self, sd):
        self.host.call(sockets.SetSocketOption(sd, Option.RECV_NONBLOCK, b"\0\0\0\0"))

    def select(self, read=(), write=(), other=(), timeout_us=5000):
        sets = [sum(1 << sd for sd in numbers) for numbers in (read, write, other)]
        command = sockets.Select(8, *sets, timeout_us)
        reply = self.host.call(command)
        if reply is None:
            self.machine.advance((timeout_us or 0) / 1e6)
            reply = self.host.answer_to(command)
        return reply

    def opcodes(self):
        self.host.settle()
        return self.host.opcodes()


def but(**quirks):
    """Return the chip's profile without these quirks."""
    return replace(Quirks(), **quirks)


def ideal_but(**quirks):
    return replace(IDEAL, **quirks)
