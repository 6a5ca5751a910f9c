"""The errors that devices get for targets.

They have Node's codes and texts, because the programs on devices compare the codes.
"""

from __future__ import annotations

import errno

from twisted.internet import error
from twisted.python.failure import Failure

from tessel_proxy.egress.addresses import Address
from tessel_proxy.records.ends import Outcome
from tessel_proxy.targets.target import TargetLoss

READ_RESET = "read ECONNRESET"
READ_TLS_BROKEN = "read EPROTO"
WRITE_BROKEN = "write EPIPE"
SECOND_CONNECT = "connect EISCONN: a second _pls_connect"
LOSSES = {
    TargetLoss.ENDED: (None, Outcome.ENDED),
    # Node reports an ordinary end, and many servers end this way. The log has the difference.
    TargetLoss.ENDED_WITHOUT_CLOSE_NOTIFY: (None, Outcome.ENDED_WITHOUT_CLOSE_NOTIFY),
    TargetLoss.RESET: (READ_RESET, Outcome.RESET_BY_TARGET),
    TargetLoss.TLS_BROKEN: (READ_TLS_BROKEN, Outcome.TLS_FAILED),
}


class TargetError(Exception):
    """A connection to a target could not be opened. The error's text is sent to the device.

    `outcome`, `address` and `rule` are only for the log.
    """

    def __init__(
        self, message: str, outcome: Outcome, address: Address | str = "", rule: str = ""
    ) -> None:
        super().__init__(message)
        self.outcome = outcome
        self.address = str(address)
        self.rule = rule


def not_found(host: str) -> TargetError:
    """Return the error ENOTFOUND: the name `host` has no address."""
    return TargetError(f"getaddrinfo ENOTFOUND {host}", Outcome.LOOKUP_FAILED)


def not_found_now(host: str) -> TargetError:
    """Return the error EAI_AGAIN: the look-up of `host` failed.

    It is not known whether the name has an address.
    """
    return TargetError(f"getaddrinfo EAI_AGAIN {host}", Outcome.LOOKUP_FAILED)


def denied(host: str, port: int, address: Address | str, rule: str) -> TargetError:
    """Return the error EACCES: an egress rule refuses the target.

    `address` and `rule` are only for the log.
    """
    # With the host that the device asked for: the addresses of internal names stay secret.
    message = f"connect EACCES {host}:{port}"
    return TargetError(message, Outcome.REFUSED_BY_POLICY, address, rule)


def not_connected(address: str, port: int, failure: Failure) -> TargetError:
    """Return the error for a failed TCP connection, such as `connect ECONNREFUSED 192.0.2.4:80`."""
    message = f"connect {_code(failure)} {address}:{port}"
    return TargetError(message, Outcome.CONNECT_FAILED, address)


def connect_timed_out(address: str, port: int) -> TargetError:
    """Return the error ETIMEDOUT: the TCP connection was not established in time."""
    return TargetError(f"connect ETIMEDOUT {address}:{port}", Outcome.CONNECT_FAILED, address)


def tls_timed_out(address: str, port: int) -> TargetError:
    """Return the error ETIMEDOUT: the TLS handshake did not end in time."""
    message = f"connect ETIMEDOUT {address}:{port}: during the TLS handshake"
    return TargetError(message, Outcome.TLS_FAILED)


def tls_cut() -> TargetError:
    """Return the error ECONNRESET: the target closed the connection during the TLS handshake."""
    return TargetError(f"{READ_RESET}: during the TLS handshake", Outcome.TLS_FAILED)


def tls_failed(address: str, port: int, why: str) -> TargetError:
    """Return the error EPROTO: the TLS handshake failed. `why`: the reason, from OpenSSL."""
    return TargetError(f"connect EPROTO {address}:{port}: {why}", Outcome.TLS_FAILED)


def not_verified(code: str, text: str) -> TargetError:
    """Return the error for a certificate that is not valid. `code` and `text` are those of Node."""
    return TargetError(f"{code}: {text}", Outcome.TLS_FAILED)


def _code(failure: Failure) -> str:
    """The system's name of the error, such as ECONNREFUSED. Twisted's own timeout has no number."""
    number = getattr(failure.value, "osError", None)
    if isinstance(number, int):
        return errno.errorcode.get(number, "ECONNABORTED")
    return "ETIMEDOUT" if failure.check(error.TimeoutError) else "ECONNABORTED"
