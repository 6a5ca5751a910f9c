"""The words of egress rules."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tessel_proxy.egress.rules import MAX_RULES, narrow_rules, rules


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", []),
        (" , \t\n", []),
        ("*", ["*"]),
        ("*:25", ["*:25"]),
        ("10.0.0.0/8", ["10.0.0.0/8"]),
        ("10.0.0.1", ["10.0.0.1/32"]),
        ("10.0.0.0/8:80,443", ["10.0.0.0/8:80,443"]),
        ("10.0.0.0/8:80,443,::1", ["10.0.0.0/8:80,443", "::1/128"]),
        ("a.example:80,8000-8999,b.example", ["a.example:80,8000-8999", "b.example"]),
        ("a.example, b.example c.example,d.example", [f"{each}.example" for each in "abcd"]),
        ("a.example:1-65535", ["a.example:1-65535"]),
        ("a.example:80-80", ["a.example:80"]),
        ("fd00::/8", ["fd00::/8"]),
        ("[fd00::/8]", ["fd00::/8"]),
        ("[fd00::/8]:443", ["[fd00::/8]:443"]),
        ("[::1]:1,2", ["[::1/128]:1,2"]),
        ("fd00::1:80", ["fd00::1:80/128"]),  # without brackets all of it is the address
        ("::ffff:10.0.0.0/104", ["10.0.0.0/8"]),
        ("[::ffff:10.0.0.1]:80", ["10.0.0.1/32:80"]),
        ("Example.COM.", ["example.com"]),
        ("bücher.example:80", ["xn--bcher-kva.example:80"]),
        (".Example.com", [".example.com"]),
        ("localhost", ["localhost"]),
    ],
)
def test_a_list_is_read_into_rules_that_are_written_in_one_way(text, shown):
    assert [str(each) for each in rules(text)] == shown


@pytest.mark.parametrize(
    "text",
    [
        "80",
        "a.example 80",
        "a.example,80",  # no ports before it to which it could belong
        "a.example:80, 443",
        "a.example:",
        "a.example:0",
        "a.example:65536",
        "a.example:443-80",
        "a.example:-80",
        "a.example:80-",
        "a.example:x",
        "a.example:٨٠",
        "*.example.com",
        ".",
        "..example.com",
        ".10.0.0.1",
        "10.0.0.1/8",
        "10.0.0.0/33",
        "fd00::1/8",
        "[fd00::/8",
        "[fd00::/8]443",
        "[10.0.0.0/8]:80",
        "[a.example]:80",
        "fe80::1%eth0",
        "fe80::%eth0/64",
        "127.1",
        "0177.0.0.1",
        "0x7f000001",
        "http://a.example",
        "a.example/8",
        "!a.example",
    ],
)
def test_what_is_no_rule_is_refused_and_quoted(text):
    with pytest.raises(ValueError, match=r"10\.0\.0\.0") as raised:
        rules(text)
    assert any(word in str(raised.value) for word in text.replace(",", " ").split())


def test_every_faulty_word_is_named():
    with pytest.raises(ValueError, match=r"'one!' is not a rule; 'two!' is not a rule"):
        rules("one! a.example two!")


def test_a_list_has_an_end():
    assert len(rules("a.example " * MAX_RULES)) == MAX_RULES
    with pytest.raises(ValueError, match=f"at most {MAX_RULES} rules"):
        rules("a.example " * (MAX_RULES + 1))


def test_all_may_be_denied_but_not_allowed():
    assert str(*rules("*:25")) == "*:25"
    with pytest.raises(ValueError, match="metadata"):
        narrow_rules("a.example *:443")


@given(
    st.lists(
        st.tuples(
            st.one_of(
                st.ip_addresses(v=4).map(str),
                st.ip_addresses(v=6).map("[{}]".format),
                st.from_regex(r"\.?([a-z][a-z0-9]{0,9}\.){1,3}[a-z]{2,5}", fullmatch=True),
                st.just("*"),
            ),
            st.lists(st.integers(1, 65535), max_size=3),
        ),
        max_size=5,
    )
)
def test_what_rules_show_reads_as_the_same_rules(parts):
    words = [target + ":" * bool(ports) + ",".join(map(str, ports)) for target, ports in parts]
    read = rules(" ".join(words))
    assert len(read) == len(words)
    assert rules(",".join(map(str, read))) == read


@pytest.mark.parametrize(
    ("rule", "name", "taken"),
    [
        ("example.com", "example.com", True),
        ("example.com", "www.example.com", False),
        (".example.com", "example.com", True),
        (".example.com", "a.b.example.com", True),
        (".example.com", "notexample.com", False),
        (".example.com", "example.com.evil.test", False),
        ("example.com:443", "example.com", False),
        ("example.com:79-81", "example.com", True),
        ("10.0.0.0/8", "10.example", False),
        ("*", "example.com", True),
        ("*:443", "example.com", False),
    ],
)
def test_a_rule_takes_names_at_port_80(rule, name, taken):
    assert rules(rule)[0].takes_name(name, 80) is taken


@pytest.mark.parametrize(
    ("rule", "address", "taken"),
    [
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.0.0.0", False),
        ("10.0.0.0/8", "::ffff:10.1.2.3", True),
        ("10.0.0.0/8", "64:ff9b::10.1.2.3", True),
        ("10.0.0.0/8", "2002:a01:203::1", True),
        ("10.0.0.0/8:443", "10.1.2.3", False),
        ("::ffff:10.0.0.0/104", "10.1.2.3", True),
        ("::/0", "2606:4700::1", True),
        ("::/0", "10.1.2.3", False),
        ("64:ff9b::/96", "64:ff9b::8.8.8.8", True),
        ("example.com", "93.184.216.34", False),
        ("*", "93.184.216.34", True),
        ("*:443", "93.184.216.34", False),
    ],
)
def test_a_rule_takes_addresses_at_port_80(rule, address, taken):
    assert rules(rule)[0].takes_address(ip_address(address), 80) is taken


@pytest.mark.parametrize(
    ("rule", "address", "covered"),
    [
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.0.0.0", False),
        ("10.0.0.0/8", "::ffff:10.1.2.3", True),
        ("10.0.0.0/8:443", "10.1.2.3", False),
        ("example.com", "93.184.216.34", False),
        ("*", "93.184.216.34", True),
        ("*:443", "93.184.216.34", False),
        ("::/0", "2606:4700::1", True),
        # Teredo: the server 10.0.0.1, and the client 10.0.0.1 or 8.8.8.8
        ("10.0.0.0/8", "2001:0:a00:1:8000:63bf:f5ff:fffe", True),
        ("10.0.0.0/8", "2001:0:a00:1:8000:63bf:f7f7:f7f7", False),
        ("2001::/32", "2001:0:a00:1:8000:63bf:f7f7:f7f7", True),
    ],
)
def test_a_rule_covers_addresses_at_port_80_with_all_that_they_carry(rule, address, covered):
    assert rules(rule)[0].covers_address(ip_address(address), 80) is covered


@pytest.mark.parametrize("rule", ["10.0.0.0/8", "8.8.8.8"])
def test_a_rule_takes_an_address_of_which_it_takes_one_that_is_carried(rule):
    teredo = ip_address("2001:0:a00:1:8000:63bf:f7f7:f7f7")
    assert rules(rule)[0].takes_address(teredo, 80)
