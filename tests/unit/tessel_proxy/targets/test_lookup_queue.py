"""Whose look-up goes next."""

from hypothesis import given
from hypothesis import strategies as st

from tessel_proxy.targets.lookup_queue import (
    LOOKUPS_PER_ACCOUNT,
    LOOKUPS_PER_TUNNEL,
    LookupQueue,
    LookupTicket,
)


def enter_many(turns, count, account="a", tunnel=1):
    tickets = [LookupTicket(account, tunnel) for _ in range(count)]
    return tickets, [turns.enter(each) for each in tickets]


def test_a_tunnel_has_so_many_under_way_and_the_rest_wait():
    _, started = enter_many(LookupQueue(), LOOKUPS_PER_TUNNEL + 2)
    assert started == [True] * LOOKUPS_PER_TUNNEL + [False] * 2


def test_one_tunnels_dead_names_hold_up_no_other():
    turns = LookupQueue()
    enter_many(turns, 100, tunnel=1)
    _, started = enter_many(turns, 1, tunnel=2)
    assert started == [True]


def test_an_account_has_so_many_under_way_over_all_its_tunnels():
    turns = LookupQueue()
    started = [
        turns.enter(LookupTicket("a", tunnel))
        for tunnel in range(10)
        for _ in range(LOOKUPS_PER_TUNNEL)
    ]
    assert sum(started) == LOOKUPS_PER_ACCOUNT
    assert turns.enter(LookupTicket("b", 99))


def test_who_leaves_lets_the_next_in():
    turns = LookupQueue()
    tickets, _ = enter_many(turns, LOOKUPS_PER_TUNNEL + 2)
    assert turns.leave(tickets[0]) is tickets[LOOKUPS_PER_TUNNEL]
    assert turns.leave(tickets[1]) is tickets[LOOKUPS_PER_TUNNEL + 1]
    assert turns.leave(tickets[2]) is None


def test_the_tunnels_of_an_account_take_turns():
    turns = LookupQueue()
    busy = [LookupTicket("a", tunnel) for tunnel in range(4) for _ in range(LOOKUPS_PER_TUNNEL)]
    assert all(turns.enter(each) for each in busy)
    ours, _ = enter_many(turns, 3, tunnel=10)
    theirs, _ = enter_many(turns, 3, tunnel=11)
    order = [turns.leave(each) for each in busy[:4]]
    assert order == [ours[0], theirs[0], ours[1], theirs[1]]


def test_a_tunnel_at_its_limit_is_passed_over():
    turns = LookupQueue()
    full, _ = enter_many(turns, LOOKUPS_PER_TUNNEL + 1, tunnel=1)
    others = [LookupTicket("a", tunnel) for tunnel in (2, 3, 4) for _ in range(LOOKUPS_PER_TUNNEL)]
    assert all(turns.enter(each) for each in others)
    late = LookupTicket("a", 5)
    assert not turns.enter(late)
    assert turns.leave(others[0]) is late
    assert turns.leave(others[1]) is None
    assert turns.leave(full[0]) is full[-1]


def test_who_withdraws_is_not_called():
    turns = LookupQueue()
    tickets, _ = enter_many(turns, LOOKUPS_PER_TUNNEL + 2)
    turns.withdraw(tickets[LOOKUPS_PER_TUNNEL])
    assert turns.leave(tickets[0]) is tickets[-1]
    turns.leave(tickets[1])


def test_nothing_is_remembered_of_who_has_gone():
    turns = LookupQueue()
    tickets, _ = enter_many(turns, LOOKUPS_PER_TUNNEL)
    for each in tickets:
        turns.leave(each)
    assert not turns._shares


@given(
    st.lists(st.tuples(st.sampled_from(["enter", "leave", "withdraw"]), st.integers(0, 5))),
)
def test_limits_hold_and_nobody_waits_while_there_is_room(steps):
    turns, running, waiting = LookupQueue(), [], []
    for step, number in steps:
        if step == "enter":
            ticket = LookupTicket("a", number)
            (running if turns.enter(ticket) else waiting).append(ticket)
        elif step == "leave" and running:
            follower = turns.leave(running.pop(number % len(running)))
            if follower:
                waiting.remove(follower)
                running.append(follower)
        elif step == "withdraw" and waiting:
            turns.withdraw(waiting.pop(number % len(waiting)))
        counts = [sum(each.tunnel == tunnel for each in running) for tunnel in range(6)]
        assert max(counts) <= LOOKUPS_PER_TUNNEL
        assert len(running) <= LOOKUPS_PER_ACCOUNT
        if len(running) < LOOKUPS_PER_ACCOUNT:
            assert all(counts[each.tunnel] == LOOKUPS_PER_TUNNEL for each in waiting)
