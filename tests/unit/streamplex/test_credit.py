"""Windows: what is promised, taken and granted anew."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamplex.credit import (
    EAGER_BYTES,
    FIRST_WINDOW_BYTES,
    INTERACTIVE_BYTES,
    MAX_CREDIT_BYTES,
    MAX_EVENTS_AT_ONCE,
    MAX_EVENTS_PER_S,
    MOST_UNGRANTED_BYTES,
    NEAR_S,
    SPARING_BYTES,
    SPARING_GRANTS,
    Promises,
    Windows,
    add_credit,
)
from streamplex.errors import LocalError, RemoteError
from streamplex.window import Window

SMALL = Windows(first=100, substream_max=800, tunnel_max=10_000)


def came_elsewhere(promises, nbytes):
    """A first piece of data on another substream of the tunnel."""
    window = Window(promises)
    window.left = nbytes
    window.receive(nbytes)
    window.close()


@pytest.fixture
def promises():
    return Promises(SMALL)


@pytest.fixture
def window(promises):
    return Window(promises)


def use(window, nbytes):
    """A peer that sends all it may, and a consumer that takes it at once; what was granted."""
    granted = 0
    while nbytes:
        some = min(nbytes, window.left)
        window.receive(some)
        granted += window.take(some, 0.0)
        nbytes -= some
    return granted


# --- one window


def test_a_new_window_lets_a_first_windows_bytes_come(window):
    assert (window.left, window.held, window.promised) == (100, 0, True)


def test_what_came_is_held_until_it_is_taken(window):
    window.receive(70)
    assert (window.left, window.held) == (30, 70)
    window.take(20, 0.0)
    assert (window.left, window.held) == (30, 50)


def test_nothing_is_granted_before_half_of_the_window_is_taken(window):
    window.receive(100)
    assert window.take(49, 0.0) == 0
    assert window.take(1, 0.0) == 50


def test_nothing_is_granted_while_nothing_is_taken(window):
    window.receive(100)
    with pytest.raises(RemoteError, match=r"^1 byte of data; 0 were granted$"):
        window.receive(1)


def test_a_first_message_larger_than_the_window_is_the_peers_fault(window):
    """CVE-2026-32314: a frame that opens a stream and overruns its window at once."""
    with pytest.raises(RemoteError, match=r"^101 bytes of data; 100 were granted$"):
        window.receive(101)
    assert window.left == 100


def test_an_empty_data_message_is_the_peers_fault(window):
    with pytest.raises(RemoteError, match="an empty data message"):
        window.receive(0)


def test_after_the_peers_end_nothing_is_granted(window):
    window.receive(100)
    window.end()
    assert window.take(100, 0.0) == 0


def test_a_window_of_one_byte_works():
    window = Window(Promises(Windows(first=1, substream_max=1)))
    assert use(window, 10) == 10
    assert window.left == 1


# --- growth


def test_a_window_whose_consumer_keeps_up_doubles_to_its_limit(window):
    use(window, 50)
    assert window.left == 200
    use(window, 10_000)
    assert window.left + 400 > 800 >= window.left
    assert window.held == 0


def test_a_window_whose_consumer_lags_stays_as_it_is(window):
    window.receive(100)
    assert window.take(50, 0.0) == 50
    for _ in range(100):
        window.receive(50)
        assert window.take(50, 0.0) == 50
    assert window.left + window.held == 100


def download(round_trip_s, bytes_per_s, nbytes, size=16_384):
    """Over a path like this, by a peer that is held up by its window or by the path."""
    promises = Promises(Windows())
    window = Window(promises)
    now, grants = 0.0, [(0.0, window.left)]  # when the peer's next bytes come, and how many
    while nbytes > 0:
        comes, some = grants.pop(0)
        now = max(now, comes)
        while some > 0:
            piece = min(some, size)
            some -= piece
            nbytes -= piece
            now += piece / bytes_per_s
            window.receive(piece)
            if grant := window.take(piece, now):
                grants.append((now + round_trip_s, grant))
    return promises, now


def test_over_a_long_path_a_window_doubles_to_its_limit_within_some_round_trips():
    promises, took_s = download(0.1, 1e9, 6 << 20)
    assert promises.nbytes == Windows().substream_max
    assert promises.round_trip_s == pytest.approx(0.1, rel=0.01)
    assert took_s < 0.1 * 10


def test_pieces_that_do_not_divide_the_window_leave_little_of_it_idle_for_a_round_trip():
    _, begun_s = download(0.1, 1e9, 6 << 20, 65_532)
    _, took_s = download(0.1, 1e9, 46 << 20, 65_532)
    assert took_s - begun_s < 0.1 * 20 * 1.2


def test_over_a_short_path_it_stays_where_more_would_only_stand_on_the_way():
    promises, _ = download(0.005, 20e6, 64 << 20)
    assert promises.nbytes == EAGER_BYTES


def test_a_near_peer_has_the_largest_window_for_large_grants_are_cheap():
    promises, _ = download(NEAR_S / 10, 600e6, 64 << 20)
    assert promises.nbytes == Windows().substream_max


def test_it_grows_as_far_as_a_path_in_between_can_carry():
    promises, _ = download(0.01, 50e6, 64 << 20)
    assert 50e6 * 0.01 < promises.nbytes < Windows().substream_max


def test_the_shortest_round_trip_counts_and_none_that_a_clock_set_back_has_made():
    promises = Promises(Windows())
    for round_trip_s in (0.0, -5.0):
        promises.measured(round_trip_s)
        assert promises.round_trip_s is None
    for round_trip_s in (0.3, 0.1, 0.2, -1.0):
        promises.measured(round_trip_s)
    assert promises.round_trip_s == 0.1


def test_a_round_trip_is_from_a_grant_to_the_first_byte_that_only_it_let_come(promises, window):
    window.receive(100)
    assert window.take(50, 1.0) == 50
    window.take(50, 2.0)
    assert promises.round_trip_s is None
    window.receive(1)
    window.take(1, 4.0)
    assert promises.round_trip_s == 3.0


def test_what_a_turn_takes_at_once_is_no_rate():
    promises = Promises(Windows(first=EAGER_BYTES))
    window = Window(promises)
    promises.measured(NEAR_S)
    use(window, EAGER_BYTES // 2)  # all at the time of the beginning
    assert promises.nbytes == EAGER_BYTES


def test_grown_windows_get_half_of_what_a_tunnel_promises_and_first_ones_all():
    promises = Promises(Windows(first=100, substream_max=800, tunnel_max=2000))
    windows = [Window(promises) for _ in range(2)]
    for window in windows * 2:
        use(window, 10_000)
    assert promises.nbytes == 1000
    more = [Window(promises) for _ in range(20)]
    assert [window.promised for window in more] == [True] * 10 + [False] * 10
    assert promises.nbytes == 2000


def test_a_window_that_could_not_be_promised_never_grows_and_gives_nothing_back():
    promises = Promises(Windows(first=100, substream_max=800, tunnel_max=100))
    first, second = Window(promises), Window(promises)
    assert (first.promised, second.promised) == (True, False)
    use(second, 1000)
    assert second.left <= 100
    second.close()
    assert promises.nbytes == 100
    assert not promises.have_room


def test_what_was_promised_is_given_back_once(promises, window):
    use(window, 10_000)
    assert promises.nbytes == 800
    window.close()
    window.close()
    assert promises.nbytes == 0


@pytest.mark.parametrize(
    ("first", "most"), [(0, 100), (200, 100), (1, MAX_CREDIT_BYTES + 1), (-1, 5)]
)
def test_windows_that_cannot_be_are_our_own_fault(first, most):
    with pytest.raises(LocalError, match="allowed: 1 to"):
        Windows(first=first, substream_max=most)


def test_by_default_a_tunnel_may_have_as_many_substreams_as_the_proxy_allows_and_use_them():
    windows = Windows()
    assert windows.first == FIRST_WINDOW_BYTES
    assert windows.tunnel_max // 2 >= 1024 * windows.first


# --- what the peer grants


def test_credit_adds_up():
    assert add_credit(5, 7) == 12
    assert add_credit(MAX_CREDIT_BYTES - 1, 1) == MAX_CREDIT_BYTES


def test_credit_beyond_what_counts_is_the_peers_fault():
    """CVE-2026-31814: a window update that overflows the sender's window."""
    with pytest.raises(RemoteError, match="on top of 1; allowed: 2147483647 in all"):
        add_credit(1, MAX_CREDIT_BYTES)


# --- events


def test_events_may_come_in_a_burst_and_then_at_a_rate(window):
    assert all(window.count_event(5.0) for _ in range(MAX_EVENTS_AT_ONCE))
    assert not window.count_event(5.0)
    assert window.count_event(5.0 + 1 / MAX_EVENTS_PER_S)
    assert not window.count_event(5.0 + 1 / MAX_EVENTS_PER_S)


def test_a_clock_that_is_set_back_costs_nobody_an_event(window):
    assert window.count_event(1_000_000.0)
    assert window.count_event(5.0)


# --- beside small messages


@pytest.fixture
def near():
    """The promises to a near peer, and a window that has grown."""
    promises = Promises(Windows(first=8 * SPARING_BYTES))
    promises.measured(NEAR_S / 2)
    return promises, Window(promises)


def bulk(window, nbytes):
    """A near peer sends so much in pieces; what it is granted each time."""
    granted = []
    for _ in range(nbytes // 16_384):
        window.receive(16_384)
        if grant := window.take(16_384, 0.0):
            granted.append(grant)
    return granted


def test_beside_a_small_message_a_near_peer_is_granted_little_at_a_time(near):
    promises, window = near
    came_elsewhere(promises, INTERACTIVE_BYTES)
    granted = bulk(window, 12 * SPARING_BYTES)
    assert set(granted) == {SPARING_BYTES // 2}
    assert window.left <= SPARING_BYTES


def test_what_was_held_back_follows_when_no_small_message_comes_any_more(near):
    promises, window = near
    came_elsewhere(promises, 1)
    granted = bulk(window, (SPARING_GRANTS + 40) * SPARING_BYTES // 2)
    assert granted[:SPARING_GRANTS] == [SPARING_BYTES // 2] * SPARING_GRANTS
    assert window.left + window.held > 4 * SPARING_BYTES


def test_beside_bulk_alone_a_near_peer_has_its_window(near):
    promises, window = near
    came_elsewhere(promises, INTERACTIVE_BYTES + 1)
    assert min(bulk(window, 8 * SPARING_BYTES)) >= 4 * SPARING_BYTES


def test_the_tail_of_bulk_that_credit_has_cut_off_is_no_message(near):
    promises, window = near
    for nbytes in (65_532, 4) * 8:
        window.receive(nbytes)
        window.take(nbytes, 0.0)
    assert not promises.is_sparing
    window.receive(4)
    assert promises.is_sparing


@pytest.mark.parametrize("round_trip_s", [NEAR_S, 1.0, None])
def test_a_peer_that_is_far_or_not_known_to_be_near_has_its_window(round_trip_s):
    promises = Promises(Windows(first=8 * SPARING_BYTES))
    if round_trip_s is not None:
        promises.measured(round_trip_s)
    window = Window(promises)
    came_elsewhere(promises, 1)
    assert bulk(window, 8 * SPARING_BYTES)[0] >= MOST_UNGRANTED_BYTES


def test_a_small_window_is_granted_as_ever(promises, window):
    promises.measured(NEAR_S / 2)
    window.receive(100)  # small, too
    assert promises.is_sparing
    assert window.take(100, 0.0) >= 100


# --- always


UNIT = EAGER_BYTES // 4


@given(
    steps=st.lists(
        st.tuples(st.booleans(), st.integers(1, 9 * UNIT), st.floats(-1.0, 1.0), st.booleans()),
        max_size=80,
    ),
    near=st.booleans(),
    tunnel_max=st.sampled_from([UNIT, 5 * UNIT, 100 * UNIT]),
)
def test_nothing_is_invented_and_no_consumer_that_takes_all_is_left_without(
    steps, near, tunnel_max
):
    promises = Promises(Windows(first=UNIT, substream_max=8 * UNIT, tunnel_max=tunnel_max))
    window = Window(promises)
    if near:
        promises.measured(NEAR_S / 2)
    allowed, came, taken, now = UNIT, 0, 0, 0.0
    for comes, nbytes, later, typed in steps:
        now += later
        if typed:
            came_elsewhere(promises, 1)
        if comes and (some := min(nbytes, allowed - came)):
            window.receive(some)
            came += some
        elif not comes and (some := min(nbytes, came - taken)):
            allowed += window.take(some, now)
            taken += some
        assert window.left == allowed - came
        assert window.held == came - taken
        assert 0 <= allowed - taken <= 8 * UNIT
        assert promises.nbytes <= max(tunnel_max, UNIT)
    if came > taken:
        allowed += window.take(came - taken, now)
    assert allowed > came  # a deadlock, else
