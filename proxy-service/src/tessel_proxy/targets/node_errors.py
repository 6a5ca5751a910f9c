"""Errors of targets with the codes and texts of Node, because programs compare the codes."""

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
    """No connection to a target could be opened.

    The text is sent to the device. `outcome`, `address` and `rule` are for the log.
    """

    def __init__(
        self, message: str, outcome: Outcome, address: Address | str = "", rule: str = ""
    ) -> None:
        super().__init__(message)
        self.outcome = outcome
        self.address = str(address)
        self.rule = rule


def not_found(host: str) -> TargetError:
    """The name has no address."""
    return TargetError(f"getaddrinfo ENOTFOUND {host}", Outcome.LOOKUP_FAILED)


def not_found_now(host: str) -> TargetError:
    """No name server could say whether the name has an address."""
    return TargetError(f"getaddrinfo EAI_AGAIN {host}", Outcome.LOOKUP_FAILED)


def denied(host: str, port: int, address: Address | str, rule: str) -> TargetError:
    """An egress rule refuses the target; `address` and `rule` are only for the log."""
    # With the host that the device asked for: the addresses of internal names stay secret.
    message = f"connect EACCES {host}:{port}"
    return TargetError(message, Outcome.REFUSED_BY_POLICY, address, rule)


def not_connected(address: Address, port: int, failure: Failure) -> TargetError:
    """Return the error for a failed TCP connection, such as `connect ECONNREFUSED 192.0.2.4:80`."""
    message = f"connect {_code(failure)} {address}:{port}"
    return TargetError(message, Outcome.CONNECT_FAILED, address)


def connect_timed_out(address: Address, port: int) -> TargetError:
    return TargetError(f"connect ETIMEDOUT {address}:{port}", Outcome.CONNECT_FAILED, address)


def tls_timed_out(address: Address, port: int) -> TargetError:
    message = f"connect ETIMEDOUT {address}:{port}: during the TLS handshake"
    return TargetError(message, Outcome.TLS_FAILED)


def tls_cut() -> TargetError:
    return TargetError(f"{READ_RESET}: during the TLS handshake", Outcome.TLS_FAILED)


def tls_failed(address: Address, port: int, why: str) -> TargetError:
    return TargetError(f"connect EPROTO {address}:{port}: {why}", Outcome.TLS_FAILED)


def not_verified(code: str, text: str) -> TargetError:
    return TargetError(f"{code}: {text}", Outcome.TLS_FAILED)


def _code(failure: Failure) -> str:
    """The system's name of the error, such as ECONNREFUSED. Twisted's own timeout has no number."""
    number = getattr(failure.value, "osError", None)
    if isinstance(number, int):
        return errno.errorcode.get(number, "ECONNABORTED")
    return "ETIMEDOUT" if failure.check(error.TimeoutError) else "ECONNABORTED"
