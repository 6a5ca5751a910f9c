"""Answers of several processes as one: sums, pages and parts are exact."""

import random

from tessel_proxy.operations import merging
from tessel_proxy.operations.history import MAX_ACCOUNTS


def test_a_number_is_divided_in_proportion_and_exactly():
    chance = random.Random(15)
    for _ in range(200):
        tunnels = {f"m{n}": chance.randrange(50) for n in range(chance.randrange(1, 9))}
        wanted = chance.randrange(1, 120)
        parts = merging.divided(wanted, tunnels)
        total = sum(tunnels.values())
        assert sum(parts.values()) == min(wanted, total)
        for member, open_now in tunnels.items():
            due = min(wanted, total) * open_now / max(1, total)
            assert abs(parts.get(member, 0) - due) <= 1
            assert parts.get(member, 0) <= open_now


def test_rows_are_taken_from_the_first_processes_that_have_some():
    assert merging.rows_of_each({"a": 0, "b": 3, "c": 9, "d": 4}, 5) == {"b": 3, "c": 2}


def row(account, tunnels=1):
    rates = dict.fromkeys(("bytes_from_device_per_s", "bytes_from_target_per_s", "opens_per_s"), 1)
    own = {"account": account, "tunnels": tunnels, "substreams": 0}
    return {**own, **rates, "refused": {"TP2005": tunnels}, "last_refusal": None}


def pages(processes, limit):
    """Read all accounts in pages from processes that give `limit` + 1 rows each."""
    after, found = "", []
    while after is not None:
        answers = []
        for accounts in processes:
            rest = [each for each in sorted(accounts) if each > after]
            rows = [row(each, accounts[each]) for each in rest[: limit + 1]]
            answers.append({"rows": rows, "more": len(rest) > len(rows)})
        joined = merging.accounts(answers, limit)
        page = joined["rows"][:limit]
        found += page
        has_more = joined["more"] or len(joined["rows"]) > len(page)
        after = page[-1]["account"] if has_more else None
    return found


def test_pages_of_accounts_have_each_account_once_with_the_sums_of_all():
    chance = random.Random(16)
    names = [f"account-{n:02}" for n in range(40)]
    for limit in (1, 2, 7, 100):
        processes = [
            {name: chance.randrange(1, 9) for name in chance.sample(names, chance.randrange(30))}
            for _ in range(4)
        ]
        rows = pages(processes, limit)
        expected = sorted({name for each in processes for name in each})
        assert [each["account"] for each in rows] == expected
        for each in rows:
            total = sum(process.get(each["account"], 0) for process in processes)
            assert (each["tunnels"], each["refused"]) == (total, {"TP2005": total})


def hour(**accounts):
    def series(nbytes):
        return {name: [nbytes] * 3 for name in ("bytes_from_device", "bytes_from_target", "opens")}

    found = {name: series(nbytes) for name, nbytes in accounts.items()}
    return {
        "step_s": 10,
        "from_at": 0.0,
        "all": series(sum(accounts.values())) | {"refusals": {"TP2005": [1, 0, 0]}},
        "accounts": found,
    }


def test_the_hours_of_processes_are_added_and_the_busiest_accounts_are_kept():
    quiet = {f"quiet-{n}": 1 for n in range(MAX_ACCOUNTS)}
    joined = merging.history([hour(busy=5, **quiet), hour(busy=7, other=9)])
    assert joined["all"]["opens"] == [41] * 3
    assert joined["all"]["refusals"] == {"TP2005": [2, 0, 0]}
    assert joined["accounts"]["busy"]["bytes_from_device"] == [12] * 3
    assert len(joined["accounts"]) == MAX_ACCOUNTS
    assert "other" in joined["accounts"]
