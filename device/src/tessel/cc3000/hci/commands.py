"""Decodes the commands of a host: the chip's side of the commands."""

from __future__ import annotations

from typing import Any

from tessel.cc3000.errors import FrameError
from tessel.cc3000.hci import names, netapp, sockets, wlan
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
    names.GetHostByName,
    names.AdvertiseMdns,
)
_DATA: tuple[type[DataMessage[Any]], ...] = (sockets.Send, sockets.SendTo, netapp.WriteNvmem)

_BY_OPCODE = {kind.OPCODE: kind for kind in _COMMANDS}
_DATA_BY_OPCODE = {kind.OPCODE: kind for kind in _DATA}

_BY_ANSWER = {kind.ANSWER: kind for kind in (*_COMMANDS, *_DATA)}


def message(packet: CommandPacket | DataPacket) -> Message[Any]:
    """Decode a command from the host. Raises FrameError, also for an unknown opcode."""
    if isinstance(packet, CommandPacket):
        known = _BY_OPCODE.get(packet.opcode)
        if known is not None:
            return known.parse(packet.args)
    else:
        carrier = _DATA_BY_OPCODE.get(packet.opcode)
        if carrier is not None:
            return carrier.read(packet)
    raise FrameError(f"a {type(packet).__name__} with the unknown opcode {packet.opcode:#06x}")


def answered_by(opcode: int) -> type[Message[Any]] | None:
    """Return the class of command that an event with this opcode answers, or None."""
    return _BY_ANSWER.get(opcode)
