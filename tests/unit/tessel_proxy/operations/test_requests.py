"""Arguments of the admin API about refusals and usage."""

import pytest

from tessel_proxy.operations import (
    ArgumentError,
    Usage,
    UsagePage,
    UsageRow,
    rule_from_request,
    usage_as_json,
    usage_question,
)

NOW = 1_796_000_000.0  # 2026-11-30


def made(**arguments):
    return rule_from_request({"reason": "abuse", **arguments}, "token", NOW)


@pytest.mark.parametrize(
    ("time", "until_at"),
    [({}, None), ({"for_s": 60}, NOW + 60), ({"until_at": NOW + 0.5}, NOW + 0.5)],
)
def test_a_rule_lasts_for_a_time_until_a_time_or_without_an_end(time, until_at):
    rule = made(account="kim", device="kitchen", **time)
    assert (rule.account, rule.device, rule.until_at) == ("kim", "kitchen", until_at)
    assert (rule.reason, rule.by, rule.since_at) == ("abuse", "token", NOW)


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        "kim",
        {},
        {"account": "kim"},
        {"account": "kim", "reason": 5},
        {"account": ["kim"], "reason": "x"},
        {"reason": "x", "address": 5},
        {"account": "kim", "reason": "x", "until": 5},
        {"account": "kim", "reason": "x", "for_s": 1, "until_at": NOW + 1},
        *(
            {"account": "kim", "reason": "x", name: value}
            for name in ("for_s", "until_at")
            for value in (0, -1, "60", True, [], float("nan"), float("inf"), 1e300, 10**400)
        ),
    ],
)
def test_a_body_that_is_no_rule_is_refused(value):
    with pytest.raises(ArgumentError):
        rule_from_request(value, "token", NOW)


def test_without_arguments_all_days_that_are_kept_are_asked_for():
    question = usage_question({}, NOW)
    assert (question.first, question.last) == ("2026-09-02", "2026-11-30")
    assert (question.account, question.after, question.limit) == (None, ("", ""), 100)


def test_days_account_and_the_next_page_are_asked_for():
    question = usage_question(
        {
            "account": "kim",
            "from": "2020-01-01",
            "to": "2026-11-29",
            "limit": "1000",
            "after": "2026-11-28/a/b",
        },
        NOW,
    )
    assert (question.first, question.last) == ("2026-09-02", "2026-11-29")
    assert (question.after, question.limit) == (("2026-11-28", "a/b"), 1000)


@pytest.mark.parametrize(
    "arguments",
    [
        {"from": "today"},
        {"to": "2026-02-30"},
        {"to": "20261130"},
        {"to": "\N{ARABIC-INDIC DIGIT TWO}026-11-30"},
        {"from": "2026-11-30", "to": "2026-11-29"},
        {"limit": "0"},
        {"limit": "1001"},
        {"limit": "-1"},
        {"limit": "9" * 5000},
        {"limit": "\N{SUPERSCRIPT TWO}"},
        {"after": "kim"},
        {"day": "2026-11-30"},
    ],
)
def test_a_query_that_cannot_be_meant_is_refused(arguments):
    with pytest.raises(ArgumentError):
        usage_question(arguments, NOW)


def test_a_page_of_usage_is_json_and_names_where_the_next_one_begins():
    rows = [UsageRow("2026-11-30", "a/b", Usage(1, 2, 3, 4, 5))]
    assert usage_as_json(UsagePage(rows)) == {
        "usage": [
            {
                "day": "2026-11-30",
                "account": "a/b",
                "bytes_from_device": 1,
                "bytes_from_target": 2,
                "opens": 3,
                "tunnels": 4,
                "refusals": 5,
            }
        ],
        "next": None,
    }
    after = usage_as_json(UsagePage(rows, has_more=True))["next"]
    assert usage_question({"after": after}, NOW).after == ("2026-11-30", "a/b")
    assert usage_as_json(UsagePage([])) == {"usage": [], "next": None}
