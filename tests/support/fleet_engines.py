"""Engines of a fleet that are connected to a real server, and ways to wait for them."""

from twisted.internet import reactor
from twisted.internet.task import deferLater

from tessel_proxy.fleet.valkey.address import EngineAddress
from tessel_proxy.fleet.valkey.dialing import Dialer
from tessel_proxy.fleet.valkey.engine import ValkeyEngine


async def passes(seconds):
    await deferLater(reactor, seconds)


async def until(condition, within_s=5.0):
    """Wait until `condition` returns a true value, without blocking the reactor."""
    deadline = reactor.seconds() + within_s
    while not (value := condition()):
        assert reactor.seconds() < deadline, f"not within {within_s} s"
        await passes(0.02)
    return value


async def until_async(condition, within_s=5.0):
    deadline = reactor.seconds() + within_s
    while not (value := await condition()):
        assert reactor.seconds() < deadline, f"not within {within_s} s"
        await passes(0.05)
    return value


def engine_at(port, rebuild_s=0.0, **kwargs):
    """Return an engine that connects to a server on loopback; not started."""
    address = EngineAddress((("127.0.0.1", port),), **kwargs)
    return ValkeyEngine(reactor, Dialer(reactor, address), rebuild_s=rebuild_s)


class Engines:
    """Starts engines, and stops all of them at the end of the test."""

    def __init__(self):
        self._started = []

    def __call__(self, port, **kwargs):
        return self.started(engine_at(port, **kwargs))

    def started(self, engine):
        engine.start()
        self._started.append(engine)
        return engine

    async def up(self, port, **kwargs):
        engine = self(port, **kwargs)
        await until(lambda: engine.is_up)
        return engine

    async def close(self):
        for each in self._started:
            each.stop()
        await passes(0.02)  # aborted connections are closed in the next turn
