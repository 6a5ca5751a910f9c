"""The rules that hold now."""

import os

import pytest
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from tessel_proxy.egress.policies import MAX_FILE_BYTES, MAX_KNOWN, MAX_STANDINGS, Policies
from tessel_proxy.egress.rules import EgressMode, rules
from tessel_proxy.startup.config import Config
from tessel_proxy.startup.reload import Reloader
from tessel_service_kit.settings import ConfigError

LOOK_S = 5.0


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "policy"
    path.write_text("[default]\ndeny a.example\n[account kim]\ndeny b.example\nmode report\n")
    return path


@pytest.fixture
def policies(path):
    return Policies(Config(policy_file=path, egress_deny=rules("c.example")))


def denied(policies, account):
    return [str(rule) for each in policies.of(account).sets for rule in each.deny]


def test_without_a_file_the_environments_rules_are_everybodys():
    policies = Policies(Config(egress_mode=EgressMode.OPEN, egress_deny=rules("c.example")))
    assert policies.paths == ()
    policies.reload()
    assert denied(policies, "kim") == ["c.example"]
    assert policies.of("kim").mode is EgressMode.OPEN


def test_an_account_has_its_own_section_instead_of_the_default_and_the_environments(policies, path):
    assert policies.paths == (path,)
    assert denied(policies, "kim") == ["c.example", "b.example"]
    assert denied(policies, "lee") == ["c.example", "a.example"]
    assert policies.of("kim").mode is EgressMode.REPORT
    assert policies.of("lee").mode is EgressMode.ENFORCE


def test_a_new_file_holds_from_its_reload_on(policies, path):
    path.write_text("[default]\ndeny d.example")
    assert denied(policies, "lee") == ["c.example", "a.example"]
    policies.reload()
    assert denied(policies, "lee") == ["c.example", "d.example"]
    assert denied(policies, "kim") == ["c.example", "d.example"]


def test_all_faults_of_a_new_file_are_named_and_the_old_rules_stay(policies, path):
    path.write_text("[account kim]\ndeny !\nallow *\n")
    with pytest.raises(ConfigError) as raised:
        policies.reload()
    first, second = raised.value.faults
    assert first.startswith(f"POLICY_FILE={str(path)!r}, line 2: ")
    assert second.startswith(f"POLICY_FILE={str(path)!r}, line 3: ")
    assert denied(policies, "kim") == ["c.example", "b.example"]


def test_a_changed_file_is_taken_up_and_a_faulty_one_is_told_of(policies, path):
    clock = Clock()
    reloader = Reloader(clock, [policies], LOOK_S)
    reloader.start()
    path.write_text("[default]\ndeny longer.d.example\n")
    clock.pump([LOOK_S, LOOK_S])
    assert denied(policies, "lee") == ["c.example", "longer.d.example"]
    path.write_text("[default]\ndenied d.example\n")
    with capturedLogs() as logged:
        clock.pump([LOOK_S, LOOK_S, LOOK_S])
    reloader.stop()
    assert [each["event"] for each in logged] == ["reload_failed"]
    assert denied(policies, "lee") == ["c.example", "longer.d.example"]


def test_a_file_that_is_missing_is_a_fault(tmp_path):
    with pytest.raises(ConfigError, match="nowhere' cannot be read: No such file"):
        Policies(Config(policy_file=tmp_path / "nowhere"))


def test_a_file_that_is_a_disk_is_not_read_whole(path):
    path.write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    with pytest.raises(ConfigError, match="too large"):
        Policies(Config(policy_file=path))


@pytest.mark.timeout(10)
def test_a_file_that_turns_into_a_fifo_holds_nobody_up(policies, path):
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ConfigError, match="is not a regular file"):
        policies.reload()
    assert denied(policies, "kim") == ["c.example", "b.example"]


@pytest.mark.parametrize("mode", [EgressMode.REPORT, EgressMode.OPEN])
def test_a_mode_that_lets_inner_addresses_through_is_hinted_at(mode):
    assert Policies(Config()).hints() == []
    assert Policies(Config(egress_mode=mode)).hints() == [
        f"EGRESS_MODE={mode}: internal addresses are allowed"
    ]


def test_they_come_to_a_line(policies):
    assert policies.summary() == "egress: enforce, accounts with rules of their own: kim"
    assert Policies(Config()).summary().endswith("own: none")


# --- what is known of a target


def test_what_is_known_of_a_target_is_that_of_its_account_and_of_the_rules_in_force(tmp_path):
    path = tmp_path / "policy.ini"
    path.write_text("[account kim]\nallow 10.0.0.1\n")
    policies = Policies(Config(policy_file=path))
    assert policies.known("kim", "10.0.0.1", 80).standings["10.0.0.1"].rule is None
    assert policies.known("lee", "10.0.0.1", 80).standings["10.0.0.1"].rule == "private"
    assert policies.known("lee", "10.0.0.1", 80) is policies.known("alex", "10.0.0.1", 80)
    path.write_text("[account kim]\ndeny 10.0.0.1\n")
    policies.reload()
    known = policies.known("kim", "10.0.0.1", 80)
    assert known.standings["10.0.0.1"].rule == "[account kim] deny 10.0.0.1/32"


def test_of_a_name_only_the_rules_for_names_are_known():
    known = Policies(Config(egress_deny=rules("bad.example"))).known("kim", "Bad.Example.", 80)
    assert known.refusal_of_name == "EGRESS_DENY bad.example"
    assert known.address == ""


def test_each_address_of_a_name_is_judged_by_itself_and_once():
    standings = Policies(Config()).known("kim", "a.example", 80).standings
    assert standings["93.184.216.34"].rule is None
    assert standings["10.0.0.1"].rule == "private"
    assert standings["93.184.216.34"] is standings["93.184.216.34"]


def test_of_a_name_with_ever_new_addresses_not_all_are_remembered():
    standings = Policies(Config()).known("kim", "a.example", 80).standings
    for number in range(3 * MAX_STANDINGS):
        assert standings[f"10.0.0.{number}"].rule == "private"
    assert len(standings) <= MAX_STANDINGS


def test_a_host_that_cannot_be_is_not_remembered():
    policies = Policies(Config())
    for _ in range(2):
        with pytest.raises(ValueError, match="name"):
            policies.known("kim", "exa mple", 80)
    assert not policies._known


def test_of_very_many_targets_not_all_are_remembered():
    policies = Policies(Config())
    for port in range(2 * MAX_KNOWN + 1):
        policies.known("kim", "192.0.2.1", port)
    assert len(policies._known) <= MAX_KNOWN
