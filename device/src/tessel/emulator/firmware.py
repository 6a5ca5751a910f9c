"""The chip's program from power-up to power-off: obeys commands, and sends answers and events."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypeAlias

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from tessel.cc3000.errors import FrameError
from tessel.cc3000.hci import names as hci_names
from tessel.cc3000.hci import netapp, sockets, wlan
from tessel.cc3000.hci.codes import Opcode
from tessel.cc3000.hci.command import Message
from tessel.cc3000.hci.commands import message
from tessel.cc3000.hci.packets import CommandPacket, DataPacket, EventPacket, PatchPacket, decode
from tessel.cc3000.hci.replies import Done, Result
from tessel.emulator.air import Air
from tessel.emulator.connection_commands import ConnectionCommands
from tessel.emulator.control_commands import ControlCommands
from tessel.emulator.latencies import Ceiling, Latencies
from tessel.emulator.name_commands import NameCommands
from tessel.emulator.nameserver import NameServer
from tessel.emulator.nvmem import ChipMemory
from tessel.emulator.profiles import Profile
from tessel.emulator.socket_commands import Answer, Packets, SocketCommands
from tessel.emulator.station import WifiStation
from tessel.emulator.transfer_commands import TransferCommands

MOST_WAITING = 16  # commands that wait for their turn; more are dropped

_UNSOLICITED = 0x8000
_MASKED_BY = 0x7FFF

CommandTable: TypeAlias = Mapping[type[Message[Any]], Callable[[Any], Answer]]

_log = Logger()


class Firmware:
    """The chip's running program, with all state that the chip loses when its power is off."""

    def __init__(
        self,
        air: Air,
        profile: Profile,
        nvmem: ChipMemory,
        say: Callable[[EventPacket | DataPacket], None],
    ) -> None:
        """`say` passes a packet for the host to the pins."""
        quirks = profile.quirks
        self._clock = air.clock
        self._latencies = profile.latencies
        self._takes_no_time = profile.latencies == Latencies()
        self._one_command = quirks.one_command
        self._say = say
        self._waiting: deque[Message[Any]] = deque()
        self._running = 0
        self._silent = False  # stuck, or off
        # Events that a command causes while it is obeyed: they are sent after its answer.
        self._held: list[EventPacket | DataPacket] | None = None
        self._delayed: set[IDelayedCall] = set()
        self._receiving = Ceiling(profile.latencies.receive_bytes_per_s, air.clock)
        self._sending = Ceiling(profile.latencies.send_bytes_per_s, air.clock)
        self.socket_commands = SocketCommands(
            air, quirks, nvmem.timers.inactivity_s, lambda: self.station.is_online, self._utter
        )
        self.station = WifiStation(
            air, nvmem, profile.latencies, self._utter, self.socket_commands.cut
        )
        self._names = NameCommands(air.lookup, quirks, lambda: self.station.is_online)
        self.control = ControlCommands(
            air,
            quirks,
            nvmem,
            self.station,
            set_inactivity=self.socket_commands.set_inactivity,
            say=self._utter,
        )
        transfers = TransferCommands(
            self.socket_commands, NameServer(air.lookup), self.station, self._wedge
        )
        connections = ConnectionCommands(self.socket_commands, air, self.station)
        self._handlers = _handlers(
            self.control, self.socket_commands, connections, transfers, self._names
        )

    def hear(self, data: bytes) -> None:
        """Decode a packet from the host and obey it. Unreadable packets are ignored."""
        try:
            heard = _understood(data) if data[:3] in _ASKED_OFTEN else _understood_once(data)
        except FrameError as fault:
            _log.debug("the host wrote something unreadable: {fault}", fault=fault)
            return
        if isinstance(heard, PatchPacket):
            self.control.patch(heard)
            return
        if len(self._waiting) >= MOST_WAITING:
            _log.debug(
                "too many commands wait: command {opcode:#06x} is dropped", opcode=heard.OPCODE
            )
            return
        self._waiting.append(heard)
        self._go_on()

    def stop(self) -> None:
        """Stop all work and send nothing more. Called when the power is switched off."""
        self._silent = True
        self._waiting.clear()
        for delayed in self._delayed:
            delayed.cancel()
        self._delayed.clear()
        self._names.stop()
        self.control.stop()
        self.station.stop()
        self.socket_commands.stop()

    def _go_on(self) -> None:
        while self._waiting and not (self._running and self._one_command):
            self._obey(self._waiting.popleft())

    def _obey(self, heard: Message[Any]) -> None:
        if self._silent or not (self.control.started or isinstance(heard, wlan.Start)):
            _log.debug(
                "the chip ignores command {opcode:#06x}: it is stuck, or not yet started",
                opcode=heard.OPCODE,
            )
            return
        self.socket_commands.buffers.report()
        self._running += 1
        held: list[EventPacket | DataPacket] = []
        outer, self._held = self._held, held
        try:
            answer = self._handlers[type(heard)](heard)
        except Exception:  # noqa: BLE001 - a bug here must not raise in the host's calls
            answer = fail()
        self._held = outer
        if isinstance(answer, Deferred):
            self._utter_all(held)
            answer.addCallback(self._answer, heard).addErrback(self._fault, heard)
        else:
            self._answer([*answer, *held], heard)

    def _answer(self, packets: Packets, heard: Message[Any]) -> None:
        delay_s = 0.0 if self._takes_no_time else self._delay_s(heard, packets)
        if delay_s <= 0:
            self._finish(packets)
            return
        delayed = self._clock.callLater(delay_s, lambda: self._delay_over(delayed, packets))
        self._delayed.add(delayed)

    def _delay_s(self, heard: Message[Any], packets: Packets) -> float:
        return self._latencies.commands.get(heard.OPCODE, 0.0) + self._carrying_s(heard, packets)

    def _carrying_s(self, heard: Message[Any], packets: Packets) -> float:
        if isinstance(heard, sockets.Send | sockets.SendTo):
            return self._sending.wait_s(len(heard.data))
        nbytes = sum(len(packet.payload) for packet in packets if isinstance(packet, DataPacket))
        return self._receiving.wait_s(nbytes)

    def _delay_over(self, delayed: IDelayedCall, packets: Packets) -> None:
        self._delayed.discard(delayed)
        self._finish(packets)

    def _finish(self, packets: Packets) -> None:
        self._running -= 1
        self._utter_all(packets)
        self._go_on()

    def _fault(self, failure: Failure, heard: Message[Any]) -> None:
        self._running -= 1
        _log.failure("the emulator failed with command {opcode:#06x}", failure, opcode=heard.OPCODE)
        self._go_on()

    def _utter(self, packet: EventPacket | DataPacket) -> None:
        if self._silent or self._is_masked(packet):
            return
        if self._held is None:
            self._say(packet)
        else:
            self._held.append(packet)

    def _utter_all(self, packets: Packets) -> None:
        for packet in packets:
            self._utter(packet)

    def _is_masked(self, packet: EventPacket | DataPacket) -> bool:
        opcode = packet.opcode
        return bool(opcode & _UNSOLICITED and opcode & _MASKED_BY & self.control.event_mask)

    def _wedge(self) -> None:
        _log.warn("the host sent a packet without a free buffer: the emulated chip is stuck")
        self._silent = True


def _understood_once(data: bytes) -> Message[Any] | PatchPacket:
    """Raises FrameError."""
    packet = decode(data)
    if isinstance(packet, PatchPacket):
        return packet
    if isinstance(packet, EventPacket):
        raise FrameError("an event from a host")
    return message(packet)


_understood = lru_cache(maxsize=64)(_understood_once)
_ASKED_OFTEN = frozenset(  # a polling host sends the same few of these all the time
    CommandPacket(opcode).encode()[:3] for opcode in (Opcode.RECV, Opcode.SELECT)
)


def _handlers(
    control: ControlCommands,
    socket_commands: SocketCommands,
    connections: ConnectionCommands,
    transfers: TransferCommands,
    names: NameCommands,
) -> CommandTable:
    return {
        wlan.Start: control.start,
        wlan.ReadBufferSize: control.buffer_size,
        wlan.SetEventMask: control.mask,
        wlan.GetStatus: control.status,
        wlan.ConnectWlan: control.connect,
        wlan.DisconnectWlan: control.disconnect,
        wlan.SetConnectionPolicy: control.policy,
        wlan.AddProfile: control.add_profile,
        wlan.DeleteProfile: control.delete_profile,
        wlan.GetScanResults: control.scan_results,
        # Commands without an effect that a host could see are only acknowledged: how to scan,
        # SmartConfig (there is no telephone in this air), ARP, mDNS, debug messages.
        wlan.SetScanParameters: _acknowledged,
        wlan.StartSmartConfig: _acknowledged,
        wlan.StopSmartConfig: _acknowledged,
        wlan.SetSmartConfigPrefix: _acknowledged,
        netapp.FlushArp: _done,
        netapp.SetDebugLevel: _done,
        hci_names.AdvertiseMdns: _done,
        netapp.SetAddress: control.address,
        netapp.GetIpConfig: control.ip_config,
        netapp.SetTimers: control.timers,
        netapp.Ping: control.ping,
        netapp.ReportPing: control.report_ping,
        netapp.StopPing: control.stop_ping,
        netapp.ReadNvmem: control.read_nvmem,
        netapp.CreateNvmemEntry: control.create_nvmem,
        netapp.WriteNvmem: control.write_nvmem,
        netapp.ReadServicePack: control.service_pack,
        sockets.OpenSocket: socket_commands.open,
        sockets.Bind: socket_commands.bind,
        sockets.Connect: connections.connect,
        sockets.Listen: connections.listen,
        sockets.Accept: connections.accept,
        sockets.SetSocketOption: socket_commands.set_option,
        sockets.GetSocketOption: socket_commands.get_option,
        sockets.CloseSocket: socket_commands.close,
        sockets.Send: transfers.send,
        sockets.SendTo: transfers.send_to,
        sockets.Receive: transfers.receive,
        sockets.ReceiveFrom: transfers.receive_from,
        sockets.Select: transfers.select,
        hci_names.GetHostByName: names.find,
    }


def _acknowledged(command: Message[Result]) -> Answer:
    return [command.reply_packet(Result(0))]


def _done(command: Message[Done]) -> Answer:
    return [command.reply_packet(Done())]
