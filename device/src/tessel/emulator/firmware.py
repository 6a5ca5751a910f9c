"""The chip's program, from one power-up to the next: packets of the host -> packets for it."""

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

MOST_WAITING = 16  # packets of the host that the chip has not begun with; what comes on top is lost

_UNSOLICITED = 0x8000
_MASKED_BY = 0x7FFF

CommandTable: TypeAlias = Mapping[type[Message[Any]], Callable[[Any], Answer]]

_log = Logger()


class Firmware:
    """All that the chip forgets when its power goes. `say` gives a packet to the pins."""

    def __init__(
        self,
        air: Air,
        profile: Profile,
        nvmem: ChipMemory,
        say: Callable[[EventPacket | DataPacket], None],
    ) -> None:
        quirks = profile.quirks
        self._clock = air.clock
        self._latencies = profile.latencies
        self._takes_no_time = profile.latencies == Latencies()
        self._one_command = quirks.one_command
        self._say = say
        self._waiting: deque[Message[Any]] = deque()
        self._running = 0
        self._silent = False  # stuck, or off
        # While a command is looked at: what it causes, to be said after its answer.
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
        """A packet that the host has written. What is none, or comes too early, is passed over."""
        try:
            heard = _understood(data) if data[:3] in _ASKED_OFTEN else _understood_once(data)
        except FrameError as fault:
            _log.debug("the chip does not understand its host: {fault}", fault=fault)
            return
        if isinstance(heard, PatchPacket):
            self.control.patch(heard)
            return
        if len(self._waiting) >= MOST_WAITING:
            _log.debug("the chip has no room for a command {opcode:#06x}", opcode=heard.OPCODE)
            return
        self._waiting.append(heard)
        self._go_on()

    def stop(self) -> None:
        """Power off."""
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
            _log.debug("the chip does not hear {opcode:#06x}", opcode=heard.OPCODE)
            return
        self.socket_commands.buffers.tell()
        self._running += 1
        held: list[EventPacket | DataPacket] = []
        outer, self._held = self._held, held
        try:
            answer = self._handlers[type(heard)](heard)
        except Exception:  # noqa: BLE001 - a fault of ours is not to come out of the host's pins
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
            self._tell(packets)
            return
        delayed = self._clock.callLater(delay_s, lambda: self._told(delayed, packets))
        self._delayed.add(delayed)

    def _delay_s(self, heard: Message[Any], packets: Packets) -> float:
        return self._latencies.commands.get(heard.OPCODE, 0.0) + self._carrying_s(heard, packets)

    def _carrying_s(self, heard: Message[Any], packets: Packets) -> float:
        if isinstance(heard, sockets.Send | sockets.SendTo):
            return self._sending.wait_s(len(heard.data))
        nbytes = sum(len(packet.payload) for packet in packets if isinstance(packet, DataPacket))
        return self._receiving.wait_s(nbytes)

    def _told(self, delayed: IDelayedCall, packets: Packets) -> None:
        self._delayed.discard(delayed)
        self._tell(packets)

    def _tell(self, packets: Packets) -> None:
        self._running -= 1
        self._utter_all(packets)
        self._go_on()

    def _fault(self, failure: Failure, heard: Message[Any]) -> None:
        self._running -= 1
        _log.failure("the emulator failed at {opcode:#06x}", failure, opcode=heard.OPCODE)
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
        _log.warn("the host sent more than the chip has buffers for: the chip is stuck")
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
_ASKED_OFTEN = frozenset(  # how these commands begin; a host says the same ones over and over
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
        # What nobody could see from outside is only acknowledged: the pace of scans, a telephone
        # that tells of its network (there is none in this air), ARP, mDNS, debug messages.
        wlan.SetScanParameters: _acknowledged,
        wlan.StartSmartConfig: _acknowledged,
        wlan.StopSmartConfig: _acknowledged,
        wlan.SetSmartConfigPrefix: _acknowledged,
        netapp.FlushArp: _done,
        netapp.SetDebugLevel: _done,
        sockets.AdvertiseMdns: _done,
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
        sockets.GetHostByName: names.find,
    }


def _acknowledged(command: Message[Result]) -> Answer:
    return [command.reply_packet(Result(0))]


def _done(command: Message[Done]) -> Answer:
    return [command.reply_packet(Done())]
