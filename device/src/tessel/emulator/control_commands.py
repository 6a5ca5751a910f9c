"""Commands about the chip itself: start, Wi-Fi, addresses, timers, memory, ping."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred

from tessel.cc3000.hci import netapp, wlan
from tessel.cc3000.hci.codes import Code
from tessel.cc3000.hci.events import PatchRequest
from tessel.cc3000.hci.fields import ANY_ADDRESS
from tessel.cc3000.hci.netapp import NvmemBytes, SetTimers
from tessel.cc3000.hci.packets import PatchPacket
from tessel.cc3000.hci.replies import (
    Bits,
    BufferSize,
    Done,
    IpConfig,
    Result,
    ScanResult,
    ServicePack,
)
from tessel.emulator.air import Air
from tessel.emulator.nvmem import SERVICE_PACK, ChipMemory, SavedNetwork
from tessel.emulator.ping import Pinger
from tessel.emulator.quirks import Quirks
from tessel.emulator.socket_commands import Answer, Packets, Say
from tessel.emulator.station import NO_LEASE, WifiStation
from tessel.emulator.transfer_commands import BUFFER_SIZE

FORCE_HOST_PATCHES, NO_PATCHES = 1, 2  # arguments of START
ALL_PATCHES = (1, 2, 3)  # driver, firmware, bootloader

AGED, VALID, NONE_THERE = 0, 1, 2  # the age of a scan's result
_FAILED = Code.FAILED & 0xFF


class ControlCommands:
    """Carries out the commands about the chip itself. `started` is True after START.

    Each method that takes a command returns the answer to it. Before START the chip obeys no other
    command.
    """

    def __init__(
        self,
        air: Air,
        quirks: Quirks,
        nvmem: ChipMemory,
        station: WifiStation,
        *,
        set_inactivity: Callable[[int], None],
        say: Say,
    ) -> None:
        self.started = False
        self.event_mask = 0
        self._air = air
        self._quirks = quirks
        self._nvmem = nvmem
        self._station = station
        self._set_inactivity = set_inactivity
        self._say = say
        self._pinger = Pinger(
            air, self._is_near, station.can_dial, lambda report: say(report.packet())
        )
        self._patches_wanted: list[int] = []
        self._starting: Deferred[Packets] | None = None
        self._start: wlan.Start | None = None
        self._heard: list[bytes] = []  # BSSIDs already reported in this round of scan results

    def stop(self) -> None:
        """Stop pinging. Called when the power is switched off."""
        self._pinger.stop()

    # The chip.

    def start(self, command: wlan.Start) -> Answer:
        """Start the chip; answer after the host has sent the requested patches, if any."""
        self._start = command
        self._patches_wanted = list(self._patches(command.patches))
        if not self._patches_wanted:
            return self._ready(command)
        self._starting = Deferred()
        self._ask_for_patch()
        return self._starting

    def patch(self, packet: PatchPacket) -> None:
        """Continue the start after the host's answer to a patch request.

        The content of the patch is ignored.
        """
        if self._starting is None or self._start is None:
            return
        if packet.kind != self._patches_wanted[0]:
            return
        self._patches_wanted.pop(0)
        if self._patches_wanted:
            self._ask_for_patch()
            return
        starting, self._starting = self._starting, None
        starting.callback(self._ready(self._start))

    def _patches(self, wish: int) -> tuple[int, ...]:
        if wish == FORCE_HOST_PATCHES:
            return ALL_PATCHES
        return () if wish == NO_PATCHES else self._quirks.patch_requests

    def _ask_for_patch(self) -> None:
        self._say(PatchRequest(self._patches_wanted[0]).packet())

    def _ready(self, command: wlan.Start) -> Packets:
        self.started = True
        self._station.connect_by_policy()
        return [command.reply_packet(Done())]

    def buffer_size(self, command: wlan.ReadBufferSize) -> Answer:
        """Answer with the number and the size of the send buffers."""
        return [command.reply_packet(BufferSize(self._quirks.buffers, BUFFER_SIZE))]

    def mask(self, command: wlan.SetEventMask) -> Answer:
        """Set which events the chip does not report to the host."""
        self.event_mask = command.mask
        return [command.reply_packet(Result(0))]

    def service_pack(self, command: netapp.ReadServicePack) -> Answer:
        """Answer with the version of the chip's firmware."""
        return [command.reply_packet(ServicePack(*SERVICE_PACK))]

    # Wi-Fi.

    def status(self, command: wlan.GetStatus) -> Answer:
        """Answer with the state of the Wi-Fi connection."""
        return [command.reply_packet(Bits(self._station.status))]

    def connect(self, command: wlan.ConnectWlan) -> Answer:
        """Begin to join a network. Events report the outcome."""
        self._station.connect(
            SavedNetwork(command.ssid, command.security, command.key, command.bssid)
        )
        return [command.reply_packet(Result(0))]

    def disconnect(self, command: wlan.DisconnectWlan) -> Answer:
        """Leave the network; the result is an error code if the chip was in none."""
        was_connected = self._station.disconnect()
        return [command.reply_packet(Result(0 if was_connected else Code.ALREADY_DISCONNECTED))]

    def policy(self, command: wlan.SetConnectionPolicy) -> Answer:
        """Store which networks the chip joins by itself, from the next start on."""
        self._nvmem.policy = command
        return [command.reply_packet(Result(0))]

    def add_profile(self, command: wlan.AddProfile) -> Answer:
        """Store a network and answer with its index."""
        return [command.reply_packet(Result(self._nvmem.add_profile(command)))]

    def delete_profile(self, command: wlan.DeleteProfile) -> Answer:
        """Delete one stored network, or all of them."""
        self._nvmem.delete_profile(command.index)
        return [command.reply_packet(Result(0))]

    def scan_results(self, command: wlan.GetScanResults) -> Answer:
        """Answer with one access point per command, and after the last with an end mark."""
        left = [ap for ap in self._air.access_points if ap.bssid not in self._heard]
        if not left:
            self._heard.clear()
            return [command.reply_packet(_END_OF_SCAN)]
        heard = left[0]
        self._heard.append(heard.bssid)
        found = ScanResult(
            count=len(left),
            age=VALID,
            valid=True,
            rssi=heard.rssi,
            security=heard.security,
            ssid=heard.ssid,
            bssid=heard.bssid,
        )
        return [command.reply_packet(found)]

    # Addresses and timers.

    def address(self, command: netapp.SetAddress) -> Answer:
        """Set a static address, or switch to DHCP."""
        self._nvmem.address = command
        self._station.address_changed()
        return [command.reply_packet(Done())]

    def ip_config(self, command: netapp.GetIpConfig) -> Answer:
        """Answer with the chip's addresses and the name of its network."""
        ssid = b"" if self._station.joined is None else self._station.joined.ssid
        lease = self._station.lease or NO_LEASE
        return [command.reply_packet(IpConfig(lease, self._nvmem.mac[::-1], ssid))]

    def timers(self, command: SetTimers) -> Answer:
        """Set the chip's timers."""
        self._nvmem.timers = command
        self._set_inactivity(command.inactivity_s)
        self._station.timers_changed()
        return [command.reply_packet(Done())]

    def ping(self, command: netapp.Ping) -> Answer:
        """Begin to ping a host. The report is sent later, as an event."""
        self._pinger.start(command)
        return [command.reply_packet(Done())]

    def report_ping(self, command: netapp.ReportPing) -> Answer:
        """Send a `PingReport` of the pings made so far."""
        self._pinger.report()
        return [command.reply_packet(Done())]

    def stop_ping(self, command: netapp.StopPing) -> Answer:
        """End the current PING command."""
        self._pinger.stop()
        return [command.reply_packet(Done())]

    def _is_near(self, address: str) -> bool:
        """True for the chip's own address, and those at which the access point answers."""
        lease = self._station.lease
        if lease is None:
            return False
        near = {lease.address, lease.gateway, lease.dhcp_server, lease.name_server}
        return address in near - {ANY_ADDRESS}

    # Memory.

    def read_nvmem(self, command: netapp.ReadNvmem) -> Answer:
        """Read from a file of the non-volatile memory."""
        data = self._nvmem.read(command.file, command.length, command.offset)
        if data is None:
            return [command.reply_packet(Done(), status=_FAILED)]
        return [command.reply_packet(Done()), NvmemBytes(data).packet(command.file)]

    def create_nvmem(self, command: netapp.CreateNvmemEntry) -> Answer:
        """Create a file in the non-volatile memory."""
        created = self._nvmem.create(command.file, command.length)
        return [command.reply_packet(Done(), status=0 if created else _FAILED)]

    def write_nvmem(self, message: netapp.WriteNvmem) -> Answer:
        """Write to a file of the non-volatile memory."""
        written = self._nvmem.write(message.file, message.data, message.offset)
        return [message.reply_packet(Result(0 if written else Code.FAILED))]


def _network(command: wlan.ConnectWlan) -> SavedNetwork:
    return SavedNetwork(command.ssid, command.security, command.key, command.bssid)


_END_OF_SCAN = ScanResult(
    count=0, age=NONE_THERE, valid=False, rssi=0, security=0, ssid=b"", bssid=bytes(6)
)
