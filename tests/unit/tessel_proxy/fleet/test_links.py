"""The calls between a worker and its supervisor, over AMP in memory."""

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.test.iosim import connectedServerAndClient

from tessel_proxy.fleet import worker
from tessel_proxy.fleet.calls import Heard, Look, NotHeardError, VersionError
from tessel_proxy.fleet.engine import Admission, Demand, EngineError, Totals
from tessel_proxy.fleet.kept import NothingKept
from tessel_proxy.fleet.local import LocalEngine
from tessel_proxy.fleet.notice_actions import NotActedError
from tessel_proxy.fleet.notices import DeviceMoved, TokensRevoked
from tessel_proxy.fleet.remote import ACCOUNTS_PER_CALL
from tessel_proxy.fleet.supervisor_link import SupervisorLink
from tessel_proxy.fleet.worker import WorkerLink
from tessel_proxy.operations import Rule


class Broken(LocalEngine):
    """An engine whose calls fail, as `error` says."""

    error = None

    async def admit(self, *values, **named):
        if self.error is not None:
            raise self.error
        return await super().admit(*values, **named)


class Pair:
    """A worker that has joined its supervisor."""

    def __init__(self):
        clock = self.clock = Clock()
        self.engine = Broken(clock, self._guessed)
        self.served, self.last = [], []
        self.worker, self.supervisor, self._pump = connectedServerAndClient(
            lambda: SupervisorLink(
                self.engine, "host/1.1", lambda: self.served.append(True), self.last.append
            ),
            lambda: WorkerLink(clock),
        )
        assert self.result(self.worker.join()) is None

    def _guessed(self, source, level):
        self.supervisor.guessed(source, level)

    def result(self, call):
        """Return the result of a coroutine or Deferred, or its error."""
        results = []
        done = call if isinstance(call, Deferred) else Deferred.fromCoroutine(call)
        done.addBoth(results.append)
        self._pump.flush()
        return getattr(results[0], "value", results[0])


@pytest.fixture
def pair():
    return Pair()


def test_a_worker_calls_the_engine_of_its_supervisor(pair):
    admission = pair.result(pair.worker.engine.admit("", "kim", None, 0, 5))
    assert admission == Admission(True, Totals(Demand(1), 1))
    assert pair.result(pair.engine.renew("host/1.1")) == ["host/1.1"]


@pytest.mark.parametrize(
    ("error", "text"),
    [(EngineError("it is away"), "it is away"), (KeyError("bug"), "internal error")],
)
def test_an_error_of_the_engine_is_the_workers_and_the_connection_stays(
    pair, error, text, logged_failures
):
    pair.engine.error = error
    failure = pair.result(pair.worker.engine.admit("", "kim", None, 0, 5))
    assert isinstance(failure, EngineError)
    assert text in str(failure)
    logged_failures.flush(KeyError)
    pair.engine.error = None
    assert pair.result(pair.worker.engine.admit("", "kim", None, 0, 5)).granted


def test_a_worker_of_another_version_is_refused(pair, monkeypatch):
    monkeypatch.setattr(worker, "VERSION", 99)
    assert isinstance(pair.result(pair.worker.join()), VersionError)


def test_the_supervisor_learns_when_a_worker_serves(pair):
    pair.result(pair.worker.serving())
    assert pair.served == [True]


def test_a_look_reports_the_others_tunnels_and_returns_the_workers_state(pair):
    pair.worker.status = lambda: (7, ["memory is full"], b"metrics")
    box = pair.result(pair.supervisor.call(Look, elsewhere=30))
    assert box == {"tunnels": 7, "obstacles": ["memory is full"], "metrics": b"metrics"}
    assert pair.worker.last_look() == (30, 0.0)


def test_a_worker_that_ends_sends_its_last_metrics(pair):
    pair.worker.status = lambda: (0, [], b"metrics")
    pair.result(pair.worker.last())
    assert pair.last == [b"metrics"]


def test_a_supervisor_without_that_call_does_not_keep_a_worker_from_its_end(pair, monkeypatch):
    with monkeypatch.context() as older:
        older.setattr(pair.supervisor, "locateResponder", lambda _name: None)
        assert pair.result(pair.worker.last()) is None
    assert pair.result(pair.worker.engine.renew("")) == ["host/1.1"]


def test_a_supervisor_that_does_not_answer_or_has_ended_does_not_either(pair):
    done = Deferred.fromCoroutine(pair.worker.last())
    pair.clock.advance(worker.LAST_S)
    assert done.called
    pair.supervisor.transport.loseConnection()
    pair._pump.flush()
    assert pair.result(pair.worker.last()) is None


def test_a_notice_reaches_the_worker_and_its_error_is_no_confirmation(pair, logged_failures):
    heard = []
    pair.worker.engine.listen("", heard.append)
    told = pair.supervisor._notify(DeviceMoved("kim", "d", "host/2.1"))
    pair.result(told)
    assert heard == [DeviceMoved("kim", "d", "host/2.1")]

    def broken(_notice):
        raise KeyError("bug")

    pair.worker.engine.listen("", broken)
    assert isinstance(pair.result(pair.supervisor._notify(TokensRevoked(None))), NotHeardError)
    assert len(logged_failures.flush(KeyError)) == 1


def test_a_worker_confirms_a_notice_when_its_work_is_done(pair):
    work = Deferred()
    pair.worker.engine.listen("", lambda _notice: work)
    confirmed = []
    pair.supervisor._notify(TokensRevoked(None)).addBoth(confirmed.append)
    pair._pump.flush()
    assert confirmed == []
    work.errback(NotActedError("AUTH_FILE"))
    pair._pump.flush()
    assert confirmed[0].check(NotHeardError)


def test_a_notice_of_another_version_is_not_confirmed_and_the_connection_stays(pair):
    told = pair.supervisor.call(Heard, notice=b'["Unknown",{}]')
    assert isinstance(pair.result(told), NotHeardError)
    assert pair.result(pair.worker.engine.renew("")) == ["host/1.1"]


def test_wrong_tokens_are_reported_to_the_worker(pair):
    pair.result(pair.engine.wrong_tokens("192.0.2.1", 1, 5, 600.0))
    pair._pump.flush()
    assert pair.result(pair.worker.engine.wrong_tokens("192.0.2.1", 0, 5, 600.0)) == 1.0


def test_the_end_of_the_supervisor_is_the_workers_to_act_on(pair):
    ends = []
    pair.worker.orphaned = lambda: ends.append(True)
    pair.supervisor.transport.loseConnection()
    pair._pump.flush()
    assert ends == [True]
    assert isinstance(pair.result(pair.worker.engine.renew("")), EngineError)


def test_a_call_of_a_worker_that_has_ended_makes_it_no_member_again(pair):
    pair.engine.forget("host/1.1")
    called = Deferred.fromCoroutine(pair.worker.engine.admit("", "kim", None, 0, 5))
    called.addErrback(lambda _lost: None)
    pair.supervisor.end()
    pair._pump.flush()
    assert pair.result(pair.engine.renew("other")) == ["other"]


def test_a_worker_gets_all_rules_of_the_host_over_its_link(pair):
    rules = sorted(
        (
            Rule.made(account=f"account {n}", reason="x" * 200, by="token", now=1.8e9)
            for n in range(400)
        ),
        key=lambda each: each.id,
    )
    pair.engine.kept = KeepsRules(rules)
    assert pair.result(pair.worker.engine.rules()) == rules


class KeepsRules(NothingKept):
    def __init__(self, rules):
        self._rules = rules

    def rules_after(self, rule_id):
        return [each for each in self._rules if each.id > rule_id]


LONGEST = "\N{OLD PERSIAN SIGN A}" * 256  # 3 KiB in JSON


def test_the_longest_names_fit_in_an_exchange(pair):
    demands = {f"{number:03}{LONGEST[3:]}": Demand(1) for number in range(ACCOUNTS_PER_CALL)}
    arrived = [(account, LONGEST) for account in demands]
    totals = pair.result(pair.worker.engine.exchange("", demands, arrived))
    assert totals == dict.fromkeys(demands, Totals(Demand(1), 1))


def test_the_names_of_thousands_of_members_fit_in_an_answer(pair):
    for number in range(3000):
        pair.engine.listen(f"host-{number}-{'n' * 30}", lambda _notice: None)
    assert len(pair.result(pair.worker.engine.renew(""))) == 3001
