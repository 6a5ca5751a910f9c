"""Driver, radio and emulated chip under random calls, with and without faults on the bus.

Whatever happens, nothing hangs, nothing raises and no socket is left; what was sent in order comes
in order where the bus is good, and where it was bad all works again once it is good again.
"""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from twisted.internet import error
from twisted.internet.protocol import DatagramProtocol, Protocol
from twisted.logger import globalLogPublisher

from support.driven_chip import Joined
from support.emulated_chip import but
from support.fake_air import HOME
from tessel.emulator.quirks import IDEAL
from tessel.radio.cc3000 import Cc3000Radio, WifiCredentials
from tessel.radio.interface import LinkState

NUMBERS = st.integers(0, 7)
PAYLOADS = st.builds(
    lambda seed, size: bytes((seed + number) % 251 for number in range(size)),
    st.integers(0, 250),
    st.sampled_from([1, 100, 1460, 1461, 4000, 9000]),
)
LONGEST_S = 300  # until all that waits has run into its limit, and the radio has joined again


class End(Protocol):
    """The device's end of a connection."""

    def __init__(self):
        self.received = bytearray()
        self.written = bytearray()
        self.lost = 0

    def dataReceived(self, data):
        assert not self.lost
        self.received += data

    def connectionLost(self, reason=None):
        self.lost += 1


class Rig(Joined):
    def __init__(self, quirks):
        super().__init__(quirks, boot=False)
        self.radio = Cc3000Radio(
            self.bus, self.machine, WifiCredentials(HOME.ssid, HOME.security, HOME.key)
        )
        self.air.names["example.com"] = ["192.0.2.1"]
        self.now(self.radio.power_on())


class Calls(RuleBasedStateMachine):
    """Calls of a program, peers that do as they like, an access point that comes and goes."""

    quirks = but(inactivity_s=0)
    good_bus = True

    def __init__(self):
        super().__init__()
        self.rig = Rig(self.quirks)
        self.machine = self.rig.machine
        self.results = []  # a list each, filled when the call has ended
        self.ends = []
        self.pairs = []  # of the device's end and its peer's transport, and what the peer wrote
        self.dials_seen = 0
        self.ports = []
        self.faults = []  # logged
        globalLogPublisher.addObserver(self._logged)

    def _logged(self, event):
        if event.get("log_failure") is not None:
            self.faults.append(event["log_failure"].getTraceback())

    # The program.

    def _begin(self, deferred):
        self.results.append(self.rig.begin(deferred))

    def _end(self, number):
        return self.ends[number % len(self.ends)] if self.ends else None

    def _made(self):
        self.ends.append(End())
        return self.ends[-1]

    @initialize()
    def begin(self):
        self.dial("answered")
        self.dial("answered")
        self.listen(3)

    @rule(fate=st.sampled_from(["answered", "refused", "left"]))
    def dial(self, fate):
        self._begin(self.rig.radio.connect(["192.0.2.7"], 80, self._made))
        self._step()
        if fate == "answered":
            self.answer()
        elif fate == "refused":
            self.refuse()

    @rule(number=NUMBERS, data=PAYLOADS)
    def write(self, number, data):
        end = self._end(number)
        if end is not None and not end.lost and not end.transport.disconnecting:
            end.written += data
            end.transport.write(data)
            self._step()

    @rule(number=NUMBERS, how=st.sampled_from(["loseConnection", "abortConnection"]))
    def close(self, number, how):
        end = self._end(number)
        if end is not None and not end.lost:
            getattr(end.transport, how)()
            self._step()

    @rule(number=NUMBERS, how=st.sampled_from(["pauseProducing", "resumeProducing"]))
    def pace(self, number, how):
        end = self._end(number)
        if end is not None and not end.lost:
            getattr(end.transport, how)()
            self._step()

    @rule(port=st.integers(0, 3))
    def listen(self, port):
        listening = self.rig.radio.listen(port, self._made, address="", backlog=2)
        listening.addCallback(self._kept)
        self._begin(listening)
        self._step()

    def _kept(self, port):
        self.ports.append(port)
        return port

    @rule(number=NUMBERS)
    def stop_port(self, number):
        if self.ports:
            self._begin(self.ports.pop(number % len(self.ports)).stop())
            self._step()

    @rule()
    def look_up(self):
        self._begin(self.rig.radio.lookup("example.com"))
        self._step()

    @rule()
    def datagrams(self):
        bound = self.rig.radio.bind_udp(0, DatagramProtocol(), address="")
        bound.addCallback(self._send_and_stop)
        self._begin(bound)
        self._step()

    def _send_and_stop(self, port):
        port.write(b"datagram", ("192.0.2.1", 99))
        return port.stop()

    # Its peers.

    @rule()
    def answer(self):
        self._take_call(lambda number: self._joined(self.machine.answer_dial(number)))

    @rule()
    def refuse(self):
        fault = error.ConnectionRefusedError()
        self._take_call(lambda number: self.machine.refuse_dial(fault, number))

    def _take_call(self, what):
        if self.dials_seen < len(self.machine.tcpClients):
            number, self.dials_seen = self.dials_seen, self.dials_seen + 1
            factory = self.machine.tcpClients[number][2]
            if not factory._onConnection.called:
                what(number)
            self._step()

    def _joined(self, transport):
        transport.ended = False
        self.pairs.append((transport, bytearray()))

    @rule(number=NUMBERS)
    def call_in(self, number):
        listening = [port for port in self.machine.ports if not port.stopped and not port.paused]
        if listening:
            port = listening[number % len(listening)]
            self._joined(self.machine.call(self.machine.ports.index(port)))
            self._step()

    @rule(number=NUMBERS, data=PAYLOADS)
    def peer_writes(self, number, data):
        if not self.pairs:
            return
        transport, sent = self.pairs[number % len(self.pairs)]
        hears = not transport.lost and not transport.disconnecting and not transport.ended
        if hears and transport.producerState == "producing":
            sent += data
            transport.protocol.dataReceived(data)
            self._step()

    @rule(number=NUMBERS, how=st.sampled_from(["reset", "finish", "stuck", "flush"]))
    def peer_acts(self, number, how):
        if not self.pairs:
            return
        transport, _ = self.pairs[number % len(self.pairs)]
        if how == "reset":
            transport.reset()
        elif how == "finish":
            if not transport.lost and not transport.ended:
                transport.ended = True
                transport.finish()
        else:
            transport.stuck = how == "stuck"
            transport.flush()
        self._step()

    # The air, and time.

    @rule()
    def ap_goes(self):
        self.rig.air.vanish(HOME)
        self._step()

    @rule()
    def ap_comes(self):
        self.rig.air.appear(HOME)
        self._step()

    @rule(seconds=st.sampled_from([0.001, 0.02, 0.5, 15.0]))
    def wait(self, seconds):
        self.machine.advance(seconds)
        self._step()

    def _step(self):
        self.rig.settle(0.016)

    # What has to be true.

    @invariant()
    def each_end_is_told_once(self):
        assert all(end.lost <= 1 for end in self.ends)
        assert not self.faults, self.faults[0]

    def teardown(self):
        try:
            self._end_well()
        finally:
            globalLogPublisher.removeObserver(self._logged)

    def _end_well(self):
        if self.good_bus:
            self._bytes_are_in_order()
        self.rig.bus.heal()
        self.rig.air.appear(HOME)
        for transport, _ in self.pairs:
            transport.stuck = False
            transport.flush()
        self._all_calls_end()
        self._it_works_again()
        self._nothing_is_left()

    def _bytes_are_in_order(self):
        written = [bytes(end.written) for end in self.ends]
        sent = [bytes(data) for _, data in self.pairs]
        for end in self.ends:
            assert any(data.startswith(bytes(end.received)) for data in [b"", *sent])
        for transport, _ in self.pairs:
            assert any(data.startswith(transport.taken) for data in [b"", *written])

    def _all_calls_end(self):
        for _ in range(LONGEST_S):
            for _dial in range(self.dials_seen, len(self.machine.tcpClients)):
                self.refuse()
            self.machine.advance(1)
            if all(self.results) and self.rig.radio.link is LinkState.UP:
                return
        assert all(self.results), "a call waits for ever"
        assert self.rig.radio.link is LinkState.UP, "the network is not joined again"

    def _it_works_again(self):
        for end in self.ends:
            if not end.lost:
                end.transport.abortConnection()
        for port in self.ports:
            port.stop()
        for _ in range(40):  # until all closes are done
            self.machine.advance(1)
        dialled = self.rig.begin(self.rig.radio.connect(["192.0.2.7"], 80, self._made))
        self.rig.settle(0.1)
        peer = self.machine.answer_dial()
        self.rig.settle(0.1)
        (end,) = dialled
        assert isinstance(end, End), f"no connection any more: {end}"
        end.transport.write(b"up")
        peer.protocol.dataReceived(b"down")
        self.rig.settle(0.1)
        assert (peer.taken, bytes(end.received)) == (b"up", b"down")

    def _nothing_is_left(self):
        self.rig.radio.close()
        self.machine.advance(1)
        assert all(end.lost <= 1 for end in self.ends)
        assert all(transport.lost for transport, _ in self.pairs)
        assert all(port.stopped for port in [*self.machine.ports, *self.machine.udp_ports])
        assert self.rig.emulated.firmware is None
        assert self.machine.getDelayedCalls() == []


class Faults(Calls):
    """The same, on a bus that cannot be trusted."""

    good_bus = False

    @rule(bit=st.integers(0, 7), at=st.integers(0, 40), side=st.sampled_from(["mosi", "miso"]))
    def flip(self, bit, at, side):
        setattr(self.rig.bus, side, lambda data: _flipped(data, at, bit))
        self._step()
        self._heal(side)

    @rule(length=st.integers(0, 12), side=st.sampled_from(["mosi", "miso"]))
    def cut(self, length, side):
        setattr(self.rig.bus, side, lambda data: data[:length].ljust(len(data), b"\0"))
        self._step()
        self._heal(side)

    def _heal(self, side):
        bus = self.rig.bus
        mosi, miso = bus.mosi, bus.miso
        bus.heal()
        bus.mosi, bus.miso = (bus.mosi, miso) if side == "mosi" else (mosi, bus.miso)

    @rule()
    def silence(self):
        self.rig.bus.silent = True
        self._step()

    @rule()
    def speak(self):
        self.rig.bus.silent = False
        self._step()

    @rule()
    def spike(self):
        self.rig.bus.spike()
        self._step()

    @rule()
    def edge(self):
        self.rig.bus.edge()
        self._step()

    @rule()
    def break_for_a_moment(self):
        self.rig.bus.broken = True
        self._step()
        self.rig.bus.broken = False


class IdealCalls(Calls):
    quirks = IDEAL


def _flipped(data, at, bit):
    if at >= len(data):
        return data
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


SETTINGS = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestCalls = Calls.TestCase
TestCalls.settings = SETTINGS
TestIdealCalls = IdealCalls.TestCase
TestIdealCalls.settings = SETTINGS
TestFaults = Faults.TestCase
TestFaults.settings = SETTINGS
