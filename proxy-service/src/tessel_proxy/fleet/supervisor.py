"""The supervisor: starts the workers on their sockets, replaces those that die, and stops all.

It reads no socket of a device. A seat is the place of one worker with its listening sockets; the
sockets stay open while workers come and go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import Logger

from tessel_proxy.fleet.kept import HostEngine
from tessel_proxy.fleet.launching import IWorkerReactor, Launch
from tessel_proxy.fleet.place import Seat, open_seats
from tessel_proxy.fleet.restarts import Replacements
from tessel_proxy.fleet.silence import HUNG_S, LOOK_S, START_S, Patience, SilenceWatch, Stage
from tessel_proxy.fleet.summing import SummedCollector, unpacked
from tessel_proxy.fleet.worker_lines import WorkerLines
from tessel_proxy.fleet.workers import HALT, WorkerProcess, WorkerState
from tessel_proxy.records.accounting import Listener
from tessel_service_kit.logs import LogFormat


@dataclass(frozen=True, slots=True)
class Plan:
    """The ports that the supervisor opens, and the workers that it starts.

    `count` workers at `host` and `ports`. `drain_delay_s`: seconds after a SIGTERM in which the
    workers still accept. `name` is part of the members' names, unique among all hosts. `patience`:
    how long workers may be silent. `log_format`: of their log lines.
    """

    count: int
    host: str
    ports: Mapping[Listener, int]
    drain_delay_s: float
    name: str
    patience: Patience
    log_format: LogFormat


class Supervisor:
    """Keeps one worker serving on each seat."""

    _log = Logger()

    def __init__(
        self,
        plan: Plan,
        launch: Launch,
        engine: HostEngine,
        reactor: IWorkerReactor,
        *,
        forget: Callable[[str], None],
        log: Callable[[bytes], None],
        metrics: SummedCollector,
    ) -> None:
        """`forget` removes a dead member from the engine; `log` writes lines of workers."""
        self._plan = plan
        self._launch = launch
        self._engine = engine
        self._reactor = reactor
        self._forget = forget
        self._log_lines = log
        self._metrics = metrics
        self._seats: list[Seat] = []
        self._current: dict[int, WorkerProcess] = {}  # by number of the seat
        self._others: set[WorkerProcess] = set()  # candidates of an upgrade, and those that drain
        self.replacements = Replacements(self._start_on, reactor)
        self._serial = 0
        self._started: Deferred[None] = Deferred()
        self._all_ended: Deferred[None] | None = None
        self.silence = SilenceWatch()
        self._looks = LoopingCall(self._look)
        self._looks.clock = reactor
        self._looking: Deferred[LoopingCall] | None = None
        self.listening: Sequence[tuple[str, int]] = ()  # of the supervisor itself
        self.has_started = False
        self.stopping = False

    @property
    def living(self) -> Sequence[WorkerProcess]:
        """All workers whose processes run, also those that start or drain."""
        return [*self._current.values(), *self._others]

    @property
    def seats(self) -> Sequence[Seat]:
        """The seats, in the order of their numbers."""
        return self._seats

    async def start(self) -> None:
        """Open the sockets and start the workers; return when each has served once.

        Raises CannotListenError. Workers that die are replaced meanwhile.
        """
        self._seats = open_seats(self._plan.count, self._plan.host, self._plan.ports)
        self.replacements.of(self._seats)
        self._looking = self._looks.start(LOOK_S, now=False)
        self._looking.addErrback(
            lambda why: self._log.failure("workers are not watched any more", failure=why)
        )
        for seat in self._seats:
            self._start_on(seat)
        await self._started

    @property
    def _all_serve(self) -> bool:
        states = [each.state for each in self._current.values()]
        return len(states) == self._plan.count and set(states) == {WorkerState.SERVING}

    def _start_on(self, seat: Seat) -> None:
        try:
            worker = self.new_worker(seat)
        except OSError as error:  # the system has no process or no memory for it
            self.replacements.died(seat, 0.0, f"it cannot be started: {error}")
            return
        self._current[seat.number] = worker
        worker.ready.addErrback(lambda _ended: None)  # `_worker_ended` replaces it

    def new_worker(self, seat: Seat, start_s: float = START_S) -> WorkerProcess:
        """Start a process on a seat, which must serve within `start_s`; the caller knows what for.

        Raises OSError.
        """
        self._serial += 1
        worker = WorkerProcess(
            seat,
            f"{self._plan.name}/{seat.number}.{self._serial}",
            self._engine,
            self._reactor,
            patience=replace(self._plan.patience, start_s=start_s),
            lines=WorkerLines(seat.number, self._plan.log_format, self._log_lines),
            seen=lambda member, metrics: self._metrics.seen(member, unpacked(metrics)),
            left=self._worker_left,
            ended=self._worker_ended,
        )
        worker.ready.addCallback(self._serves, worker)
        worker.start(self._launch, self.listening)
        return worker

    def _serves(self, _ready: None, worker: WorkerProcess) -> None:
        if not self.has_started and self._all_serve:
            self.has_started = True
            self._started.callback(None)
        self._log.info(
            "worker {worker} serves, process {pid}",
            event="worker_serves",
            worker=worker.seat.number,
            pid=worker.pid,
        )

    def _worker_left(self, worker: WorkerProcess) -> None:
        """Called when a worker says that it ends, maybe before a look has found that it drains."""
        if worker.state is WorkerState.SERVING and self._current.get(worker.seat.number) is worker:
            self._succeed(worker)

    def _worker_ended(self, worker: WorkerProcess, why: str) -> None:
        self._forget(worker.member)
        self._metrics.ended(worker.member)
        number = worker.seat.number
        was_current = self._current.get(number) is worker
        self._others.discard(worker)
        if was_current:
            del self._current[number]
        if was_current and not self.stopping:
            self.replacements.died(worker.seat, worker.lived_s, why)
        else:
            self._log.info(
                "worker {worker} has ended: {why}",
                event="worker_ended",
                worker=number,
                why=why,
            )
        if self._all_ended is not None and not self.living:
            self._all_ended.callback(None)
            self._all_ended = None

    def _look(self) -> None:
        living = self.living
        tunnels = sum(each.status.tunnels for each in living)
        for each in living:
            each.look(tunnels - each.status.tunnels)
        self.silence.look(living)
        for worker in list(self._current.values()):
            self.replacements.has_lived(worker.seat, worker.lived_s)
            if worker.is_leaving:
                self._succeed(worker)

    def _succeed(self, worker: WorkerProcess) -> None:
        """Start a successor of a worker that drains although nobody here has asked it to."""
        if not self.stopping:
            worker.state = WorkerState.RETIRING
            self._others.add(worker)
            self._start_on(worker.seat)

    def watch(self, candidate: WorkerProcess) -> None:
        """Keep a worker that is not the current one of its seat among the living."""
        self._others.add(candidate)

    def hand_over(self, candidates: Iterable[WorkerProcess]) -> None:
        """Make the candidates the current workers, and let those before them drain."""
        for each in candidates:
            number = each.seat.number
            self._others.discard(each)
            former = self._current.get(number)
            self._current[number] = each
            self.replacements.renew(each.seat)
            if former is not None:
                self._others.add(former)
                former.retire()

    def reload(self) -> None:
        """Let all workers read their files again."""
        for each in self.living:
            each.reload()

    async def stop(self) -> None:
        """Let all workers drain and end; the sockets close after `drain_delay_s`."""
        self.stopping = True
        self.replacements.stop()
        self._signal_all("TERM")
        ended = self._wait_for_all()
        if self.living:
            await DeferredList(
                [ended, deferLater(self._reactor, self._plan.drain_delay_s)],
                fireOnOneCallback=True,
            )
        for seat in self._seats:
            seat.close()
        try:
            await ended
        except CancelledError:  # the time to stop is over, and this process ends
            self._signal_all("KILL")
            raise
        if self._looks.running:
            self._looks.stop()

    def _wait_for_all(self) -> Deferred[None]:
        ended: Deferred[None] = Deferred()
        if self.living:
            self._all_ended = ended
        else:
            ended.callback(None)
        return ended

    def halt(self) -> None:
        """Stop all workers at once: HALT for each, SIGKILL for those that hang.

        One that hangs would survive this process and keep its sockets, on which devices that
        connect to the next proxy would wait for ever.
        """
        for each in self.living:
            each.signal("KILL" if each.silent_s >= HUNG_S else HALT)

    def _signal_all(self, name: str) -> None:
        for each in self.living:
            each.signal(name)

    @property
    def silent_workers(self) -> int:
        """Number of workers that have not answered for long."""
        return sum(each.stage is not Stage.ANSWERS for each in self.living)

    @property
    def obstacles(self) -> list[str]:
        """The reasons, in words, why the proxy should get no new tunnels; empty: it is ready."""
        if self.stopping:
            return ["draining"]
        if not self.has_started:
            serving = [each for each in self._current.values() if each.state is WorkerState.SERVING]
            found = [f"starting: {len(serving)} of {self._plan.count} workers serve"]
            return found + self.replacements.obstacles
        workers = [self._current[number] for number in sorted(self._current)]
        return self.replacements.obstacles + [text for each in workers for text in each.obstacles]
