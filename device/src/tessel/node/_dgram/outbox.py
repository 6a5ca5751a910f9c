"""The queue of datagrams between `send` and the radio."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

from twisted.internet.error import MessageLengthError
from twisted.internet.interfaces import IUDPTransport
from twisted.python.failure import Failure

from tessel.addresses import is_ipv4, is_ipv6
from tessel.errors import NodeError
from tessel.node._dgram.arguments import Datagram
from tessel.node.base.arguments import (
    call_with_error,
)
from tessel.node.base.runtime import Runtime

MAX_UNBOUND_DATAGRAMS = 64  # waiting for the port; more are dropped
MAX_LOOKUP_DATAGRAMS = 1024  # waiting for a lookup; more are dropped


def no_receiver(call: str, host: str, port: int) -> NodeError:
    """Return the error for sending to the IPv6 address `host`: the radio sends over IPv4 only.

    `call` is the name of the program's call, "send" or "connect".
    """
    return NodeError(f"{call} EINVAL {host}:{port}", "EINVAL")


def written(transport: IUDPTransport, data: bytes, to: tuple[str, int]) -> NodeError | None:
    """Write a datagram to the radio; return the error, if there is one."""
    try:
        transport.write(data, to)
    except MessageLengthError:
        return NodeError(f"send EMSGSIZE {to[0]}:{to[1]}", "EMSGSIZE")
    except OSError as fault:
        full = fault.errno in (errno.ENOBUFS, errno.EAGAIN, errno.EWOULDBLOCK)
        code = "ENOBUFS" if full else errno.errorcode.get(fault.errno or 0, "EIO")
        return NodeError(f"send {code} {to[0]}:{to[1]}", code)
    return None


class Outbox:
    """The queue of datagrams that wait for the port to be bound or for a name lookup.

    Each datagram is sent or dropped once, and its callback is called once.
    """

    def __init__(self, runtime: Runtime, report: Callable[[BaseException], None]) -> None:
        """Create an empty queue. `report` gets the errors of datagrams without a callback."""
        self._runtime = runtime
        self._report = report
        self._waiting: dict[Datagram, None] = {}
        self._transport: IUDPTransport | None = None  # None: the port is not bound
        self.peer: tuple[str, int] | None = None  # of a connected socket

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def nbytes(self) -> int:
        """The total number of bytes in all waiting datagrams."""
        return sum(len(datagram.data) for datagram in self._waiting)

    def send(self, datagram: Datagram) -> None:
        """Send a datagram as soon as the port is bound and its host name is looked up.

        If too many datagrams wait, the datagram is dropped with the error ENOBUFS.
        """
        most = MAX_UNBOUND_DATAGRAMS if self._transport is None else MAX_LOOKUP_DATAGRAMS
        full = len(self._waiting) >= most
        self._waiting[datagram] = None
        if full:
            text = f"send ENOBUFS: {most} datagrams wait already"
            self._settle(datagram, NodeError(text, "ENOBUFS"))
        elif self._transport is not None:
            self._look_up(datagram)

    def bound(self, transport: IUDPTransport) -> None:
        """Called when the port is bound: sends the waiting datagrams through `transport`."""
        self._transport = transport
        for datagram in list(self._waiting):
            self._look_up(datagram)

    def drop_all(self, why: BaseException) -> None:
        """Drop all waiting datagrams, and call their callbacks with the error `why`."""
        self._transport = None
        for datagram in list(self._waiting):
            self._settle(datagram, why)

    def _look_up(self, datagram: Datagram) -> None:
        if datagram.port is None:
            self._write(datagram, self.peer)
        elif is_ipv4(datagram.host):
            self._write(datagram, (datagram.host, datagram.port))
        elif is_ipv6(datagram.host):
            self._settle(datagram, no_receiver("send", datagram.host, datagram.port))
        else:
            looking = self._runtime.ask(self._runtime.network.lookup, datagram.host, 4)
            looking.addCallback(partial(self._found, datagram, datagram.port))
            looking.addErrback(self._not_found, datagram).addErrback(self._runtime.broken)

    def _found(self, datagram: Datagram, port: int, found: Sequence[str]) -> None:
        self._write(datagram, (found[0], port))

    def _not_found(self, failure: Failure, datagram: Datagram) -> None:
        if isinstance(failure.value, NodeError):
            self._settle(datagram, failure.value)
        else:
            self._runtime.broken(failure)

    def _write(self, datagram: Datagram, to: tuple[str, int] | None) -> None:
        if datagram not in self._waiting:
            return  # dropped while the name was looked up
        if to is None:
            self._settle(datagram, NodeError("Not connected", "ERR_SOCKET_DGRAM_NOT_CONNECTED"))
            return
        try:
            problem = self._runtime.ask(
                written, cast("IUDPTransport", self._transport), datagram.data, to
            )
        except Exception:  # noqa: BLE001 - a bug below, and not an error of the program's call
            self._runtime.next_tick(self._runtime.broken, Failure())
            return
        self._settle(datagram, problem)

    def _settle(self, datagram: Datagram, problem: BaseException | None) -> None:
        """Call back for a datagram that was sent, or dropped with an error."""
        if datagram not in self._waiting:
            return
        del self._waiting[datagram]
        if datagram.callback is not None and problem is None:
            self._runtime.later(datagram.callback, None, len(datagram.data))
        elif datagram.callback is not None:
            self._runtime.later(call_with_error, datagram.callback, problem)
        elif problem is not None and not _is_dropped(problem):
            self._runtime.later(self._report, problem)


def _is_dropped(problem: BaseException) -> bool:
    """Return whether the error is not reported without a callback: datagrams may be lost."""
    return isinstance(problem, NodeError) and problem.code in (
        "ENOBUFS",
        "ERR_SOCKET_DGRAM_NOT_RUNNING",
    )
