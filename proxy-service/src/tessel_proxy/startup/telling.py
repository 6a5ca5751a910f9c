"""The commands that tell running proxies something: `end-tunnels` and `check-tokens`.

With FLEET_URL they tell all proxies of the fleet, else the one at CONTROL_SOCKET.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from tessel_proxy.fleet import Confirmations, Notice
from tessel_proxy.fleet.control import tell
from tessel_proxy.fleet.shared import fleet_engine
from tessel_proxy.startup.config import Config
from tessel_proxy.startup.run import IReactor
from tessel_service_kit.settings import ConfigError

if TYPE_CHECKING:
    from tessel_proxy.fleet.valkey.engine import ValkeyEngine

CONNECT_S: Final = 5.0
"""Seconds to wait for the connection to the engine."""

LOOK_S: Final = 0.02


def tell_proxies(notice: Notice, environ: Mapping[str, str], reactor: IReactor) -> Confirmations:
    """Tell all proxies that can be reached; return which have acted. Blocks until then.

    Raises ConfigError, also if no way to a proxy is set; EngineError and ControlError.
    """
    config = Config.for_telling(environ)
    engine = fleet_engine(config, reactor)
    if engine is not None:
        return _tell_fleet(engine, notice, reactor)
    if config.control_socket is not None:
        return tell(config.control_socket, notice)
    raise ConfigError(
        ["FLEET_URL and CONTROL_SOCKET are not set; needed: one of them, as the proxies have it"]
    )


def _tell_fleet(engine: ValkeyEngine, notice: Notice, reactor: IReactor) -> Confirmations:
    results: list[Confirmations | Failure] = []
    telling = Deferred.fromCoroutine(_tell(engine, notice, reactor))
    telling.addBoth(results.append)
    telling.addBoth(lambda _: reactor.stop())
    reactor.run()
    (result,) = results
    if isinstance(result, Failure):
        result.raiseException()
    return result


async def _tell(engine: ValkeyEngine, notice: Notice, reactor: Any) -> Confirmations:
    engine.start()
    try:
        until = reactor.seconds() + CONNECT_S
        while not engine.is_up and reactor.seconds() < until:
            await deferLater(reactor, LOOK_S)
        return await engine.publish(notice)
    finally:
        engine.stop()


def confirmed_text(done: Confirmations) -> str:
    """Return the confirmations for the operator."""
    lines = [f"{len(done.confirmed)} of {len(done.confirmed) + len(done.missing)} have acted"]
    lines += [f"not confirmed: {name}" for name in sorted(done.missing)]
    return "\n".join(lines)
