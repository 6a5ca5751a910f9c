"""Questions to other hosts on a real Valkey server: answers of any length, late hosts, garbage."""

import json
import os
import zlib
from pathlib import Path

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults

from support.fleet_engines import Engines, passes, until
from support.valkey_server import ValkeyServer
from tessel_proxy.fleet.valkey import questions
from tessel_proxy.operations.process import Parts

LOOK = {"watcher": "w", "tunnels": []}


@pytest.fixture(scope="module")
def server():
    found = ValkeyServer().start()
    yield found
    found.close()


class Host:
    """One host: its engine, what it was asked, and what it answers."""

    def __init__(self, name, engine):
        self.name, self.engine = name, engine
        self.asked, self.said = [], lambda: Parts({f"{name}/1": name})
        engine.questions.serve(name, self._answer)

    async def _answer(self, method, arguments):
        self.asked.append((method, arguments))
        found = self.said()
        return await found if isinstance(found, Deferred) else found

    def ask(self, method="look", arguments=LOOK, hosts=None):
        return Deferred.fromCoroutine(self.engine.questions.ask(method, arguments, hosts))


@pytest_twisted.async_yield_fixture
async def hosts(server):
    server("FLUSHALL")
    engines = Engines()
    found = [Host(name, engines(server.port)) for name in "abc"]
    for each in found:
        await until(lambda each=each: each.engine.is_up)
        await each.engine.renew(f"{each.name}/1")
    await found[0].engine.renew("a/1")
    # the first question may come before a host has found the end of the stream
    await until(lambda: all(h.engine._hearing._epoch for h in found))
    yield found
    await engines.close()


@pytest_twisted.ensureDeferred
async def test_all_other_hosts_answer(hosts):
    parts = await hosts[0].ask("tunnel", {"tunnel_id": "x-1"})
    assert (parts.answers, parts.missing) == ({"b/1": "b", "c/1": "c"}, [])
    assert [each.asked for each in hosts] == [[], *[[("tunnel", {"tunnel_id": "x-1"})]] * 2]


@pytest_twisted.ensureDeferred
async def test_only_the_named_hosts_are_asked(hosts):
    parts = await hosts[0].ask(hosts=["c"])
    assert (parts.answers, parts.missing) == ({"c/1": "c"}, [])
    assert hosts[1].asked == []


@pytest_twisted.ensureDeferred
async def test_an_answer_has_any_length(hosts):
    long = os.urandom(500_000).hex()
    hosts[1].said = lambda: Parts({"b/1": long}, ["b/2"])
    parts = await hosts[0].ask()
    assert (parts.answers, parts.missing) == ({"b/1": long, "c/1": "c"}, ["b/2"])


@pytest_twisted.ensureDeferred
async def test_an_answer_that_is_too_long_is_missing_and_said(hosts, monkeypatch):
    monkeypatch.setattr(questions, "MAX_ANSWER_BYTES", 100)
    monkeypatch.setattr(questions, "ANSWER_S", 0.3)
    hosts[1].said = lambda: Parts({"b/1": os.urandom(200).hex()})
    assert (await hosts[0].ask()).missing == ["b/1"]


@pytest_twisted.ensureDeferred
async def test_a_host_that_is_late_is_missing_and_its_answer_goes_nowhere(hosts, monkeypatch):
    monkeypatch.setattr(questions, "ANSWER_S", 0.3)
    late = Deferred()
    hosts[1].said = lambda: late
    began = reactor.seconds()
    parts = await hosts[0].ask()
    assert 0.3 <= reactor.seconds() - began < 0.6
    assert (parts.answers, parts.missing) == ({"c/1": "c"}, ["b/1"])
    late.callback(Parts({"b/1": "late"}))
    hosts[1].said = lambda: Parts({"b/1": "new"})
    assert (await hosts[0].ask()).answers["b/1"] == "new"


@pytest_twisted.ensureDeferred
async def test_many_questions_at_once_get_their_own_answers(hosts):
    for each in hosts:
        each.said = lambda each=each: Parts({f"{each.name}/1": each.asked[-1][1]["tunnel_id"]})
    asked = [hosts[n % 3].ask("tunnel", {"tunnel_id": f"x-{n}"}) for n in range(30)]
    for number, parts in enumerate(await gatherResults(asked)):
        assert list(parts.answers.values()) == [f"x-{number}"] * 2


@pytest_twisted.ensureDeferred
async def test_more_questions_than_allowed_are_not_sent(hosts, monkeypatch):
    monkeypatch.setattr(questions, "MAX_ASKING", 1)
    first, second = hosts[0].ask(), hosts[0].ask()
    assert (await second).missing == ["b/1", "c/1"]
    assert (await first).missing == []


@pytest_twisted.ensureDeferred
async def test_a_question_of_a_later_version_counts_as_not_answered(hosts, monkeypatch):
    monkeypatch.setattr(questions, "ANSWER_S", 0.3)
    for method, arguments in (("fortune", {}), ("look", {**LOOK, "colour": "red"})):
        parts = await hosts[0].ask(method, arguments)
        assert (parts.answers, parts.missing) == ({}, ["b/1", "c/1"])
    assert hosts[1].asked == []
    assert hosts[1].engine.questions._ignored == {"fortune", "look"}


def question(method, arguments, *more):
    return zlib.compress(json.dumps([method, arguments, None, *more]).encode())


@pytest_twisted.ensureDeferred
async def test_a_command_is_obeyed_only_while_its_asker_waits(hosts, server):
    drain = question("drain", {"member": None})
    server("XADD", "tessel:questions", "*", "id", "old", "asker", "z", "data", drain)
    server("SET", "tessel:asked:new", "")
    await passes(0.2)
    assert all(each.asked == [] for each in hosts)
    server("XADD", "tessel:questions", "*", "id", "new", "asker", "z", "data", drain)
    await until(lambda: all(len(each.asked) == 1 for each in hosts))


@pytest_twisted.ensureDeferred
async def test_garbage_in_the_streams_keeps_no_question_from_its_answer(
    hosts, server, logged_failures
):
    server("XADD", "tessel:questions", "*", "data", "garbage", "asker", "z", "id", "x")
    server("XADD", "tessel:questions", "*", "x", "y")
    server("XADD", "tessel:answers:a", "*", "id", "nobody asked", "host", "b")
    assert (await hosts[0].ask()).missing == []
    assert logged_failures.flush()


@pytest_twisted.ensureDeferred
async def test_a_piece_that_makes_no_sense_is_ignored(hosts, server, logged_failures):
    asking = hosts[0].engine.questions
    waiting = hosts[0].ask()
    (number,) = asking._asking
    for host, pieces, at, data in (("b", 1, 0, "x"), ("b", 10**9, 5, "x"), ("b", 2, 7, "x")):
        words = ("id", number, "host", host, "pieces", pieces, "number", at, "data", data)
        server("XADD", "tessel:answers:a", "*", *words)
    assert "c/1" in (await waiting).answers
    assert asking._asking == {}
    logged_failures.flush()


@pytest_twisted.ensureDeferred
async def test_who_was_not_connected_ignores_the_questions_of_that_time(hosts, monkeypatch):
    monkeypatch.setattr(questions, "ANSWER_S", 0.3)
    hosts[1].engine._hearing.connection.stop()
    await passes(0.05)
    assert (await hosts[0].ask()).missing == ["b/1"]
    hosts[1].engine._hearing.connection.start()
    await until(lambda: hosts[1].asked or hosts[1].engine._hearing.connection.why)
    await passes(0.3)
    assert hosts[1].asked == []
    assert (await hosts[0].ask()).missing == []


@pytest_twisted.ensureDeferred
async def test_a_host_that_has_just_begun_is_asked_and_one_that_left_is_not(hosts, monkeypatch):
    await hosts[1].engine.leave("b/1")
    await hosts[2].engine.renew("c/2")
    hosts[2].said = lambda: Parts({"c/1": 1}, ["c/2"])
    parts = await hosts[0].ask()
    assert parts.missing == ["c/2"]
    assert hosts[0].engine.questions.members == {"a": ["a/1"], "c": ["c/1", "c/2"]}


@pytest_twisted.ensureDeferred
async def test_a_fault_of_the_answer_is_logged_and_the_host_is_missing(
    hosts, monkeypatch, logged_failures
):
    monkeypatch.setattr(questions, "ANSWER_S", 0.3)
    hosts[1].said = lambda: 1 / 0
    assert (await hosts[0].ask()).missing == ["b/1"]
    assert logged_failures.flush(ZeroDivisionError)
    assert hosts[1].engine.questions._answering == 0


@pytest_twisted.ensureDeferred
async def test_without_the_engine_all_others_are_missing_at_once(hosts, monkeypatch):
    hosts[0].engine.stop()
    await until(lambda: not hosts[0].engine.is_up)
    began = reactor.seconds()
    parts = await hosts[0].ask()
    assert (parts.answers, parts.missing) == ({}, ["b/1", "c/1"])
    assert reactor.seconds() - began < 0.1


@pytest_twisted.ensureDeferred
async def test_nothing_is_sent_before_somebody_asks(hosts, server):
    await passes(0.1)
    assert b"questions" not in server("KEYS", "*")
    await hosts[0].ask()
    keys = server("KEYS", "*")
    assert b"tessel:questions" in keys
    assert b"tessel:answers:a" in keys
    assert int(server("TTL", "tessel:answers:a")[1:]) <= 3600


@pytest_twisted.ensureDeferred
async def test_the_rights_that_the_documentation_names_are_enough(hosts, server):
    page = (Path(__file__).parents[4] / "docs" / "fleet-engine.md").read_text()
    rights = page.partition("user proxy on >PASSWORD")[2].partition("\n\n")[0].split()
    server("ACL", "SETUSER", "default", "resetkeys", *rights)
    try:
        assert (await hosts[0].ask("drain", {"member": None})).missing == []
    finally:
        server("ACL", "SETUSER", "default", "~*", "+@all")
