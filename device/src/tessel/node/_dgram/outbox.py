"""Datagrams on their way from `send` to the radio, and the arguments of `send`."""

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

MAX_UNBOUND_DATAGRAMS = 64  # datagrams for a port that is not bound yet; more are dropped
MAX_LOOKUP_DATAGRAMS = 1024  # datagrams for a name that is being looked up; more are dropped
MOST_ARGUMENTS = 4  # offset, length, port, address


def no_receiver(call: str, host: str, port: int) -> NodeError:
    """An IPv6 address cannot be reached from a socket of kind udp4."""
    return NodeError(f"{call} EINVAL {host}:{port}", "EINVAL")


class Outbox:
    """The datagrams that wait for a port or for an address. Each is settled exactly once."""

    def __init__(self, runtime: Runtime, report: Callable[[BaseException], None]) -> None:
        """`report` is called later, with an error of a datagram that has no callback."""
        self._runtime = runtime
        self._report = report
        self._waiting: dict[Datagram, None] = {}
        self._transport: IUDPTransport | None = None  # None: the port is not bound
        self.peer: tuple[str, int] | None = None  # of a connected socket

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def nbytes(self) -> int:
        return sum(len(datagram.data) for datagram in self._waiting)

    def send(self, datagram: Datagram) -> None:
        """Now, or when the port is bound and the name looked up."""
        most = MAX_UNBOUND_DATAGRAMS if self._transport is None else MAX_LOOKUP_DATAGRAMS
        full = len(self._waiting) >= most
        self._waiting[datagram] = None
        if full:
            text = f"send ENOBUFS: {most} datagrams wait already"
            self._settle(datagram, NodeError(text, "ENOBUFS"))
        elif self._transport is not None:
            self._look_up(datagram)

    def bound(self, transport: IUDPTransport) -> None:
        """The port is there: send what waited for it."""
        self._transport = transport
        for datagram in list(self._waiting):
            self._look_up(datagram)

    def drop_all(self, why: BaseException) -> None:
        """The port is no more, or could not be had."""
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
            problem = self._runtime.ask(self._written, datagram.data, to)
        except Exception:  # noqa: BLE001 - a bug below, and not an error of the program's call
            self._runtime.next_tick(self._runtime.broken, Failure())
            return
        self._settle(datagram, problem)

    def _written(self, data: bytes, to: tuple[str, int]) -> NodeError | None:
        """What went wrong with it."""
        try:
            cast("IUDPTransport", self._transport).write(data, to)
        except MessageLengthError:
            return NodeError(f"send EMSGSIZE {to[0]}:{to[1]}", "EMSGSIZE")
        except OSError as fault:
            full = fault.errno in (errno.ENOBUFS, errno.EAGAIN, errno.EWOULDBLOCK)
            code = "ENOBUFS" if full else errno.errorcode.get(fault.errno or 0, "EIO")
            return NodeError(f"send {code} {to[0]}:{to[1]}", code)
        return None

    def _settle(self, datagram: Datagram, problem: BaseException | None) -> None:
        """It was sent, or dropped with the problem. Once settled, it stays as it is."""
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
    """Without a callback nobody is told: datagrams may be lost."""
    return isinstance(problem, NodeError) and problem.code in (
        "ENOBUFS",
        "ERR_SOCKET_DGRAM_NOT_RUNNING",
    )
