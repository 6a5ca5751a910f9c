"""A minimal host for an emulated chip: sends commands and receives packets at its pins."""

from tessel.cc3000 import spi
from tessel.cc3000.hci import packets, wlan

A_TURN_S = 0.001  # a turn of the reactor; shorter than all latencies of the chip


class PinHost:
    """`events` holds the packets that no call waited for."""

    def __init__(self, chip, clock):
        self.chip = chip
        self.clock = clock
        self.events = []
        self.edges = []
        self._first = True
        chip.irq_changed = lambda: self.edges.append(chip.irq)

    def power_on(self):
        self._first = True
        self.chip.power(on=True)
        self.clock.advance(A_TURN_S)

    def boot(self):
        """Start the chip, until it answers commands."""
        self.power_on()
        return self.call(wlan.Start())

    def join(self, access_point):
        """Connect to the network, until the chip has an address."""
        self.boot()
        self.call(wlan.ConnectWlan(access_point.ssid, access_point.security, access_point.key))
        self.settle()
        self.events.clear()
        return self

    # Bytes.

    def write(self, frame):
        self.chip.select(selected=True)
        first, self._first = self._first, False
        for part in (frame[:4], frame[4:]) if first else (frame,):
            self.chip.transfer(part)
        self.chip.select(selected=False)

    def read(self, extra=0):
        """Return the waiting frame, or None."""
        self.clock.advance(A_TURN_S)
        if not self.chip.irq:
            return None
        self.chip.select(selected=True)
        frame = self.chip.transfer(spi.FIRST_BURST)
        rest = spi.rest_burst(frame, spi.ReadStyle.BY_PACKET) + bytes(extra)
        frame += self.chip.transfer(rest) if rest else b""
        self.chip.select(selected=False)
        return frame

    # Packets.

    def settle(self, turns=20):
        """Read the waiting packets that are events."""
        for _ in range(turns):
            frame = self.read()
            if frame is not None:
                self.events.append(packets.decode(spi.packet_read(frame)))

    def begin(self, message):
        self.write(spi.write_frame(message.packet().encode()))

    def call(self, message):
        """Send a command; return the response, or None if there is none yet."""
        self.begin(message)
        return self.answer_to(message)

    def answer_to(self, message):
        for _ in range(8):
            frame = self.read()
            if frame is None:
                return None
            packet = packets.decode(spi.packet_read(frame))
            if isinstance(packet, packets.EventPacket) and packet.opcode == message.ANSWER:
                return message.read_reply(packet)
            self.events.append(packet)
        return None

    def opcodes(self):
        """Return the events of this type since the last call."""
        told, self.events = [event.opcode for event in self.events], []
        return told
