"""The start of a worker: its process, its descriptors, and the connection to it."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from twisted.internet.interfaces import (
    IAddress,
    IProcessProtocol,
    IReactorProcess,
    IReactorSocket,
    IReactorTime,
)
from twisted.internet.protocol import ServerFactory

from tessel_proxy.fleet import place
from tessel_proxy.fleet.place import Seat, ports_in_text
from tessel_proxy.fleet.supervisor_link import SupervisorLink


class IWorkerReactor(IReactorProcess, IReactorSocket, IReactorTime):
    """The reactor interfaces that a WorkerProcess uses."""


@dataclass(frozen=True, slots=True)
class Launch:
    """The program of workers: arguments, environment, and descriptors that they inherit.

    `standard_error` gets a worker's last words if the supervisor dies; `nothing` is /dev/null.
    """

    command: Sequence[str]
    environ: Mapping[str, str]
    standard_error: int
    nothing: int


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A worker that is about to start: its seat, its name among all members, and who serves it."""

    seat: Seat
    member: str
    process: IProcessProtocol
    link: SupervisorLink


def start_worker(
    launch: Launch,
    newcomer: Newcomer,
    listening: Sequence[tuple[str, int]],
    reactor: IWorkerReactor,
) -> None:
    """Start a process and connect to it; raises OSError if the system does not allow it.

    `listening`: addresses and ports of the supervisor itself.
    """
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for each in (ours, theirs):
            each.setblocking(False)
        reactor.spawnProcess(
            newcomer.process,
            launch.command[0],
            [*launch.command, *_arguments(newcomer, listening)],
            env=dict(launch.environ),
            childFDs=_descriptors(launch, newcomer.seat, theirs.fileno()),
        )
        reactor.adoptStreamConnection(
            ours.fileno(),
            ours.family,
            _Links(newcomer.link),  # type: ignore[arg-type] # it is one
        )


def _descriptors(launch: Launch, seat: Seat, to_supervisor: int) -> dict[int, Any]:
    descriptors: dict[int, Any] = {
        0: launch.nothing,
        1: launch.standard_error,
        place.STDERR: "r",
        place.SUPERVISOR: to_supervisor,
        place.LAST_WORDS: launch.standard_error,
    }
    sockets = enumerate(seat.sockets.values(), place.FIRST_SOCKET)
    return descriptors | {number: each.fileno() for number, each in sockets}


def _arguments(newcomer: Newcomer, listening: Sequence[tuple[str, int]]) -> list[str]:
    others = [f"--listening={host}:{port}" for host, port in listening]
    own = [f"--number={newcomer.seat.number}", f"--member={newcomer.member}"]
    return [*own, f"--sockets={ports_in_text(newcomer.seat)}", *others]


class _Links(ServerFactory[SupervisorLink]):
    """A factory with one protocol, for one adopted connection."""

    noisy = False

    def __init__(self, link: SupervisorLink) -> None:
        self._link = link

    def buildProtocol(self, addr: IAddress | None) -> SupervisorLink:  # noqa: ARG002 -- Twisted's
        return self._link
