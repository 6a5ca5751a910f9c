"""A fleet in memory: members whose calls are late, lost or fail, and devices that come and go."""

from random import Random

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock, deferLater

from tessel_proxy.fleet.engine import Admission, Demand, EngineError
from tessel_proxy.fleet.local import LocalEngine
from tessel_proxy.fleet.member import Member
from tessel_proxy.fleet.notices import DeviceMoved
from tessel_proxy.fleet.valkey.rebuilding import REBUILD_S
from tessel_proxy.limits.accounts import AccountLimits

ACCOUNT = "kim"
LATE_S = 0.05


class Line:
    """A member's connection to the engine. Calls, answers and notices keep their order.

    `fails` is "" or one of "cut" (calls are not executed) and "deaf" (their answers are lost).
    """

    def __init__(self, world):
        self._world = world
        self._random = Random(world.random.random())  # sets are in no certain order
        self._last = {"up": 0.0, "down": 0.0}
        self._epoch = world.epoch
        self._complete_at = 0.0
        self.fails = ""

    def listen(self, member, hear):
        async def told(notice):
            await self._pass("down")
            if not self.fails and (done := hear(notice)) is not None:
                await done

        self.connect = lambda: self._world.engine.listen(
            member, lambda notice: Deferred.fromCoroutine(told(notice))
        )
        self.connect()

    async def _pass(self, way):
        now = self._world.clock.seconds()
        self._last[way] = max(self._last[way], now + self._random.random() * LATE_S)
        await deferLater(self._world.clock, self._last[way] - now)

    def __getattr__(self, method):
        async def call(*values, **named):
            answer = Deferred()  # a caller that is cancelled does not stop what is under way
            working = Deferred.fromCoroutine(self._execute(method, values, named))
            working.addCallbacks(answer.callback, answer.errback)
            return await answer

        return call

    async def _execute(self, method, values, named):
        await self._pass("up")
        if self.fails == "cut":
            raise EngineError("cut")
        is_complete = self._is_complete()
        if method == "admit" and not is_complete:
            result = await self._not_counted(*values, **named)
        else:
            result = await getattr(self._world.engine, method)(*values, **named)
        await self._pass("down")
        if self.fails or result is None or (method == "exchange" and not is_complete):
            raise EngineError("no answer that may be used")
        return result

    async def _not_counted(self, member, account, device, own, limit, *, departed):
        """Refuse what incomplete counts forbid; else return None, and the member decides."""
        demands, gone = {account: Demand(own)}, {account: departed}
        found = await self._world.engine.exchange(member, demands, departed=gone)
        takes_over = self._world.engine._older(member, account, device) is not None
        if found[account].demand.tunnels - takes_over < limit:
            return None
        return Admission(False, found[account])

    def _is_complete(self):
        """Return whether totals may be used, as Rebuilding does."""
        if self._epoch != self._world.epoch:
            self._epoch = self._world.epoch
            self._complete_at = self._world.clock.seconds() + REBUILD_S
        return self._world.clock.seconds() >= self._complete_at


class Process:
    """A member with its tunnels: as sessions do, but without bytes."""

    def __init__(self, world, name):
        self.world, self.name = world, name
        self.line = Line(world)
        self.limits = AccountLimits(world.config, world.clock)
        self.here = set()
        self.asking = []
        self.member = Member(
            name,
            self.line,
            world.clock,
            world.config,
            self.limits,
            workers=world.size,
            hear=self._heard,
            is_here=lambda _account, device: device in self.here,
        )
        self.member.start()

    @property
    def tunnels(self):
        return self.limits.usage(ACCOUNT).tunnels

    @property
    def unnamed(self):
        return self.tunnels - len(self.here)

    def _heard(self, notice):
        if isinstance(notice, DeviceMoved) and notice.device in self.here:
            self.close(notice.device)

    def close(self, device):
        self.limits.close_tunnel(ACCOUNT, self.limits.usage(ACCOUNT))
        if device is not None:
            self.here.remove(device)
            self.member.left(ACCOUNT, device)

    def open(self, device):
        if device in self.here:
            self.close(device)
        asked = Deferred.fromCoroutine(self.member.take(ACCOUNT, device))
        self.asking.append(asked)
        asked.addCallback(self._taken, device)
        asked.addErrback(lambda failure: failure.trap(CancelledError) and None)
        asked.addCallback(lambda _: self.asking.remove(asked) if asked in self.asking else None)

    def _taken(self, allowed, device):
        if self.name not in self.world.processes or not allowed:
            return
        if device in self.here:
            self.close(device)
        if self.limits.open_tunnel(ACCOUNT) is not None and device is not None:
            self.here.add(device)


class World:
    """Some processes, an engine, and what must always be so."""

    def __init__(self, random, config, size=3):
        self.random, self.config, self.size = random, config, size
        self.clock, self.epoch = Clock(), 0
        self.engine = LocalEngine(self.clock)
        self.processes = {}
        self.allowed_alone = 0  # tunnels above the limit, which members may open without the engine
        self._started = 0
        for _ in range(size):
            self.start_one()

    def start_one(self):
        name = f"member {self._started}"
        self._started += 1
        self.processes[name] = Process(self, name)

    def die(self, process):
        del self.processes[process.name]
        for loop in process.member._loops:
            loop.stop()
        process.member._reports.stop()
        process.line.fails = "cut"
        self.engine.forget(process.name)

    def fail(self, how):
        """Let the engine lose its data, or one member or all lose the engine."""
        even, limit = -(-self.config.max_tunnels_per_account // self.size), self.open_now
        self.allowed_alone = 0
        for each in self.processes.values():
            others = limit - each.tunnels  # as each has last heard
            room = self.config.max_tunnels_per_account - others
            self.allowed_alone += max(0, max(even, room) - each.tunnels)
        if how == "lost":
            self.engine, self.epoch = LocalEngine(self.clock), self.epoch + 1
            for each in self.processes.values():
                each.line.connect()
        else:
            for each in self.processes.values():
                each.line.fails = how

    def recover(self):
        """Let all members reach the engine again."""
        for each in self.processes.values():
            each.line.fails = ""

    def close_all(self):
        """Close all tunnels, and wait until the engine knows it."""
        for each in self.processes.values():
            for device in [*each.here, *[None] * each.unnamed]:
                each.close(device)
        self.passes(2.0)

    def pick(self):
        return self.random.choice(list(self.processes.values()))

    def passes(self, seconds):
        for _ in range(round(seconds * 100)):
            self.clock.advance(0.01)

    @property
    def open_now(self):
        """Tunnels; a device that has moved counts once."""
        found = self.processes.values()
        return sum(each.unnamed for each in found) + len(set().union(*(e.here for e in found)))
