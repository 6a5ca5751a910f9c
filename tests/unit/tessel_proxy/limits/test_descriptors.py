"""What the process may have open, and who gets how much of it."""

import resource

import pytest
from twisted.logger import capturedLogs

from tessel_proxy.limits import descriptors
from tessel_proxy.limits.descriptors import PLENTY, RESERVED, DescriptorShares, raise_descriptors
from tessel_proxy.monitoring.connections import MAX_CONNECTIONS
from tessel_proxy.targets.lookup import LOOKUP_THREADS


@pytest.fixture
def system(monkeypatch):
    asked = []
    system = {"limit": (1024, 4096), "asked": asked, "fault": None}

    def setrlimit(_what, limit):
        asked.append(limit)
        if system["fault"]:
            raise system["fault"]

    monkeypatch.setattr(descriptors.resource, "getrlimit", lambda _what: system["limit"])
    monkeypatch.setattr(descriptors.resource, "setrlimit", setrlimit)
    return system


def test_all_that_is_allowed_is_taken(system):
    assert raise_descriptors() == 4096
    assert system["asked"] == [(4096, 4096)]


def test_what_is_not_given_is_not_counted_on(system):
    system["fault"] = ValueError("not here")
    assert raise_descriptors() == 1024


def test_no_limit_is_plenty(system):
    system["limit"] = (1024, resource.RLIM_INFINITY)
    assert raise_descriptors() == PLENTY


def test_workers_share_what_the_whole_system_may_open(system, tmp_path):
    limit = tmp_path / "file-max"
    limit.write_text("6000\n")
    assert [raise_descriptors(count, limit) for count in (1, 3)] == [4096, 2000]


@pytest.mark.parametrize("text", [None, "many"])
def test_a_system_that_names_no_limit_has_none(system, tmp_path, text):
    limit = tmp_path / "file-max"
    if text is not None:
        limit.write_text(text)
    assert raise_descriptors(3, limit) == 4096


@pytest.mark.parametrize(("processes", "warned"), [(1, True), (2, False)])
def test_too_few_descriptors_for_max_tunnels_are_warned_of(processes, warned):
    shares = DescriptorShares.of(2 * RESERVED, 300)
    with capturedLogs() as logged:
        shares.warn(300, 2 * RESERVED, processes)
    assert [each["event"] for each in logged] == ["few_descriptors"] * warned


def test_with_plenty_tunnels_are_as_many_as_were_asked_for():
    shares = DescriptorShares.of(PLENTY, 4096)
    assert shares.tunnels == 4096
    assert shares.substreams == PLENTY - RESERVED - 4096


def test_with_few_half_is_kept_for_targets():
    shares = DescriptorShares.of(2 * RESERVED, 4096)
    assert shares == DescriptorShares(RESERVED // 2, RESERVED // 2)


def test_balancers_whose_header_is_still_to_come_have_a_share():
    shares = DescriptorShares.of(PLENTY, 4096, max_waiting=512)
    assert shares.substreams == PLENTY - RESERVED - 512 - 4096


def test_each_thread_that_looks_up_a_name_may_have_its_socket():
    assert RESERVED - LOOKUP_THREADS - MAX_CONNECTIONS >= 64


def test_there_is_always_room_for_one():
    assert DescriptorShares.of(3, 4096) == DescriptorShares(1, 1)
