"""The place of a worker: its number, and the sockets that it inherits from its supervisor."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tessel_proxy.front.listening import bound
from tessel_proxy.records.accounting import Listener

STDERR: Final = 2
"""Descriptor of a worker's log lines: a pipe to the supervisor."""

SUPERVISOR: Final = 3
"""Descriptor of the socket over which worker and supervisor call each other."""

LAST_WORDS: Final = 4
"""Descriptor of the supervisor's standard error, for a worker whose supervisor has died."""

FIRST_SOCKET: Final = 5
"""Descriptor of the first listening socket; the others follow."""


@dataclass(frozen=True, slots=True)
class Place:
    """The settings that make a process a worker.

    `number` counts from 1. `sockets` are the listening sockets of this worker. `listening` are
    addresses and ports of the supervisor, to which no device may be connected. `max_tunnels`
    returns how many tunnels this worker may have now.
    """

    number: int
    sockets: Mapping[Listener, socket.socket]
    listening: Sequence[tuple[str, int]]
    max_tunnels: Callable[[], int]


@dataclass(slots=True)
class Seat:
    """The listening sockets of one worker, which stay open when the worker dies."""

    number: int
    sockets: dict[Listener, socket.socket] = field(default_factory=dict)

    def close(self) -> None:
        """Close the supervisor's copies; connections that wait in them are reset."""
        for each in self.sockets.values():
            each.close()
        self.sockets.clear()


def open_seats(count: int, host: str, ports: Mapping[Listener, int]) -> list[Seat]:
    """Open `count` sockets for each listener; raises CannotListenError.

    `ports`: port 0 becomes a free one, which all workers share.
    """
    seats = [Seat(number) for number in range(1, count + 1)]
    try:
        for listener, port in ports.items():
            number = port
            for seat in seats:
                opened = seat.sockets[listener] = bound(host, number, reuse_port=True)
                number = opened.getsockname()[1]
    except BaseException:
        for seat in seats:
            seat.close()
        raise
    return seats


def ports_in_text(seat: Seat) -> str:
    """Return the argument `--sockets` of a worker, such as "main=5,legacy=6"."""
    named = enumerate(seat.sockets, FIRST_SOCKET)
    return ",".join(f"{listener.value}={descriptor}" for descriptor, listener in named)


def sockets_of(text: str) -> dict[Listener, socket.socket]:
    """Return the inherited sockets that the argument `--sockets` names.

    Raises ValueError if a name is unknown, and OSError if a descriptor is no socket.
    """
    pairs = (each.partition("=") for each in text.split(",") if each)
    return {Listener(name): socket.socket(fileno=int(number)) for name, _equals, number in pairs}


def place_of(
    number: int, sockets: str, listening: Sequence[str], max_tunnels: Callable[[], int]
) -> Place:
    """Return the place that a worker's arguments describe; see launching."""
    pairs = (each.rpartition(":") for each in listening)
    addresses = tuple((host, int(port)) for host, _colon, port in pairs)
    return Place(number, sockets_of(sockets), addresses, max_tunnels)
