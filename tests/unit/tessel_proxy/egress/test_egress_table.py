"""Every row of the truth table of egress, from the device's request to the dial."""

from ipaddress import ip_address

import pytest
from twisted.internet.defer import succeed

from support.egress_table import ACCOUNT, OWN_ADDRESS, OWN_PORT, TABLE
from support.proxy_in_memory import Stage
from tessel_proxy.auth import Account
from tessel_proxy.startup.config import Config
from tessel_proxy.targets.opening import MAX_ANSWERS
from tessel_proxy.targets.trust import TargetTrust

TRUST = TargetTrust(None)  # takes long to load
ROWS = [(group, row) for group in TABLE for row in group.rows]
REBINDING = "rebind.example"


class Kim:
    """Whose every token is right."""

    def check(self, _token):
        return succeed(Account(ACCOUNT))


@pytest.fixture
def staged(tmp_path):
    def stage_for(settings=None, policy_file=""):
        path = tmp_path / "policy"
        path.write_text(policy_file)
        names = ("egress_mode", "egress_allow", "egress_deny", "policy_file")
        config = Config.some_from_env({**(settings or {}), "POLICY_FILE": str(path)}, *names)
        stage = Stage(Kim(), TRUST, **{name: getattr(config, name) for name in names})
        stage.own.is_local = lambda address: str(address) in (OWN_ADDRESS, "127.0.0.1", "::1")
        stage.own.add_listener("::", OWN_PORT)
        stage.authenticate()
        return stage

    return stage_for


@pytest.mark.parametrize(
    ("group", "row"), ROWS, ids=[f"{group.title}-{row.host}:{row.port}" for group, row in ROWS]
)
def test_the_device_gets_what_the_table_says(staged, logged, group, row):
    stage = staged(group.settings, group.policy_file)
    device = stage.connect(row.host, row.port)
    for name in list(stage.resolver.asked):
        stage.resolver.answer(name, *row.answers)
    stage.pump()
    assert result(stage, device, logged, row) == row.result
    assert bool(stage.resolver.asked) is (row.answers is not None)


def written(address):
    """The address as Python 3.13 writes it: before, an IPv4 address within IPv6 was in hex."""
    mapped = getattr(ip_address(address), "ipv4_mapped", None)
    return f"::ffff:{mapped}" if mapped else address


def result(stage, device, logged, row):
    if stage.dials:
        assert not device.events or device.events == [("lookup",)]
        let_through = logged.named("egress_would_refuse")
        assert [line["error"] for line in let_through] in ([], ["TP3011"])
        rules = [line["rule"] for line in let_through]
        return ", logged ".join([f"dialled {written(stage.dial().host)}", *rules])
    (line,) = logged.named("substream_closed")
    (told,) = [event[1] for event in device.events if event[0] == "error"]
    if line["outcome"] == "lookup_failed":
        return told.removeprefix("getaddrinfo ").removesuffix(f" {row.host}")
    assert line["outcome"] == "refused_by_policy"
    assert told == f"connect EACCES {row.host}:{row.port}"
    return f"EACCES {line['rule']}"


def test_a_name_is_looked_up_once_and_what_was_judged_is_dialled(staged):
    stage = staged()
    stage.connect(REBINDING)
    assert len(stage.resolver.asked[REBINDING]) == 1
    stage.resolver.answer(REBINDING, "8.8.8.8")
    stage.pump()
    assert stage.resolver.asked[REBINDING] == []  # nobody asked again: an answer now is nobody's
    assert [dial.host for dial in stage.dials] == ["8.8.8.8"]
    stage.dial().stands()
    stage.pump()
    assert stage.resolver.asked[REBINDING] == []


def test_a_name_that_changes_to_an_inner_address_is_judged_anew_at_the_next_open(staged, logged):
    stage = staged()
    for address in ("8.8.8.8", "127.0.0.1"):
        stage.connect(REBINDING)
        stage.resolver.answer(REBINDING, address)
        stage.pump()
    assert [dial.host for dial in stage.dials] == ["8.8.8.8"]
    (line,) = logged.named("substream_closed")
    assert (line["rule"], line["address"]) == ("loopback", "127.0.0.1")


@pytest.mark.parametrize(
    ("number", "rule"), [(MAX_ANSWERS - 1, "loopback"), (MAX_ANSWERS, "too_many_addresses")]
)
def test_no_part_of_a_name_with_many_addresses_escapes_judgement(staged, logged, number, rule):
    stage = staged()
    stage.connect("many.example")
    stage.resolver.answer("many.example", *(f"8.8.8.{n}" for n in range(number)), "127.0.0.1")
    stage.pump()
    assert not stage.dials
    assert logged.named("substream_closed")[0]["rule"] == rule


def test_a_policy_that_is_reloaded_holds_for_tunnels_that_are_open(staged, logged):
    stage = staged(policy_file="[account kim]\nallow 10.0.0.1\n")
    stage.connect("10.0.0.1")
    stage.policies.paths[0].write_text("[account kim]\ndeny 10.0.0.1\n")
    stage.policies.reload()
    stage.connect("10.0.0.1")
    assert len(stage.dials) == 1
    (line,) = logged.named("substream_closed")
    assert line["rule"] == "[account kim] deny 10.0.0.1/32"


def test_tls_targets_are_judged_as_others_are(staged, logged):
    stage = staged()
    stage.connect("127.0.0.1", name="tls")
    assert not stage.dials
    assert logged.named("substream_closed")[0]["rule"] == "loopback"
