"""The supervisor without processes: when it starts workers, and what it says of them."""

import pytest
from prometheus_client import CollectorRegistry
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ProcessTerminated
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from support.proxy_in_memory import LoggedEvents
from tessel_proxy.fleet.launching import Launch
from tessel_proxy.fleet.local import LocalEngine
from tessel_proxy.fleet.silence import HUNG_S, LOOK_S, Patience
from tessel_proxy.fleet.summing import SummedCollector, packed
from tessel_proxy.fleet.supervisor import Plan, Supervisor
from tessel_proxy.fleet.upgrade import START_S, Upgrade
from tessel_proxy.fleet.workers import HALT, TRACE, WorkerState
from tessel_proxy.records.accounting import Listener
from tessel_service_kit.logs import LogFormat

PATIENCE = Patience(answer_s=30.0, drain_s=60.0, start_s=300.0)


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
        Plan(2, "127.0.0.1", {Listener.MAIN: 0}, 0.0, "host", PATIENCE, LogFormat.TEXT),
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


class Link:
    """A link to a worker that answers each look, unless it is silent."""

    is_silent = lost = False

    def __init__(self):
        self.obstacles = []
        self.unanswered = []

    def call(self, _command, **_values):
        answer = Deferred()
        self.unanswered.append(answer)
        if not self.is_silent:
            self.answer()
        return answer

    def answer(self):
        box = {"tunnels": 0, "obstacles": self.obstacles, "metrics": NO_METRICS}
        while self.unanswered:
            self.unanswered.pop().callback(box)

    def end(self):
        self.lost = True


NO_METRICS = packed([])


def begin(supervisor, processes):
    """Start, and let the first workers serve."""
    started = Deferred.fromCoroutine(supervisor.start())
    serve(processes.started)
    return started


def serve(workers):
    for each in workers:
        each.link = Link()
        each._serves()


def pass_looks(processes, seconds):
    processes.pump([LOOK_S] * int(seconds / LOOK_S))


def die(worker, number=9):
    worker.processEnded(Failure(ProcessTerminated(None, number, None)))


def test_it_has_started_when_each_worker_serves(supervisor, processes):
    started = Deferred.fromCoroutine(supervisor.start())
    assert supervisor.obstacles == ["starting: 0 of 2 workers serve"]
    serve(processes.started[:1])
    assert not started.called
    serve(processes.started[1:])
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
    assert supervisor.replacements.total == 1


def test_a_worker_that_ends_between_two_looks_is_succeeded_and_has_not_died(
    supervisor, processes, logged
):
    begin(supervisor, processes)
    worker = processes.started[0]
    worker._ends(NO_METRICS)
    die(worker, 0)
    processes.advance(0)
    assert processes.started[2].seat is worker.seat
    assert logged.named("worker_died") == []


def test_an_answer_that_cannot_be_read_is_logged_and_ends_nothing(
    supervisor, processes, logged_failures
):
    begin(supervisor, processes)
    worker = processes.started[0]
    worker._seen = unreadable
    pass_looks(processes, PATIENCE.answer_s + 2)
    assert worker.transport.signals == []
    assert logged_failures.flush(ValueError)


def unreadable(_member, _metrics):
    raise ValueError


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
    one.link.obstacles = ["memory is full"]
    other.link.is_silent = True
    pass_looks(processes, 21)
    assert supervisor.obstacles == [
        "worker 1: memory is full",
        "worker 2 has not answered for 20 s",
    ]
    assert (supervisor.silent_workers, other.state) == (1, WorkerState.SERVING)
    other.link.answer()
    pass_looks(processes, 1)
    assert (supervisor.obstacles, supervisor.silent_workers) == (["worker 1: memory is full"], 0)


def test_a_worker_that_hangs_is_reported_traced_killed_and_replaced(supervisor, processes, logged):
    begin(supervisor, processes)
    hung, _other = processes.started
    hung.link.is_silent = True
    pass_looks(processes, PATIENCE.answer_s - 1)
    (line,) = logged.named("worker_hangs")
    assert (line["pid"], line["silent"], line["error"]) == (1, 15, "TP3036")
    assert hung.transport.signals == []
    pass_looks(processes, 1)
    assert hung.transport.signals == [TRACE]
    pass_looks(processes, 3)
    assert hung.transport.signals == [TRACE, "KILL"]
    die(hung)
    processes.advance(0)
    assert logged.named("worker_died")[0]["why"] == ("killed, because it had not answered for 30 s")
    assert processes.started[2].seat is hung.seat
    assert supervisor.silence.killed_total == 1


def test_a_worker_that_hangs_while_it_drains_is_killed_and_not_replaced(supervisor, processes):
    begin(supervisor, processes)
    former = processes.started[:2]
    Deferred.fromCoroutine(Upgrade(supervisor).run())
    serve(processes.started[2:])
    former[0].link.is_silent = True
    pass_looks(processes, PATIENCE.answer_s + 1)
    assert former[0].transport.signals == [TRACE, "KILL"]
    die(former[0])
    pass_looks(processes, 1)
    assert len(processes.started) == 4


def test_a_supervisor_that_was_stopped_itself_does_not_blame_its_workers(
    supervisor, processes, logged
):
    begin(supervisor, processes)
    for each in processes.started:
        each.link.is_silent = True
    pass_looks(processes, 1)
    processes.advance(3600.0)  # the answers wait in the sockets
    for each in processes.started:
        each.link.answer()
    pass_looks(processes, 1)
    assert supervisor.obstacles == []
    assert [each.transport.signals for each in processes.started] == [[], []]
    assert logged.named("worker_hangs") == []


def test_a_worker_that_was_slow_is_reported_and_lives(supervisor, processes, logged):
    begin(supervisor, processes)
    slow = processes.started[0]
    slow.link.is_silent = True
    pass_looks(processes, 20)
    slow.link.answer()
    slow.link.is_silent = False
    pass_looks(processes, 60)
    assert len(logged.named("worker_hangs")) == len(logged.named("worker_answers_again")) == 1
    assert slow.transport.signals == []


def test_a_worker_that_does_not_serve_in_time_is_killed_untraced(supervisor, processes):
    Deferred.fromCoroutine(supervisor.start())
    pass_looks(processes, PATIENCE.start_s - 1)
    assert processes.started[0].transport.signals == []
    pass_looks(processes, 1)
    assert processes.started[0].transport.signals == ["KILL"]


def test_a_worker_whose_connection_broke_is_succeeded_and_killed_if_it_does_not_end(
    supervisor, processes
):
    begin(supervisor, processes)
    worker = processes.started[0]
    worker.link.end()
    pass_looks(processes, 1)
    assert len(processes.started) == 2  # its process may end at this moment
    pass_looks(processes, 1)
    assert processes.started[2].seat is worker.seat
    pass_looks(processes, PATIENCE.drain_s)
    assert worker.transport.signals == [TRACE, "KILL"]


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
    worker._lines._write = lines.append
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
    serve([first])
    assert first.transport.signals == ["HUP"]
    supervisor.reload()
    serve([second])
    assert (first.transport.signals, second.transport.signals) == (["HUP", "HUP"], ["HUP"])
    assert started.called


def test_all_workers_of_an_upgrade_have_the_same_time_to_start(supervisor, processes):
    begin(supervisor, processes)
    Deferred.fromCoroutine(Upgrade(supervisor).run())
    candidates = processes.started[2:]
    pass_looks(processes, START_S)
    assert [each.transport.signals for each in candidates] == [["KILL"], ["KILL"]]
    for each in candidates:
        die(each)


def test_workers_that_hang_do_not_survive_the_supervisor(supervisor, processes):
    begin(supervisor, processes)
    hung, other = processes.started
    hung.link.is_silent = True
    pass_looks(processes, HUNG_S + 1)
    assert other.silent_s == 0.0
    supervisor.halt()
    assert (hung.transport.signals, other.transport.signals) == (["KILL"], [HALT])


def test_workers_that_do_not_end_in_time_are_killed(supervisor, processes):
    begin(supervisor, processes)
    stopping = Deferred.fromCoroutine(supervisor.stop())
    processes.advance(0)
    stopping.cancel()
    stopping.addErrback(lambda failure: failure.trap(CancelledError))
    assert [each.transport.signals for each in processes.started] == [["TERM", "KILL"]] * 2


def test_an_upgrade_that_a_stop_interrupts_is_given_up_and_no_error(supervisor, processes, logged):
    begin(supervisor, processes)
    upgraded = Deferred.fromCoroutine(Upgrade(supervisor).run())
    Deferred.fromCoroutine(supervisor.stop())
    for each in processes.started:
        assert each.transport.signals == ["TERM"]
        die(each, 15)
    assert upgraded.result == "the proxy is stopping"
    assert len(logged.named("upgrade_given_up")) == 1
    assert logged.named("upgrade_failed") == []


def test_one_of_two_upgrades_at_once_is_refused(supervisor, processes):
    begin(supervisor, processes)
    upgrade = Upgrade(supervisor)
    first, second = (Deferred.fromCoroutine(upgrade.run()) for _ in range(2))
    assert second.result == "another upgrade is in progress"
    serve(processes.started[2:])
    assert first.result is None


def test_a_worker_that_dies_during_an_upgrade_is_replaced_by_the_new_one(supervisor, processes):
    begin(supervisor, processes)
    upgraded = Deferred.fromCoroutine(Upgrade(supervisor).run())
    die(processes.started[0])
    serve(processes.started[2:])
    assert upgraded.result is None
    pass_looks(processes, 5)
    assert len(processes.started) == 4
    assert supervisor.obstacles == []
