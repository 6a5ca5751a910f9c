"""The supervisor without processes: when it starts workers, and what it says of them."""

import pytest
from prometheus_client import CollectorRegistry
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ProcessTerminated
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from support.proxy_in_memory import LoggedEvents
from tessel_proxy.fleet.local import LocalEngine
from tessel_proxy.fleet.summing import SummedCollector
from tessel_proxy.fleet.supervisor import HUNG_S, SILENT_S, Plan, Supervisor
from tessel_proxy.fleet.upgrade import START_S, Upgrade
from tessel_proxy.fleet.workers import HALT, Launch, Status, WorkerState
from tessel_proxy.records.accounting import Listener


class Processes(Clock):
    """A clock that also starts processes, which do nothing."""

    def __init__(self):
        super().__init__()
        self.started = []
        self.refuses = False

    def spawnProcess(self, protocol, _executable, args, **_more):
        if self.refuses:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        self.started.append(protocol)
        protocol.makeConnection(Process(args, number=len(self.started)))

    def adoptStreamConnection(self, *_):
        """The links are not used here."""


class Process:
    def __init__(self, args, number):
        self.args, self.pid, self.signals = args, number, []

    def signalProcess(self, name):
        self.signals.append(name)


@pytest.fixture(autouse=True)
def logged():
    with LoggedEvents() as logged:
        yield logged


@pytest.fixture
def processes():
    return Processes()


@pytest.fixture
def supervisor(processes):
    engine = LocalEngine(processes)
    supervisor = Supervisor(
        Plan(2, "127.0.0.1", {Listener.MAIN: 0}, 0.0, "host"),
        Launch(["python"], {}, 2, 2),
        engine,
        processes,
        forget=engine.forget,
        log=lambda _lines: None,
        metrics=SummedCollector(CollectorRegistry()),
    )
    yield supervisor
    for each in supervisor.seats:
        each.close()
    if supervisor._looks.running:
        supervisor._looks.stop()


def begin(supervisor, processes):
    """Start, and let the first workers serve."""
    started = Deferred.fromCoroutine(supervisor.start())
    for each in processes.started:
        each._serves()
    return started


def die(worker, number=9):
    worker.processEnded(Failure(ProcessTerminated(None, number, None)))


def test_it_has_started_when_each_worker_serves(supervisor, processes):
    started = Deferred.fromCoroutine(supervisor.start())
    assert supervisor.obstacles == ["starting: 0 of 2 workers serve"]
    processes.started[0]._serves()
    assert not started.called
    processes.started[1]._serves()
    assert started.called
    assert supervisor.obstacles == []


def test_workers_of_one_port_have_sockets_of_their_own(supervisor, processes):
    begin(supervisor, processes)
    sockets = [seat.sockets[Listener.MAIN] for seat in supervisor.seats]
    assert len({each.getsockname() for each in sockets}) == 1
    assert len({each.fileno() for each in sockets}) == 2
    arguments = [each.transport.args for each in processes.started]
    assert [[each[1], each[3]] for each in arguments] == [
        ["--number=1", "--sockets=main=5"],
        ["--number=2", "--sockets=main=5"],
    ]
    members = [each[2].removeprefix("--member=") for each in arguments]
    assert members == [each.member for each in processes.started]


def test_a_worker_that_dies_is_started_again_on_its_seat(supervisor, processes, logged):
    begin(supervisor, processes)
    first = processes.started[0]
    die(first)
    processes.advance(0)
    assert processes.started[2].seat is first.seat
    assert logged.named("worker_died")[0]["why"] == "signal 9"
    assert supervisor.restarts_total == 1


def test_a_worker_that_cannot_be_started_is_tried_again(supervisor, processes, logged):
    begin(supervisor, processes)
    processes.refuses = True
    die(processes.started[0])
    processes.advance(0)
    assert "cannot be started" in logged.named("worker_died")[1]["why"]
    processes.refuses = False
    processes.advance(0.5)
    assert len(processes.started) == 3


def test_a_crash_loop_is_an_obstacle_also_at_the_start(supervisor, processes):
    Deferred.fromCoroutine(supervisor.start())
    for _ in range(3):
        die(processes.started[-1])
        processes.advance(10)
    assert supervisor.obstacles == [
        "starting: 0 of 2 workers serve",
        "worker 2 died 3 times soon after its start",
    ]


def test_a_worker_that_does_not_answer_and_the_reasons_of_workers_are_obstacles(
    supervisor, processes
):
    begin(supervisor, processes)
    one, other = processes.started
    one.status = Status(0, ["memory is full"])
    processes.advance(SILENT_S + 5)
    one.answered_at = processes.seconds()
    assert supervisor.obstacles == [
        "worker 1: memory is full",
        "worker 2 has not answered for 20 s",
    ]
    assert other.state is WorkerState.SERVING


def test_a_stop_signals_all_and_ends_with_the_last_of_them(supervisor, processes):
    begin(supervisor, processes)
    stopped = Deferred.fromCoroutine(supervisor.stop())
    assert [each.transport.signals for each in processes.started] == [["TERM"]] * 2
    assert supervisor.obstacles == ["draining"]
    die(processes.started[0])
    processes.advance(0)
    assert not stopped.called
    die(processes.started[1])
    assert stopped.called
    assert len(processes.started) == 2  # none is replaced


def test_a_reload_reaches_all_workers(supervisor, processes):
    begin(supervisor, processes)
    supervisor.reload()
    assert [each.transport.signals for each in processes.started] == [["HUP"]] * 2


def test_log_lines_are_passed_on_whole(supervisor, processes):
    begin(supervisor, processes)
    lines = []
    worker = processes.started[0]
    worker._log_lines = lines.append
    for data in (b"one\ntw", b"o\n", b"thr", b"ee"):
        worker.childDataReceived(2, data)
    assert lines == [b"one\n", b"two\n"]
    die(worker)
    assert lines[-1] == b"three\n"  # the rest of one that was cut


def test_a_worker_that_starts_reloads_when_it_serves(supervisor, processes):
    started = Deferred.fromCoroutine(supervisor.start())
    supervisor.reload()
    first, second = processes.started
    assert first.transport.signals == []
    first._serves()
    assert first.transport.signals == ["HUP"]
    supervisor.reload()
    second._serves()
    assert (first.transport.signals, second.transport.signals) == (["HUP", "HUP"], ["HUP"])
    assert started.called


def test_all_workers_of_an_upgrade_have_the_same_time_to_start(supervisor, processes):
    begin(supervisor, processes)
    Deferred.fromCoroutine(Upgrade(supervisor, processes).run())
    candidates = processes.started[2:]
    processes.advance(START_S)
    assert [each.transport.signals for each in candidates] == [["KILL"], ["KILL"]]
    for each in candidates:
        die(each)


def test_workers_that_hang_do_not_survive_the_supervisor(supervisor, processes):
    begin(supervisor, processes)
    hung, other = processes.started
    processes.advance(HUNG_S + 1)
    other.answered_at = processes.seconds()
    supervisor.halt()
    assert (hung.transport.signals, other.transport.signals) == (["KILL"], [HALT])


def test_workers_that_do_not_end_in_time_are_killed(supervisor, processes):
    begin(supervisor, processes)
    stopping = Deferred.fromCoroutine(supervisor.stop())
    processes.advance(0)
    stopping.cancel()
    stopping.addErrback(lambda failure: failure.trap(CancelledError))
    assert [each.transport.signals for each in processes.started] == [["TERM", "KILL"]] * 2
