"""Jobs in threads, while the reactor runs."""

from threading import Event, current_thread

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, ensureDeferred
from twisted.internet.task import deferLater

from tessel_oauth.errors import OverloadError
from tessel_oauth.worker import Worker


@pytest_twisted.async_yield_fixture
async def worker():
    worker = Worker(reactor, "tests", threads=1, max_waiting=2)
    worker.start()
    yield worker
    await worker.stop(lambda: None)


@pytest_twisted.ensureDeferred
async def test_jobs_run_in_one_other_thread(worker):
    first = await worker.run(current_thread)
    second = await worker.run(current_thread)

    assert first is second is not current_thread()


@pytest_twisted.ensureDeferred
async def test_the_error_of_a_job_is_its_result(worker):
    with pytest.raises(ZeroDivisionError):
        await worker.run(divmod, 1, 0)


@pytest_twisted.ensureDeferred
async def test_jobs_beyond_the_limit_are_refused_at_once(worker):
    gate = Event()
    running, waiting = worker.run(gate.wait), worker.run(int)

    with pytest.raises(OverloadError, match="tests: 2 jobs wait already"):
        await worker.run(int)

    gate.set()
    await running
    await waiting
    assert await worker.run(int, "7") == 7


@pytest_twisted.ensureDeferred
async def test_a_cancelled_job_counts_until_it_is_done(worker):
    gate = Event()
    running, waiting = worker.run(gate.wait), worker.run(divmod, 1, 0)
    for each in (running, waiting):
        each.cancel()
        with pytest.raises(CancelledError):
            await each

    with pytest.raises(OverloadError):
        await worker.run(int)

    gate.set()
    while worker._waiting:
        await deferLater(reactor, 0)
    assert await worker.run(int) == 0


@pytest_twisted.ensureDeferred
async def test_a_stop_finishes_running_jobs_and_refuses_waiting_ones():
    worker = Worker(reactor, "tests", threads=1, max_waiting=9)
    worker.start()
    gate, done, began = Event(), [], Deferred()

    def work():
        reactor.callFromThread(began.callback, None)
        return gate.wait()

    running = worker.run(work)
    waiting = worker.run(done.append, "waited")
    waiting.addErrback(lambda failure: failure.trap(OverloadError) and failure.value)
    await began
    stopped = ensureDeferred(worker.stop(lambda: done.append("last")))
    gate.set()

    await stopped
    assert await running
    assert str(await waiting) == "tests: stopping"
    assert done == ["last"]


@pytest_twisted.ensureDeferred
async def test_a_worker_that_never_started_stops():
    await Worker(reactor, "tests", threads=1, max_waiting=1).stop(lambda: None)
