"""Rules of refusals: what may be refused, and the rule as JSON."""

import pytest

from tessel_proxy.operations import Rule, RuleError, rule_id

NOW = 1_800_000_000.0


def made(**arguments):
    return Rule.made(**{"reason": "abuse", "by": "token", "now": NOW} | arguments)


def test_a_rule_for_the_same_subject_has_the_same_id():
    first = made(account="ada", device="kitchen", until_at=NOW + 60)
    assert made(account="ada", device="kitchen", reason="other").id == first.id
    others = [made(account="ada"), made(account="adak", device="itchen"), made(address="10.0.0.1")]
    assert first.id not in {each.id for each in others}
    assert first.id == rule_id(first.subject)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7/32"),
        ("192.0.2.0/24", "192.0.2.0/24"),
        ("::ffff:192.0.2.7", "192.0.2.7/32"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("2001:db8::1", "2001:db8::1/128"),
    ],
)
def test_an_address_is_written_as_its_network(address, network):
    assert made(address=address).address == network


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "either an account, or an address"),
        ({"account": "a", "address": "10.0.0.1"}, "either an account, or an address"),
        ({"device": "d", "address": "10.0.0.1"}, "needs the account"),
        ({"account": ""}, "1 to 256"),
        ({"account": "a" * 257}, "1 to 256"),
        ({"account": "a\nb"}, "printable"),
        ({"account": "a", "device": "d" * 65}, "1 to 64"),
        ({"address": "10.0.0.1/8"}, "expected 10.0.0.0/8"),
        ({"address": "elsewhere"}, "expected an IP address"),
        ({"address": "0.0.0.0/0"}, "everybody"),
        ({"address": "::/0"}, "everybody"),
        ({"account": "a", "reason": "\n"}, "1 to 200"),
        ({"account": "a", "until_at": NOW}, "still to come"),
        ({"account": "a", "until_at": float("nan")}, "still to come"),
        ({"account": "a", "until_at": float("inf")}, "still to come"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused_with_what_is_allowed(arguments, said):
    with pytest.raises(RuleError, match=said):
        made(**arguments)


def test_a_reason_is_one_line_that_can_be_printed():
    assert made(account="a", reason=" no\r\nmore\x07 " + "x" * 300).reason == "no more " + "x" * 192


def test_a_rule_ends_at_its_time():
    rule = made(account="a", until_at=NOW + 60)
    assert (rule.is_over(NOW + 59.9), rule.is_over(NOW + 60)) == (False, True)
    assert not made(account="a").is_over(NOW * 2)


@pytest.mark.parametrize(
    "rule",
    [
        made(account="a", until_at=NOW + 1),
        made(account="a", device="d"),
        made(address="2001:db8::/32"),
    ],
)
def test_a_rule_survives_the_way_through_json(rule):
    assert Rule.from_json(rule.as_json()) == rule


@pytest.mark.parametrize(
    "change",
    [
        {"id": "0" * 16},
        {"account": 1},
        {"reason": None},
        {"since_at": True},
        {"since_at": "now"},
        {"until_at": float("inf")},
        {"since_at": float("nan")},
        {"address": "10.0.0.0/8"},
    ],
)
def test_json_that_is_no_rule_is_refused(change):
    with pytest.raises(RuleError):
        Rule.from_json(made(account="a").as_json() | change)


@pytest.mark.parametrize("value", [None, [], "rule", 7])
def test_a_value_that_is_no_object_is_refused(value):
    with pytest.raises(RuleError, match="object"):
        Rule.from_json(value)
