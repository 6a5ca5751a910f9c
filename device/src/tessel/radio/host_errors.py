"""Converts errors of this machine's sockets to errors of a radio."""

from __future__ import annotations

import errno
import os

from twisted.internet import error
from twisted.python.failure import Failure

from tessel.radio import interface as radio
from tessel.radio.interface import RadioError

_NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)

_BY_ERRNO: dict[int, type[RadioError]] = {
    errno.ECONNREFUSED: radio.RadioRefusedError,
    errno.ETIMEDOUT: radio.RadioTimedOutError,
    errno.EHOSTUNREACH: radio.HostUnreachableError,
    errno.ENETUNREACH: radio.NetworkUnreachableError,
    errno.ECONNRESET: radio.ResetError,
    errno.EADDRINUSE: radio.AddressInUseError,
    errno.EADDRNOTAVAIL: radio.AddressNotAvailableError,
    errno.EACCES: radio.PermissionDeniedError,
    errno.EPERM: radio.PermissionDeniedError,
    errno.EMFILE: radio.NoSocketError,
    errno.ENFILE: radio.NoSocketError,
}


def as_radio_error(failure: Failure) -> Failure:
    """Return the failure of a connection attempt as a RadioError.

    A failure that is no ConnectError, such as that of a cancelled attempt, is returned unchanged.
    """
    if not failure.check(error.ConnectError):
        return failure
    return Failure(_dial_error(failure.value))


def _dial_error(fault: BaseException | None) -> RadioError:
    if isinstance(fault, error.TimeoutError):
        return radio.RadioTimedOutError(_text(fault))
    return _BY_ERRNO.get(_errno(fault), RadioError)(_text(fault))


def listen_error(fault: error.CannotListenError) -> RadioError:
    """Return Twisted's error for a port that could not be opened as a RadioError."""
    return _BY_ERRNO.get(_errno(fault), RadioError)(_text(fault))


def is_without_ipv6(fault: error.CannotListenError) -> bool:
    """Return whether a port could not be opened because this machine has no IPv6."""
    return _errno(fault) in _NO_IPV6


def _text(fault: BaseException | None) -> str:
    """The system's own text where there is one: Twisted puts a sentence around it."""
    number = _errno(fault)
    if number:
        return os.strerror(number)
    return "no answer" if isinstance(fault, error.TimeoutError) else str(fault)


def _errno(fault: BaseException | None) -> int:
    number = getattr(fault, "osError", None)
    if number is None:
        number = getattr(getattr(fault, "socketError", None), "errno", None)
    return number if isinstance(number, int) else 0
