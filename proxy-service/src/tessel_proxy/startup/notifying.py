"""Notifies all proxies of a fleet through its engine, for `end-tunnels` and `check-tokens`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from tessel_proxy.fleet import Confirmations, Notice
from tessel_proxy.fleet.shared import fleet_engine
from tessel_proxy.startup.config import Config
from tessel_proxy.startup.run import IReactor
from tessel_service_kit.settings import ConfigError

if TYPE_CHECKING:
    from tessel_proxy.fleet.valkey.engine import ValkeyEngine

CONNECT_S: Final = 5.0
"""Seconds to wait for the connection to the engine."""

LOOK_S: Final = 0.02


def notify_fleet(notice: Notice, environ: Mapping[str, str], reactor: IReactor) -> Confirmations:
    """Notify all proxies of the fleet at FLEET_URL; return which have acted. Blocks until then.

    Raises ConfigError, also without FLEET_URL, and EngineError.
    """
    engine = fleet_engine(Config.for_telling(environ), reactor)
    if engine is None:
        raise ConfigError(["FLEET_URL is not set; needed: the engine of the fleet"])
    results: list[Confirmations | Failure] = []
    notifying = Deferred.fromCoroutine(_notify(engine, notice, reactor))
    notifying.addBoth(results.append)
    notifying.addBoth(lambda _: reactor.stop())
    reactor.run()
    (result,) = results
    if isinstance(result, Failure):
        result.raiseException()
    return result


async def _notify(engine: ValkeyEngine, notice: Notice, reactor: Any) -> Confirmations:
    engine.start()
    try:
        until = reactor.seconds() + CONNECT_S
        while not engine.is_up and reactor.seconds() < until:
            await deferLater(reactor, LOOK_S)
        return await engine.publish(notice)
    finally:
        engine.stop()
