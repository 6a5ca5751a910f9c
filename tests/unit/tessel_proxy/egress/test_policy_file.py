"""The text of a policy file."""

import pytest

from tessel_proxy.egress.policy import RuleSet
from tessel_proxy.egress.policy_file import MAX_FAULTS, PolicyFileError, parse
from tessel_proxy.egress.rules import MAX_RULES, EgressMode, rules

WHOLE = b"""\xef\xbb\xbf
# who may do what

[default]
deny  *:25 *:465\r
[account kim]
mode Report
\tallow  10.1.0.0/16:5432 db.internal
deny  .example.com
only  a.example:443
only  10.1.0.0/16
[ account   a name with ] in it ]
mode open
"""


def faults(text):
    with pytest.raises(PolicyFileError) as raised:
        parse(text.encode())
    return list(raised.value.faults)


def test_a_file_has_rules_for_accounts_and_for_all_others():
    file = parse(WHOLE)
    assert file.default == RuleSet("[default]", deny=rules("*:25 *:465"))
    assert file.accounts == {
        "kim": RuleSet(
            "[account kim]",
            EgressMode.REPORT,
            allow=rules("10.1.0.0/16:5432 db.internal"),
            deny=rules(".example.com"),
            only=rules("a.example:443 10.1.0.0/16"),
        ),
        "a name with ] in it": RuleSet("[account a name with ] in it]", EgressMode.OPEN),
    }


def test_an_empty_file_has_no_rules():
    assert parse(b"") == parse(b"[default]")
    assert parse(b"").accounts == {}


def test_all_faults_are_named_at_once_with_their_lines():
    sections = "allowed: [default] or [account NAME]"
    lines = "allowed: allow, deny or only with rules, or mode with enforce, report or open"
    found = faults(
        "deny *\n[acount kim]\ndeny 10.0.0.1/8\n[account kim]\nrefuse *\ndeny\nmode closed\n"
        "mode open\nmode open\n[account kim]\n"
    )
    assert found[:2] == [
        f"line 1: a rule before any section; {sections}",
        f"line 2: '[acount kim]'; {sections}",
    ]
    assert found[2].startswith("line 3: deny; allowed: 10.0.0.0/8, ")
    assert found[2].endswith("; 10.0.0.0/8 rather than 10.0.0.1/8")
    assert found[3:] == [
        f"line 5: 'refuse'; {lines}",
        f"line 6: deny without rules; {lines}",
        "line 7: mode 'closed'; allowed: enforce or report or open",
        "line 9: a second mode; allowed: one in each section",
        "line 10: a second [account kim]; allowed: one section for each",
    ]


@pytest.mark.parametrize("heading", ["[]", "[default", "[account]", "[account ]", "[default] x"])
def test_a_heading_names_the_default_or_an_account(heading):
    (fault,) = faults(heading)
    assert fault == f"line 1: {heading!r}; allowed: [default] or [account NAME]"


def test_everything_is_not_allowed_by_one_sign():
    (fault,) = faults("[default]\nallow *")
    assert fault.startswith("line 2: allow; ")


def test_a_line_that_is_no_text_is_a_fault_with_its_number():
    with pytest.raises(PolicyFileError, match="line 2: not UTF-8 text"):
        parse(b"[default]\n\xff\n")


def test_a_section_has_an_end():
    lines = f"[default]\ndeny {'a.example ' * MAX_RULES}\n"
    assert len(parse(lines.encode()).default.deny) == MAX_RULES
    (fault,) = faults(lines + "deny b.example")
    assert fault == f"line 3: deny; allowed: at most {MAX_RULES} rules in a section"


def test_the_faults_of_another_kind_of_file_are_not_all_told():
    found = faults("x\n" * 1000)
    assert len(found) == MAX_FAULTS + 1
    assert found[-1] == f"and {1000 - MAX_FAULTS} more faults"
