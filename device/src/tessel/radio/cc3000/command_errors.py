"""What the chip says no with -> a radio's errors."""

from __future__ import annotations

from tessel.cc3000.errors import CommandError
from tessel.cc3000.hci.codes import Code
from tessel.radio import interface as radio
from tessel.radio.interface import RadioError

_BY_CODE: dict[int, type[RadioError]] = {
    # The chip says no more than "failed"; mostly somebody has refused.
    Code.FAILED: radio.RadioRefusedError,
    Code.TCP_OPEN_FAILED: radio.RadioRefusedError,
    Code.TIMED_OUT: radio.RadioTimedOutError,
    Code.RECV_TIMED_OUT: radio.RadioTimedOutError,
    Code.ARP_FAILED: radio.HostUnreachableError,
    Code.ARP_IN_PROCESS: radio.HostUnreachableError,
    Code.NOT_CONNECTED: radio.NetworkUnreachableError,
    Code.NO_MORE_SOCKETS: radio.NoSocketError,
    Code.NO_RESOURCES: radio.NoSocketError,
    Code.SOCKET_EXISTS: radio.AddressInUseError,
    Code.INACTIVE: radio.ResetError,
}


def radio_error(fault: CommandError) -> RadioError:
    return _BY_CODE.get(fault.code, RadioError)(str(fault))


def open_error(fault: CommandError) -> RadioError:
    """Of a new socket: some service packs say no more than "failed" when there is none left."""
    if fault.code == Code.FAILED:
        return radio.NoSocketError(str(fault))
    return radio_error(fault)


def bind_error(fault: CommandError) -> RadioError:
    if fault.code == Code.FAILED:
        return radio.AddressInUseError(str(fault))
    return radio_error(fault)


def name_error(fault: CommandError) -> RadioError:
    return radio.NameNotFoundError(str(fault))
