"""The desk joins the answers of many hosts without holding up the reactor."""

import time
from collections import Counter

import pytest
from twisted.internet.defer import Deferred, succeed

from tessel_proxy.monitoring.api.desk import Desk
from tessel_proxy.operations.history import MAX_ACCOUNTS, STEPS
from tessel_proxy.operations.process import Parts

HOSTS = 100
MOST_S = 0.05  # of processor time, without a turn of the reactor


def hour(host):
    """Return the hour of a host: an account of its own, and others that all hosts serve."""
    names = [f"own-{host}", *(f"account-{n}" for n in range(MAX_ACCOUNTS - 1))]
    series = {name: [1] * STEPS for name in ("bytes_from_device", "bytes_from_target", "opens")}
    return {
        "step_s": 10,
        "from_at": 0.0,
        "all": series | {"refusals": {"TP2005": [host] * STEPS}},
        "accounts": dict.fromkeys(names, series),
    }


@pytest.fixture
def joined():
    """A hundred hours as one, and the longest turn of the reactor meanwhile in seconds."""
    waiting = []
    desk = Desk(
        answers=Answers(),
        publish=None,
        refusals=None,
        read_usage=None,
        wall_time=None,
        engine=None,
        upgrade=None,
        let_others_run=lambda: waiting.append(Deferred()) or waiting[-1],
    )
    turns, began = [], time.thread_time()
    asking = Deferred.fromCoroutine(desk.history())
    while waiting:
        turns.append(time.thread_time() - began)
        began = time.thread_time()
        waiting.pop().callback(None)
    return asking.result, turns


class Answers:
    def ask(self, _method, _arguments):
        return succeed(Parts({f"host-{n}": hour(n) for n in range(HOSTS)}, ["late"]))


def test_the_hours_of_a_hundred_hosts_are_added_between_turns_of_the_reactor(joined):
    found, turns = joined
    assert len(turns) == HOSTS
    assert sorted(turns)[HOSTS // 2] < MOST_S
    assert found["missing"] == ["late"]
    assert found["all"]["refusals"] == {"TP2005": [sum(range(HOSTS))] * STEPS}
    assert found["all"]["opens"] == [HOSTS] * STEPS
    sums = Counter(each["opens"][0] for each in found["accounts"].values())
    assert sums == {HOSTS: MAX_ACCOUNTS - 1, 1: 1}
