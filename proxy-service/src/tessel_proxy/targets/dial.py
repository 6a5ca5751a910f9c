"""Connect to one of the addresses of a target that the egress rules allow."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol, IReactorTime
from twisted.python.failure import Failure

from tessel_proxy.egress.addresses import Address
from tessel_proxy.targets.connecting import Connect, NewConnection
from tessel_proxy.targets.node_errors import TargetError, not_connected
from tessel_service_kit.happy_eyeballs import Attempt, AttemptListener, Race, interleaved


def in_turn(addresses: Sequence[Address]) -> list[Address]:
    """Return at most MAX_ADDRESSES of `addresses`, in the order to try them.

    IPv4 and IPv6 alternate.
    """
    return interleaved(addresses, lambda each: each.version)


class _OnlyAttempt:
    """The result of the only attempt to connect: known at once, or later through a Deferred."""

    __slots__ = ("_port", "_protocol", "fault", "later", "reached")

    def __init__(self, port: int, protocol: Callable[[], IProtocol]) -> None:
        self._port = port
        self._protocol = protocol
        self.reached: Address | None = None
        self.fault: TargetError | None = None
        self.later: Deferred[Address] | None = None

    def connected(self, address: Address, connection: NewConnection) -> None:
        connection.carry(self._protocol())
        self.reached = address
        if self.later is not None:
            self.later.callback(address)

    def failed(self, address: Address, why: Failure) -> None:
        self.fault = not_connected(address, self._port, why)
        if self.later is not None:
            self.later.errback(self.fault)


def dial_one(
    connect: Connect, address: Address, port: int, protocol: Callable[[], IProtocol]
) -> Address | Deferred[Address]:
    """Connect to the only address of a target; return it, or a Deferred with it if that takes time.

    The rest is as with `dial`, at less cost. Raises TargetError if the attempt fails at once.
    """
    only = _OnlyAttempt(port, protocol)
    attempt = connect(address, port, only)
    if only.reached is not None:
        return only.reached
    if only.fault is not None:
        raise only.fault
    only.later = Deferred(lambda _: attempt.stop())
    return only.later


def dial(
    connect: Connect,
    clock: IReactorTime,
    addresses: Sequence[Address],
    port: int,
    protocol: Callable[[], IProtocol],
) -> Deferred[Address]:
    """Connect to the first of `addresses` that answers; return a Deferred with that address.

    `protocol` makes the protocol of the winning connection. If all attempts fail, the Deferred
    fails with a TargetError about the first of `addresses`. There is no timeout: the caller cancels
    the Deferred.
    """

    def begin(address: Address, listener: AttemptListener[Address, NewConnection]) -> Attempt:
        return connect(address, port, listener)

    def accept(address: Address, connection: NewConnection) -> Address:
        connection.carry(protocol())
        return address

    def fault(failure: Failure) -> TargetError:
        return not_connected(addresses[0], port, failure)

    return Race(addresses, clock, begin, accept, fault).start()
