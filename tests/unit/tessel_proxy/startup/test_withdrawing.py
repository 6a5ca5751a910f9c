"""Tokens that are no longer in a file: checked here at once, elsewhere on SIGHUP."""

import pytest
from twisted.internet.task import Clock

from tessel_proxy.fleet.engine import EngineError
from tessel_proxy.fleet.notices import Confirmations, TokensRevoked
from tessel_proxy.startup.withdrawing import MAX_TOLD, TOLD_S, WithdrawnTokens


class Engine:
    def __init__(self):
        self.published = []
        self.is_away = False

    async def publish(self, notice):
        if self.is_away:
            raise EngineError("away")
        self.published.append(notice)
        return Confirmations((), ())


class Process:
    """A process whose files have lost the tokens of `withdrawn`."""

    def __init__(self, engine):
        self.clock = Clock()
        self.withdrawn, self.checked = set(), []
        self.tokens = WithdrawnTokens(self._take, self.checked.extend, engine, self.clock)

    def _take(self):
        taken, self.withdrawn = self.withdrawn, set()
        return taken

    def looks(self, *accounts):
        self.withdrawn = set(accounts)
        self.tokens.reloaded()


@pytest.fixture
def engine():
    return Engine()


@pytest.fixture
def process(engine):
    return Process(engine)


def test_a_look_checks_the_tunnels_of_this_process_and_reports_nothing(process, engine):
    process.looks("kim")
    assert (process.checked, engine.published) == (["kim"], [])


def test_a_sighup_notifies_the_others_once_also_of_what_a_look_has_found_before(process, engine):
    process.looks("kim")
    process.clock.advance(TOLD_S)
    process.looks("alex")
    process.tokens.notify()
    process.tokens.notify()
    assert engine.published == [TokensRevoked("alex"), TokensRevoked("kim")]


def test_what_the_others_have_found_themselves_meanwhile_is_not_reported(process, engine):
    process.looks("kim")
    process.clock.advance(TOLD_S + 1)
    process.tokens.notify()
    assert engine.published == []


def test_of_very_many_accounts_the_others_check_all(process, engine):
    process.looks(*map(str, range(MAX_TOLD + 1)))
    process.tokens.notify()
    assert engine.published == [TokensRevoked(None)]


def test_without_the_engine_or_other_processes_a_sighup_ends_well(process, engine):
    engine.is_away = True
    for each in (process, Process(None)):
        each.looks("kim")
        each.tokens.notify()
    assert engine.published == []
