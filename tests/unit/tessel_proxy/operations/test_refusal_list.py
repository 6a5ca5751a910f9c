"""The rules in force, found by account, device and address."""

import random
import time
from ipaddress import ip_address, ip_network

import pytest

from tessel_proxy.operations import MAX_RULES, RefusalList, Rule, TooManyRulesError

NOW = 1_800_000_000.0


def rule(**arguments):
    return Rule.made(**{"reason": "abuse", "by": "token", "now": NOW} | arguments)


def test_an_account_is_refused_with_all_its_devices_and_a_device_alone():
    rules = RefusalList([rule(account="ada"), rule(account="bob", device="kitchen")])
    assert rules.of_owner("ada", "any", NOW).account == "ada"
    assert rules.of_owner("ada", None, NOW).account == "ada"
    assert rules.of_owner("bob", "kitchen", NOW).device == "kitchen"
    assert rules.of_owner("bob", "garden", NOW) is None
    assert rules.of_owner("bob", None, NOW) is None
    assert rules.of_owner("eve", "kitchen", NOW) is None


@pytest.mark.parametrize(
    ("host", "refused"),
    [
        ("192.0.2.7", True),
        ("::ffff:192.0.2.7", True),
        ("192.0.3.7", False),
        ("10.1.2.3", True),
        ("10.1.2.4", False),
        ("2001:db8:1::5", True),
        ("2001:db9::1", False),
        ("fe80::1%eth0", True),
        ("0.0.0.0", False),
        ("no address", False),
        ("", False),
    ],
)
def test_an_address_is_refused_by_itself_or_by_its_network(host, refused):
    networks = ["192.0.2.0/24", "10.1.2.3", "2001:db8::/32", "fe80::/10"]
    rules = RefusalList(rule(address=each) for each in networks)
    assert (rules.of_address(host, NOW) is not None) is refused


def test_a_rule_that_has_ended_refuses_nobody_and_is_dropped():
    rules = RefusalList([rule(account="a", until_at=NOW + 1), rule(address="10.0.0.1")])
    rules.add(rule(address="10.0.0.2", until_at=NOW + 1))
    assert rules.of_owner("a", None, NOW)
    assert not rules.of_owner("a", None, NOW + 1)
    assert not rules.of_address("10.0.0.2", NOW + 1)
    assert {each.account for each in rules.drop_ended(NOW + 1)} == {"a", None}
    assert [each.address for each in rules.rules()] == ["10.0.0.1/32"]


def test_an_ended_rule_for_a_network_leaves_a_longer_rule_for_the_address():
    rules = RefusalList([rule(address="10.0.0.0/8", until_at=NOW + 1), rule(address="10.0.0.1")])
    assert rules.of_address("10.0.0.1", NOW + 2).address == "10.0.0.1/32"
    ended = RefusalList([rule(account="a", until_at=NOW + 1), rule(account="a", device="d")])
    assert ended.of_owner("a", "d", NOW + 2).device == "d"


@pytest.mark.parametrize("subject", [{"account": "a"}, {"address": "10.0.0.0/8"}])
def test_a_second_rule_for_the_same_replaces_the_first(subject):
    rules = RefusalList([rule(**subject), rule(**subject, reason="second")])
    assert [each.reason for each in rules.rules()] == ["second"]
    assert rules.remove(rules.rules()[0].id).reason == "second"
    assert rules.of_owner("a", None, NOW) is None
    assert rules.of_address("10.0.0.1", NOW) is None
    assert len(rules) == 0


def test_what_is_not_there_cannot_be_removed():
    assert RefusalList().remove("0" * 16) is None


def test_more_rules_than_the_limit_are_refused_but_replacing_one_is_not():
    rules = RefusalList(rule(account=str(number)) for number in range(MAX_RULES))
    with pytest.raises(TooManyRulesError, match="10000 rules"):
        rules.add(rule(account="one more"))
    rules.add(rule(account="7", reason="new"))
    assert rules.of_owner("7", None, NOW).reason == "new"


def test_random_networks_refuse_the_addresses_that_they_contain():
    draw = random.Random(15)
    networks = [
        ip_network((draw.getrandbits(32), draw.randint(1, 32)), strict=False) for _ in range(300)
    ]
    rules = RefusalList(rule(address=str(each)) for each in networks)
    for _ in range(300):
        near = draw.choice(networks)
        host = ip_address(int(near.network_address) ^ draw.getrandbits(draw.randint(0, 10)))
        expected = any(host in each for each in networks)
        assert (rules.of_address(str(host), NOW) is not None) is expected


def test_a_hundred_thousand_connects_with_ten_thousand_rules_take_little_time():
    draw = random.Random(15)
    lengths = [8, 12, 16, 20, 24, 28, 32]
    rules = RefusalList()
    while len(rules) < MAX_RULES // 2:
        number = draw.getrandbits(32)
        network = ip_network((number, draw.choice(lengths)), strict=False)
        rules.add(rule(address=str(network)))
    while len(rules) < MAX_RULES:
        rules.add(rule(account=f"account {len(rules)}"))
    hosts = [str(ip_address(draw.getrandbits(32))) for _ in range(100_000)]
    began = time.process_time()
    for host in hosts:
        rules.of_address(host, NOW)
        rules.of_owner(host, "kitchen", NOW)
    per_connect_us = (time.process_time() - began) * 1e6 / len(hosts)
    assert per_connect_us < 60  # measured: 6; a full TLS handshake takes some 1000
