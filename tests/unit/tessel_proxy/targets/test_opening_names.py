"""Openings of a name: its addresses are judged each time, and all steps share one deadline."""

import pytest

from support.proxy_in_memory import PUBLIC, Stage
from tessel_proxy.egress.policy import Standing

NAME = "target.example"
SIX = "2001:4860::1"


@pytest.fixture
def stage():
    stage = Stage()
    stage.authenticate()
    return stage


def opened(stage, *addresses):
    device = stage.connect(NAME)
    stage.resolver.answer(NAME, *addresses)
    stage.pump()
    return device


def advance(stage, seconds):
    stage.clock.advance(seconds)
    stage.pump()


def error(device):
    return next(event[1] for event in device.events if event[0] == "error")


def test_a_name_that_was_allowed_is_refused_at_its_next_and_inner_address(stage):
    opened(stage, PUBLIC)
    stage.dial().stands()
    device = opened(stage, "10.0.0.1")
    assert error(device) == f"connect EACCES {NAME}:80"
    assert len(stage.dials) == 1


def test_an_address_that_has_become_the_machines_own_is_refused_although_it_is_known(stage):
    opened(stage, PUBLIC)
    stage.own.is_local = lambda address: str(address) == PUBLIC
    assert error(opened(stage, PUBLIC)) == f"connect EACCES {NAME}:80"


@pytest.mark.parametrize("answer", [(SIX,), (SIX, PUBLIC)])
def test_look_up_and_connect_share_one_deadline(stage, answer):
    device = stage.connect(NAME)
    limit_s = stage.config.connect_timeout_s
    advance(stage, limit_s - 1)
    stage.resolver.answer(NAME, *answer)
    advance(stage, 1)
    assert error(device) == f"connect ETIMEDOUT {SIX}:80"
    assert all(dial.stopped for dial in stage.dials)
    assert stage.opener.durations.dial.sum_s == 1


def test_an_answer_after_the_deadline_connects_to_nothing(stage):
    device = stage.connect(NAME)
    advance(stage, stage.config.connect_timeout_s)
    stage.resolver.answer(NAME, PUBLIC)
    assert error(device) == f"getaddrinfo EAI_AGAIN {NAME}"
    assert not stage.dials


@pytest.mark.parametrize("answer", [(), (PUBLIC,), (SIX, PUBLIC)])
def test_after_the_tunnels_end_no_timer_and_no_attempt_is_left(stage, answer):
    stage.connect(NAME)
    if answer:
        stage.resolver.answer(NAME, *answer)
    stage.connection.cut()
    assert all(dial.stopped for dial in stage.dials)
    assert not stage.opener.deadlines._due
    assert not [call for call in stage.clock.getDelayedCalls() if "_try_next" in str(call.func)]


def test_a_look_up_that_breaks_is_an_internal_error(stage, logged_failures):
    device = stage.connect(NAME)
    stage.resolver.asked[NAME].pop(0).errback(ZeroDivisionError())
    stage.pump()
    assert error(device) == "connect ECONNABORTED: internal error of the proxy"
    assert logged_failures.flush(ZeroDivisionError)


def test_a_bug_behind_an_answer_is_an_internal_error(stage, logged_failures, monkeypatch):
    monkeypatch.setattr(Standing, "refusal", lambda *_: 1 / 0)
    device = opened(stage, PUBLIC)
    assert error(device) == "connect ECONNABORTED: internal error of the proxy"
    assert logged_failures.flush(ZeroDivisionError)
    assert not stage.opener.deadlines._due
