"""The supervisor as a whole: its workers, the admin port, the control socket and the shared state.

It is what the command runs with more than one worker, in place of a ProxyService.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorUNIX
from twisted.logger import Logger

from tessel_proxy.files.reloadable import Reloadable
from tessel_proxy.fleet.control import ControlPort
from tessel_proxy.fleet.host_metrics import HostCollector
from tessel_proxy.fleet.joining import member_name
from tessel_proxy.fleet.launching import IWorkerReactor, Launch
from tessel_proxy.fleet.local import LocalEngine
from tessel_proxy.fleet.own_metrics import OwnCollector, WorkerLimits
from tessel_proxy.fleet.silence import Patience
from tessel_proxy.fleet.summing import SummedCollector
from tessel_proxy.fleet.supervisor import Plan, Supervisor
from tessel_proxy.fleet.upgrade import Upgrade
from tessel_proxy.fleet.valkey.metrics import EngineCollector
from tessel_proxy.front.listening import IListeningReactor
from tessel_proxy.limits.descriptors import PLENTY
from tessel_proxy.monitoring.admin import AdminPort, add_operator, admin_site
from tessel_proxy.monitoring.api import Audit
from tessel_proxy.monitoring.process_metrics import process_registry
from tessel_proxy.operations.refusals_file import KeptRules
from tessel_proxy.records.accounting import Listener
from tessel_proxy.startup.config import Config
from tessel_proxy.startup.keeping import host_keeping
from tessel_proxy.startup.operating import SupervisedAnswers, desk_of, operator_ports
from tessel_proxy.startup.reload import Reloader
from tessel_service_kit.names import IThreadsAndTime
from tessel_service_kit.output import LineOutput
from tessel_service_kit.serving import STOP_TIMEOUT_S

if TYPE_CHECKING:
    from tessel_proxy.fleet.valkey.engine import ValkeyEngine


class ISupervisingReactor(IListeningReactor, IWorkerReactor, IThreadsAndTime, IReactorUNIX):
    """The reactor interfaces that the supervisor uses."""


class SupervisorService:
    """A proxy of several workers: `start`, `reload`, `upgrade`, `stop` and `halt` are for all."""

    _log = Logger()

    def __init__(
        self,
        config: Config,
        reactor: ISupervisingReactor,
        launch: Launch,
        outputs: Sequence[LineOutput],
        log_dropped: Callable[[], int],
        *,
        fleet: ValkeyEngine | None = None,
        reloadables: Sequence[Reloadable] = (),
        descriptors: int = PLENTY,
        kept: KeptRules,
        audit: Audit,
    ) -> None:
        """Build all parts; nothing is opened or started.

        Args:
            config: the settings.
            reactor: Twisted's reactor.
            launch: what starts a worker.
            outputs: get the log lines of the workers.
            log_dropped: returns how many log lines were dropped.
            fleet: the state that other hosts share with this one; None: there are none.
            descriptors: how many files and sockets each worker may have open.
            reloadables: what this process uses of files: the passwords of `fleet`.
            kept: the operator's rules at the start.
            audit: gets a line for each command.
        """
        self._config = config
        self._outputs = outputs
        self._fleet = fleet
        self._reloader = Reloader(reactor, reloadables, config.reload_look_s)
        self._engine = LocalEngine(reactor, self._guessed) if fleet is None else fleet
        self.keeping = host_keeping(
            config, kept, reactor, publish=self._engine.publish, engine=fleet
        )
        self._engine.kept = self.keeping
        self._metrics = SummedCollector(process_registry())
        plan = _plan(config)
        self.supervisor = Supervisor(
            plan,
            launch,
            self._engine,
            reactor,
            forget=self._forget,
            log=self._write,
            metrics=self._metrics,
        )
        self._metrics.own = OwnCollector(
            self.supervisor,
            self._engine,
            WorkerLimits.of(config.workers, config, descriptors),
            log_dropped,
        )
        self._upgrade = Upgrade(self.supervisor)
        registry = CollectorRegistry()
        registry.register(self._metrics)
        registry.register(HostCollector(self.keeping))
        if fleet is not None:
            registry.register(EngineCollector(fleet.health))
        site = admin_site(self.supervisor, registry)
        self._admin = AdminPort(config, reactor, site)
        answers = SupervisedAnswers(self.supervisor, reactor, plan.name)
        run = self._upgrade.run
        desk = desk_of(answers, plan.name, self.keeping, fleet, run, clock=reactor)
        self._operator = operator_ports(config, desk, reactor, audit)
        if self._operator.admin is not None:
            add_operator(site, self._operator.admin)
        self._control = ControlPort(config.control_socket, self._operator.control, reactor)

    async def start(self) -> None:
        """Open all ports and start the workers; return when all serve.

        Raises CannotListenError.
        """
        self.keeping.start()
        if self._fleet is not None:
            self._fleet.start()
        self._reloader.start()
        self._admin.start()
        self._control.start()
        if self._admin.port is not None:
            self.supervisor.listening = [(self._config.admin_host or "::", self._admin.port)]
        await self.supervisor.start()

    def reload(self) -> None:
        """Let all workers read their files again."""
        self._reloader.reload_all()
        self.supervisor.reload()

    def upgrade(self) -> None:
        """Begin an upgrade; its end is logged."""
        done = Deferred.fromCoroutine(self._upgrade.run())
        done.addCallbacks(
            self._refused, lambda why: self._log.failure("the upgrade broke off", failure=why)
        )

    def _refused(self, why: str | None) -> None:
        if why is not None:
            self._log.warn("no upgrade on SIGUSR2: {why}", event="upgrade_refused", why=why)

    async def stop(self) -> None:
        """Drain and end all workers, then close what is left."""
        await self.supervisor.stop()
        self._reloader.stop()
        self._operator.stop()
        await self._control.stop()
        await self._admin.stop()
        await self.keeping.stop()
        if self._fleet is not None:
            self._fleet.stop()

    def halt(self) -> None:
        """End all workers at once."""
        self.supervisor.halt()

    def _forget(self, member: str) -> None:
        self._engine.forget(member)
        self.keeping.forget(member)

    def _guessed(self, source: str, level: float) -> None:
        for each in self.supervisor.living:
            each.link.guessed(source, level)

    def _write(self, lines: bytes) -> None:
        text = lines.decode("utf-8", "backslashreplace")
        for output in self._outputs:
            output.write(text, lines.count(b"\n"))


def _plan(config: Config) -> Plan:
    drain_s = config.stop_s + 2 * STOP_TIMEOUT_S  # a worker itself ends after once that
    return Plan(
        config.workers,
        config.host,
        _ports(config),
        config.drain_delay_s,
        member_name(),
        Patience(config.worker_timeout_s, drain_s),
        config.log_format,
    )


def _ports(config: Config) -> dict[Listener, int]:
    """Return the ports for devices; workers inherit their sockets in this order."""
    ports = {Listener.MAIN: config.port}
    if config.legacy_port is not None:
        ports[Listener.LEGACY] = config.legacy_port
    return ports
