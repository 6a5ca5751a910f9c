"""A day of losses and failures, in fast motion: an invented clock, network and proxy."""

HOURS = 24
BACKOFF_MAX_MS = 60_000
NOTICED_MS = 61_000  # a ping after 30 s of silence, and 30 s for its pong
DIAL_MS = 100


def test_the_link_may_be_lost_after_each_byte(python):
    assert int(python.run("losses").split()[1]) > 200


def a_day(python, lasts_s, failing_percent, hours=HOURS):
    options = ["-X", "heapsize=256k"]  # a small heap is collected faster
    printed = python.run("day", hours, lasts_s, failing_percent, options=options)
    return {name: int(value) for name, value in map(str.split, printed.splitlines())}


# The program's clock goes round after six hours, as that of a board after twelve days.


def test_each_loss_is_noticed_and_followed_by_a_tunnel(python):
    day = a_day(python, 300, 0)
    assert day["failed"] == 0
    assert day["lost"] >= HOURS * 3600 // (300 + NOTICED_MS // 1000)
    assert day["longest_ms"] < 300_000 + NOTICED_MS + 1000


def test_failures_are_retried_after_a_backoff_that_has_a_limit(python):
    day = a_day(python, 2, 95, hours=6)
    assert day["lost"] > 10
    assert day["failed"] > 300
    assert day["longest_ms"] <= BACKOFF_MAX_MS + NOTICED_MS + 2_000 + DIAL_MS
    # half of the longest backoff, on average: the proxy is not flooded
    assert day["failed"] + day["lost"] < 6 * 3600 / 20


def test_a_day_leaves_nothing_behind(python):
    assert a_day(python, 60, 30, hours=8)["grown"] < 1_000
