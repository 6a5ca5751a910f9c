"""Converts error codes of the chip to errors of a radio."""

from __future__ import annotations

from tessel.cc3000.errors import CommandError
from tessel.cc3000.hci.codes import Code
from tessel.radio import interface as radio
from tessel.radio.interface import RadioError

_BY_CODE: dict[int, type[RadioError]] = {
    # The chip gives no reason with "failed"; a refused connection is the usual one.
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
    """Return the radio's error for a command that failed on an open socket."""
    return _BY_CODE.get(fault.code, RadioError)(str(fault))


def open_error(fault: CommandError) -> RadioError:
    """Return the radio's error for a socket that could not be opened.

    Some service packs answer "failed" without a reason when no socket is free.
    """
    if fault.code == Code.FAILED:
        return radio.NoSocketError(str(fault))
    return radio_error(fault)


def bind_error(fault: CommandError) -> RadioError:
    """Return the radio's error for a socket that could not be bound.

    If the chip gives no reason, the port is in use.
    """
    if fault.code == Code.FAILED:
        return radio.AddressInUseError(str(fault))
    return radio_error(fault)


def name_error(fault: CommandError) -> RadioError:
    """Return the radio's error for a name that the chip could not look up."""
    return radio.NameNotFoundError(str(fault))
