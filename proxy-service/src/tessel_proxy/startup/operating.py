"""What the operator sees and does: joins its parts, for a process, a supervisor, and both ports."""

from __future__ import annotations

import atexit
import os
import random
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Factory
from twisted.internet.task import deferLater

from tessel_proxy.fleet.asking import AskedWorkers
from tessel_proxy.fleet.host_keeping import HostKeeping
from tessel_proxy.fleet.questions import FleetAnswers, host_of
from tessel_proxy.fleet.supervisor import Supervisor
from tessel_proxy.limits.accounts import AccountLimits
from tessel_proxy.monitoring.admin import Operator, operator_site
from tessel_proxy.monitoring.api import Access, Audit, Desk, EventStreams, OperatorApi
from tessel_proxy.monitoring.api.audit import audit_file, not_written
from tessel_proxy.monitoring.api.desk import Engine
from tessel_proxy.monitoring.ledger import Ledger
from tessel_proxy.monitoring.readiness import HasObstacles
from tessel_proxy.operations.happenings import Happenings
from tessel_proxy.operations.history import History
from tessel_proxy.operations.inventory import Inventory, Process
from tessel_proxy.operations.process import Answers, Parts, ProcessOperations
from tessel_proxy.operations.usage import UsageMeter
from tessel_proxy.startup.config import Config
from tessel_proxy.tunnel.shared_state import TunnelRegistry
from tessel_service_kit.clocks import WallTime

if TYPE_CHECKING:
    from tessel_proxy.fleet.valkey.engine import ValkeyEngine


@dataclass(frozen=True, slots=True)
class InProcess:
    """The operator's part of a process that serves devices: questions, and the last hour."""

    operations: ProcessOperations
    history: History


def can_be_operated(config: Config) -> bool:
    """Return whether an operator can look, also by way of another host of the fleet.

    Otherwise nothing is kept for one.
    """
    ways_in = (config.admin_token, config.control_socket, config.fleet_url)
    return any(each is not None for each in ways_in)


def in_process(
    config: Config,
    clock: IReactorTime,
    wall_time: WallTime,
    *,
    member: str,
    role: str,
    ledger: Ledger,
    happenings: Happenings,
    tunnels: TunnelRegistry,
    limits: AccountLimits,
    readiness: HasObstacles,
) -> InProcess:
    """Return the operator's part of a process."""
    meter = UsageMeter(ledger)
    happenings.closed = meter.closed
    process = Process(member, socket.gethostname(), role, round(wall_time(), 3))
    inventory = Inventory(process, ledger, tunnels, limits, config, happenings, clock, wall_time)
    history = History(meter, happenings, clock, wall_time)
    operations = ProcessOperations(
        inventory, history, lambda: readiness.obstacles, lambda: _terminate(clock), random.random
    )
    return InProcess(operations, history)


TERMINATE_S: Final = 0.1
"""Seconds after which a process that was asked to drain begins: its answer is sent before."""


def _terminate(clock: IReactorTime) -> None:
    clock.callLater(TERMINATE_S, os.kill, os.getpid(), signal.SIGTERM)


class SupervisedAnswers:
    """The answers of the workers, and of their supervisor about itself."""

    def __init__(self, supervisor: Supervisor, clock: IReactorTime, member: str) -> None:
        self._clock = clock
        self._workers = AskedWorkers(
            lambda: [each for each in supervisor.living if each.can_be_asked], clock
        )
        self._member = member

    async def ask(self, method: str, arguments: Mapping[str, Any]) -> Parts:
        """Return the answers of all workers.

        A drain is of all, also if it names one of them: a worker alone would be replaced.
        """
        if method == "drain":
            member = arguments["member"]
            is_meant = member is None or host_of(member) == self._member
            if is_meant:
                _terminate(self._clock)
            return Parts({self._member: is_meant})
        return await self._workers.ask(method, arguments)


def desk_of(
    answers: Answers,
    host: str,
    keeping: HostKeeping,
    engine: ValkeyEngine | None,
    upgrade: Callable[[], Awaitable[str | None]],
    *,
    clock: IReactorTime,
) -> Desk:
    """Return the desk of a host with a name; `answers` are those of the host itself.

    With an engine, the desk asks all hosts, and this host answers the questions of others.
    """
    shown = Engine()
    if engine is not None:
        health = engine.health
        shown = Engine(engine.shown_url, lambda: health.is_degraded)
        answers = FleetAnswers(answers, host, engine.questions)
    refusals = keeping.refusals
    return Desk(
        answers=answers,
        publish=refusals.publish,
        refusals=refusals,
        read_usage=keeping.read_usage,
        wall_time=time.time,
        engine=shown,
        upgrade=upgrade,
        let_others_run=lambda: deferLater(clock, 0),
    )


@dataclass(frozen=True, slots=True)
class OperatorPorts:
    """The API on both ways in: on the admin port with the token, on the control socket without."""

    events: Sequence[EventStreams]
    admin: Operator | None
    control: Factory[Any]

    def stop(self) -> None:
        """End all streams of events."""
        for each in self.events:
            each.stop()


def audit_of(config: Config) -> Audit:
    """Return the audit; if AUDIT_LOG_FILE cannot be opened, its lines go to the log."""
    path = config.audit_log_file
    if path is None or not can_be_operated(config):
        return Audit()
    try:
        file = audit_file(path, config.log_file_bytes, config.log_format)
    except OSError as error:
        not_written(path, f"{error.strerror}; its lines go to the log, until a restart")
        return Audit()
    atexit.register(file.flush)
    return Audit.into(file, config.log_format)


def operator_ports(config: Config, desk: Desk, clock: IReactorTime, audit: Audit) -> OperatorPorts:
    """Return the resources for the admin port and the control socket."""
    events = EventStreams(desk, clock)
    admin = None
    if config.admin_token is not None:
        access = Access(config.admin_token, clock.seconds, time.time)
        admin = Operator(lambda nothing: OperatorApi(desk, access, events, nothing, audit), access)
    local = Access(None, clock.seconds, time.time)
    control = operator_site(
        Operator(lambda nothing: OperatorApi(desk, local, events, nothing, audit), local)
    )
    return OperatorPorts([events], admin, control)
