"""What a host has written, as the message it stands for: the chip's side of the commands."""

from __future__ import annotations

from typing import Any

from tessel.cc3000.errors import FrameError
from tessel.cc3000.hci import netapp, sockets, wlan
from tessel.cc3000.hci.command import Command, DataMessage, Message
from tessel.cc3000.hci.packets import CommandPacket, DataPacket

_COMMANDS: tuple[type[Command[Any]], ...] = (
    wlan.Start,
    wlan.ReadBufferSize,
    wlan.SetEventMask,
    wlan.GetStatus,
    wlan.ConnectWlan,
    wlan.DisconnectWlan,
    wlan.SetScanParameters,
    wlan.SetConnectionPolicy,
    wlan.AddProfile,
    wlan.DeleteProfile,
    wlan.GetScanResults,
    wlan.StartSmartConfig,
    wlan.StopSmartConfig,
    wlan.SetSmartConfigPrefix,
    netapp.SetAddress,
    netapp.Ping,
    netapp.ReportPing,
    netapp.StopPing,
    netapp.GetIpConfig,
    netapp.FlushArp,
    netapp.SetDebugLevel,
    netapp.SetTimers,
    netapp.ReadNvmem,
    netapp.CreateNvmemEntry,
    netapp.ReadServicePack,
    sockets.OpenSocket,
    sockets.Bind,
    sockets.Connect,
    sockets.Listen,
    sockets.Accept,
    sockets.Receive,
    sockets.ReceiveFrom,
    sockets.Select,
    sockets.SetSocketOption,
    sockets.GetSocketOption,
    sockets.CloseSocket,
    sockets.GetHostByName,
    sockets.AdvertiseMdns,
)
_DATA: tuple[type[DataMessage[Any]], ...] = (sockets.Send, sockets.SendTo, netapp.WriteNvmem)

_BY_OPCODE = {kind.OPCODE: kind for kind in _COMMANDS}
_DATA_BY_OPCODE = {kind.OPCODE: kind for kind in _DATA}

_BY_ANSWER = {kind.ANSWER: kind for kind in (*_COMMANDS, *_DATA)}


def message(packet: CommandPacket | DataPacket) -> Message[Any]:
    """Raises FrameError, also for what this chip does not know."""
    if isinstance(packet, CommandPacket):
        known = _BY_OPCODE.get(packet.opcode)
        if known is not None:
            return known.parse(packet.args)
    else:
        carrier = _DATA_BY_OPCODE.get(packet.opcode)
        if carrier is not None:
            return carrier.read(packet)
    raise FrameError(f"{type(packet).__name__} with opcode {packet.opcode:#06x}")


def answered_by(opcode: int) -> type[Message[Any]] | None:
    """The kind of message that an event of this opcode ends."""
    return _BY_ANSWER.get(opcode)
