"""Who may try the next token, and when."""

import pytest

from tessel_proxy.limits import penalties as module
from tessel_proxy.limits.penalties import FREE_FAILURES, REFILL_S, Penalties, Penalty
from tessel_proxy.records.peers import source_of

HERE, THERE = "192.0.2.1", "192.0.2.2"


@pytest.fixture
def penalties():
    return Penalties(allowance=10, longest_s=8)


def wrong(penalties, token, times=1, now=0.0, source=HERE):
    for _ in range(times):
        penalties.was_wrong(source, token, now)


def test_an_unknown_source_may_try(penalties):
    assert penalties.of(HERE, b"a", 0) is None


def test_a_token_may_be_wrong_some_times_before_it_waits(penalties):
    wrong(penalties, b"a", FREE_FAILURES - 1)
    assert penalties.of(HERE, b"a", 0) is None


def test_each_failure_doubles_the_wait_up_to_the_longest(penalties):
    waits = []
    for times in range(6):
        wrong(penalties, b"a", FREE_FAILURES if not times else 1)
        waits.append(next(now for now in range(100) if not penalties.of(HERE, b"a", now)))
    assert waits == [1, 2, 4, 8, 8, 8]


def test_failures_of_long_ago_are_forgotten(penalties):
    wrong(penalties, b"a", FREE_FAILURES)
    wrong(penalties, b"a", now=REFILL_S + 1)
    assert penalties.of(HERE, b"a", REFILL_S + 1) is None


def test_only_that_token_from_that_source_waits(penalties):
    wrong(penalties, b"a", FREE_FAILURES)
    assert penalties.of(HERE, b"a", 0) is Penalty.OF_TOKEN
    assert penalties.of(HERE, b"b", 0) is None
    assert penalties.of(THERE, b"a", 0) is None


def test_one_old_token_does_not_spend_the_sources_allowance(penalties):
    wrong(penalties, b"old", 1000)
    assert penalties.of(HERE, b"b", 0) is None


def test_who_tries_one_after_the_other_is_asked_to_stop(penalties):
    for number in range(10):
        wrong(penalties, b"%d" % number)
    assert penalties.of(HERE, b"next", 0) is Penalty.OF_SOURCE
    assert penalties.of(THERE, b"next", 0) is None


def test_the_allowance_comes_back_with_time(penalties):
    for number in range(10):
        wrong(penalties, b"%d" % number)
    assert penalties.of(HERE, b"next", REFILL_S / 10) is None
    wrong(penalties, b"next", now=REFILL_S / 10)
    assert penalties.of(HERE, b"after", REFILL_S / 10) is Penalty.OF_SOURCE
    assert penalties.of(HERE, b"after", 3 * REFILL_S) is None


def test_whose_token_was_right_does_not_pay_for_a_neighbour(penalties):
    penalties.was_right(HERE, b"good")
    for number in range(10):
        wrong(penalties, b"%d" % number)
    assert penalties.of(HERE, b"good", 0) is None
    wrong(penalties, b"good")  # it is no more
    assert penalties.of(HERE, b"good", 0) is Penalty.OF_SOURCE


def test_a_token_that_is_right_at_last_has_no_past(penalties):
    wrong(penalties, b"a", FREE_FAILURES)
    penalties.was_right(HERE, b"a")
    assert penalties.of(HERE, b"a", 0) is None


# --- those under way


def begin(penalties, *tokens, source=HERE):
    return [penalties.begin(source, token, 0) for token in tokens]


TEN = [b"%d" % number for number in range(10)]


def test_who_asks_about_many_at_once_gets_no_further_than_one_after_the_other(penalties):
    assert begin(penalties, *TEN) == [None] * 10
    assert begin(penalties, b"next") == [Penalty.OF_SOURCE]
    assert begin(penalties, b"next", source=THERE) == [None]


def test_those_under_way_and_those_that_were_wrong_make_the_allowance_together(penalties):
    for token in TEN[:6]:
        wrong(penalties, token)
    assert begin(penalties, *TEN[6:], b"next") == [None] * 4 + [Penalty.OF_SOURCE]


def test_a_check_that_ends_gives_its_place_to_another(penalties):
    begin(penalties, *TEN)
    penalties.end(HERE, TEN[0])
    assert begin(penalties, b"next", b"after") == [None, Penalty.OF_SOURCE]


def test_a_check_that_ends_badly_is_charged_once(penalties):
    begin(penalties, *TEN)
    for token in TEN[:5]:
        penalties.end(HERE, token)
        wrong(penalties, token)
    assert penalties.of(HERE, b"next", 0) is Penalty.OF_SOURCE
    for token in TEN[5:]:
        penalties.end(HERE, token)
    assert penalties.of(HERE, b"next", 0) is None


def test_a_house_full_of_devices_with_one_token_is_one_guess(penalties):
    assert begin(penalties, *[b"same"] * 100) == [None] * 100
    assert begin(penalties, *TEN) == [None] * 9 + [Penalty.OF_SOURCE]
    for _ in range(99):
        penalties.end(HERE, b"same")
    assert begin(penalties, TEN[9]) == [Penalty.OF_SOURCE]  # one is still under way
    penalties.end(HERE, b"same")
    assert begin(penalties, TEN[9]) == [None]


def test_those_that_were_right_before_take_no_place(penalties):
    for token in TEN:
        penalties.was_right(HERE, token)
    begin(penalties, *TEN)
    assert begin(penalties, b"next") == [None]


def test_what_is_refused_a_check_takes_no_place(penalties):
    begin(penalties, *TEN, b"next")
    for token in TEN:
        penalties.end(HERE, token)
    assert not penalties._under_way


def test_none_are_given_when_they_are_turned_off():
    penalties = Penalties(allowance=1, longest_s=0)
    wrong(penalties, b"a", 100)
    assert penalties.of(HERE, b"a", 0) is None


def test_what_is_remembered_is_bounded(penalties, monkeypatch):
    monkeypatch.setattr(module, "MAX_ENTRIES", 2)
    for number in range(10):
        wrong(penalties, b"a", FREE_FAILURES, source=f"192.0.2.{number}")
    assert len(penalties._wrong) == len(penalties._spent) == 2
    assert penalties.of("192.0.2.0", b"a", 0) is None
    assert penalties.of("192.0.2.9", b"a", 0) is Penalty.OF_TOKEN


@pytest.mark.parametrize(
    ("host", "source"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1", "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_a_source_is_an_address_or_a_subscribers_network(host, source):
    assert source_of(host) == source


def test_when_tokens_have_changed_those_that_were_wrong_may_be_tried_at_once(penalties):
    wrong(penalties, b"a", 20)
    for number in range(8):
        wrong(penalties, b"%d" % number)
    penalties.forget_wrong()
    assert penalties.of(HERE, b"a", 0) is None
    wrong(penalties, b"one more guess")
    assert penalties.of(HERE, b"next", 0) is Penalty.OF_SOURCE  # what guesses cost is not forgotten
