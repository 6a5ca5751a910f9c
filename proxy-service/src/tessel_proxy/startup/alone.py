"""A proxy of one process as a whole: its service, the control socket, and the fleet's engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.interfaces import IReactorUNIX

from tessel_proxy.fleet.control import ControlPort
from tessel_proxy.fleet.host_metrics import HostCollector
from tessel_proxy.fleet.notices import Confirmations, Notice
from tessel_proxy.fleet.notifying import acted
from tessel_proxy.fleet.valkey.metrics import EngineCollector
from tessel_proxy.monitoring.admin import add_operator
from tessel_proxy.monitoring.api import Audit
from tessel_proxy.operations.refusals_file import KeptRules
from tessel_proxy.startup.composition import ProxyService
from tessel_proxy.startup.config import Config
from tessel_proxy.startup.keeping import host_keeping
from tessel_proxy.startup.operating import OperatorPorts, desk_of, operator_ports
from tessel_service_kit.names import IThreadsAndTime

if TYPE_CHECKING:
    from tessel_proxy.fleet.valkey.engine import ValkeyEngine


class IAloneReactor(IThreadsAndTime, IReactorUNIX):
    """The reactor interfaces that one process uses beside its ProxyService."""


class SingleProcess:
    """Starts and stops a ProxyService with what it needs beside it."""

    def __init__(
        self,
        service: ProxyService,
        reactor: IAloneReactor,
        settings: Config,
        engine: ValkeyEngine | None,
        kept: KeptRules,
        *,
        audit: Audit,
    ) -> None:
        """`engine`: the state that other hosts share with this one; None: there are none.

        `kept`: the operator's rules at the start. `audit` gets a line for each command.
        """
        self._service = service
        self._reactor = reactor
        self._engine = engine
        publish = self._act if engine is None else engine.publish
        take = service.usage.take if service.usage is not None else dict
        self.keeping = host_keeping(
            settings, kept, reactor, publish=publish, engine=engine, take=take
        )
        service.metrics.register(HostCollector(self.keeping))
        self._operator: OperatorPorts | None = None
        control = None
        if service.operated is not None:
            answers = service.operated.operations
            name = service.member
            desk = desk_of(answers, name, self.keeping, engine, _no_upgrade, clock=reactor)
            self._operator = operator_ports(settings, desk, reactor, audit)
            control = self._operator.control
            if self._operator.admin is not None:
                add_operator(service.admin_site, self._operator.admin)
        self._control = ControlPort(settings.control_socket, control, reactor)
        if engine is not None:
            service.metrics.register(EngineCollector(engine.health))

    def start(self) -> None:
        """Connect to the engine and listen; raises CannotListenError."""
        self.keeping.start()
        self._service.refusing.replace(self.keeping.refusals.rules())
        if self._engine is not None:
            self._engine.start()
        self._service.startService()
        self._control.start()

    async def stop(self) -> None:
        """Drain and stop the proxy. Commands are heard until it has ended."""
        await self._service.stopService()
        if self._operator is not None:
            self._operator.stop()
        await self._control.stop()
        await self.keeping.stop()
        if self._engine is not None:
            self._engine.stop()

    async def _act(self, notice: Notice) -> Confirmations:
        name = (self._service.member,)
        has_acted = await acted(self._service.hear, notice, self._reactor)
        return Confirmations(name, ()) if has_acted else Confirmations((), name)


async def _no_upgrade() -> str:
    return "a proxy of one process cannot be upgraded: set WORKERS to 2 or more"
