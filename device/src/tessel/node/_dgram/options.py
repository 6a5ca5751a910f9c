"""The options of UDP sockets: broadcast, multicast, TTL.

Options that are set while the port is being bound are applied when it is bound.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias, cast

from twisted.internet.error import MulticastJoinError
from twisted.internet.interfaces import IUDPTransport
from twisted.python.failure import Failure

from tessel.addresses import is_ipv4
from tessel.errors import NodeError
from tessel.node.base.arguments import ArgumentValueError, text, text_or_none, whole_number
from tessel.node.base.runtime import Runtime
from tessel.node.events import EventEmitter
from tessel.radio.interface import IDatagramOptions

Step: TypeAlias = Callable[[object], None]

HIGHEST_TTL = 255
FIRST_MULTICAST, LAST_MULTICAST = 224, 239  # the first byte of a group's address


class DatagramOptions(EventEmitter):
    """The methods of a UDP socket that set its options.

    Each method raises NodeError if a value is wrong, if the socket is closed or not bound, or if
    the radio does not have the option (CC3000). While the port is being bound, an option is stored
    and applied later; its error is then emitted as `error`.
    """

    _runtime: Runtime
    _steps: list[Step]

    def __init__(self) -> None:
        super().__init__()
        self._steps = []

    def set_broadcast(self, enabled: bool) -> None:
        """Allow or forbid the socket to send datagrams to broadcast addresses."""
        self._when_bound("setBroadcast", partial(set_broadcast, bool(enabled)))

    def set_ttl(self, ttl: int) -> int:
        """Set the number of routers a sent datagram may pass (TTL), 1 to 255; return the number."""
        number = whole_number(ttl, "ttl", 1, HIGHEST_TTL)
        self._when_bound("setTTL", lambda below: able_to(below, "setTTL").set_ttl(number))
        return number

    def set_multicast_ttl(self, ttl: int) -> int:
        """Set the number of routers a datagram to a group may pass, 0 to 255; return the number."""
        number = whole_number(ttl, "ttl", 0, HIGHEST_TTL)
        name = "setMulticastTTL"
        self._when_bound(name, lambda below: able_to(below, name).setTTL(number))
        return number

    def set_multicast_loopback(self, enabled: bool) -> bool:
        """Set whether the device receives its own datagrams to joined groups; return it."""
        wanted = bool(enabled)
        name = "setMulticastLoopback"
        self._when_bound(name, lambda below: able_to(below, name).setLoopbackMode(wanted))
        return wanted

    def set_multicast_interface(self, interface: str) -> None:
        """Set the network interface that sends datagrams to multicast groups.

        `interface` is the interface's own IPv4 address.
        """
        address = _address(interface, "interface")
        name = "setMulticastInterface"
        self._when_bound(name, lambda below: able_to(below, name).set_interface(address))

    def add_membership(self, group: str, interface: str | None = None) -> None:
        """Join a multicast group, and bind the socket to a free port if it is not bound.

        `group` is an IPv4 address, 224.0.0.0 to 239.255.255.255. `interface` is the address of the
        network interface; None: the default one.
        """
        where = _group(group), text_or_none(interface, "interface") or ""
        self._bind_for_options()
        self._when_bound(
            "addMembership",
            lambda below: member(able_to(below, "addMembership").joinGroup(*where)),
        )

    def drop_membership(self, group: str, interface: str | None = None) -> None:
        """Leave a multicast group; for the arguments see `add_membership`."""
        where = _group(group), text_or_none(interface, "interface") or ""
        self._when_bound(
            "dropMembership",
            lambda below: member(able_to(below, "dropMembership").leaveGroup(*where)),
        )

    # For the socket to override.

    def _check_running(self) -> None:
        """Raise NodeError if the socket is closed."""
        raise NotImplementedError

    def _bind_for_options(self) -> None:
        raise NotImplementedError

    def _is_binding(self) -> bool:
        raise NotImplementedError

    def _transport(self) -> object | None:
        """Return the transport; None if the socket is not bound."""
        raise NotImplementedError

    # How it is done.

    def _when_bound(self, name: str, step: Step) -> None:
        self._check_running()
        transport = self._transport()
        if transport is not None:
            apply_option(name, step, transport)
        elif self._is_binding():
            self._steps.append(partial(self._later_step, name, step))
        else:
            raise NodeError(f"{name} EBADF", "EBADF")

    def _options_apply(self) -> None:
        """Apply the options that waited: the port is bound."""
        steps, self._steps = self._steps, []
        for step in steps:
            step(self._transport())

    def _later_step(self, name: str, step: Step, transport: object) -> None:
        try:
            apply_option(name, step, transport)
        except NodeError as problem:
            self._runtime.next_tick(self.emit, "error", problem)


def apply_option(name: str, step: Step, transport: object) -> None:
    """Set an option of a bound socket; raises NodeError if the radio or its system refuses it."""
    try:
        step(transport)
    except MulticastJoinError as fault:
        raise NodeError(f"{name} EADDRNOTAVAIL", "EADDRNOTAVAIL") from fault
    except OSError as fault:
        raise NodeError(f"{name} {fault.strerror}", "EINVAL") from fault


def set_broadcast(enabled: bool, transport: object) -> None:
    """Allow or forbid to send to broadcast addresses; every radio's port can."""
    cast("IUDPTransport", transport).setBroadcastAllowed(enabled)


def member(joining: object) -> None:
    """Raise the error of joining or leaving a group; Twisted's Deferred has fired already."""
    outcome: list[object] = []
    joining.addBoth(outcome.append)  # type: ignore[attr-defined]  # a Deferred
    if outcome and isinstance(outcome[0], Failure):
        outcome[0].raiseException()


def able_to(transport: object, name: str) -> IDatagramOptions:
    """Return the transport; raises NodeError for a radio without such options (CC3000)."""
    if not IDatagramOptions.providedBy(transport):
        raise NodeError(f"{name} ENOTSUP: the CC3000 has neither multicast nor a TTL", "ENOTSUP")
    return transport


def _address(value: object, name: str) -> str:
    address = text(value, name)
    if not is_ipv4(address):
        raise ArgumentValueError(name, "an IPv4 address", address)
    return address


def _group(value: object) -> str:
    address = _address(value, "group")
    if not FIRST_MULTICAST <= int(address.partition(".")[0]) <= LAST_MULTICAST:
        raise NodeError("addMembership EINVAL", "EINVAL")
    return address
