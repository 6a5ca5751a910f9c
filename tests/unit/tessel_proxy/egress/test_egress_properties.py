"""What holds for every text and every address, not only for those of the tables."""

import socket
from ipaddress import IPv6Address, IPv6Network, ip_address

from hypothesis import assume, example, given
from hypothesis import strategies as st

from tessel_proxy.egress.addresses import AddressKind, carried, classify
from tessel_proxy.egress.hosts import canonical
from tessel_proxy.egress.policy import Policy, RequestedTarget, RuleSet
from tessel_proxy.egress.rules import rules

NUMBERS = st.one_of(
    st.integers(0, 2**33).map(str),
    st.integers(0, 2**33).map(hex),
    st.integers(0, 2**33).map("0{:o}".format),
    st.sampled_from(["", "0", "00", "08", "0x", "0X1f", "1x", "a"]),
)
ALMOST_ADDRESSES = st.one_of(
    st.lists(NUMBERS, min_size=1, max_size=5).map(".".join),
    st.text("0123456789abcdefxX.:%[]", max_size=20),
)
GLOBAL_UNICAST = IPv6Network("2000::/3")
IPV4 = st.ip_addresses(v=4)


def embeddings(address):
    """All forms of IPv6 that lead to an IPv4 address."""
    number = int(address)
    inverted = number ^ 0xFFFF_FFFF
    return {
        "mapped": IPv6Address((0xFFFF << 32) | number),
        "translated": IPv6Address((0xFFFF << 48) | number),
        "NAT64": IPv6Address((0x64FF9B << 96) | number),
        "6to4": IPv6Address((0x2002 << 112) | (number << 80) | 1),
        "Teredo client": IPv6Address((0x20010000 << 96) | (0x08080808 << 64) | inverted),
        "Teredo server": IPv6Address((0x20010000 << 96) | (number << 64) | 0xF7F7F7F7),
    }


class NotMine:
    def listens_at(self, _address, _port):
        return False

    def has(self, _address):
        return False


@given(ALMOST_ADDRESSES)
@example("127.1")
@example("0x7f.1")
@example("1.2.3.4 x")
def test_what_the_system_takes_for_an_address_never_goes_on_as_a_name(text):
    try:
        host = canonical(text)
    except ValueError:
        return
    try:
        found = socket.getaddrinfo(text.strip("[]"), None, flags=socket.AI_NUMERICHOST)
    except OSError:
        assert isinstance(host, str) or text.endswith((".", "]"))
    else:
        assert {ip_address(each[4][0]) for each in found} == {host}


@given(IPV4)
@example(ip_address("127.0.0.1"))
@example(ip_address("169.254.169.254"))
@example(ip_address("10.0.0.1"))
def test_an_embedded_address_is_as_good_as_the_one_within(address):
    verdict = classify(address)
    for form, embedded in embeddings(address).items():
        assert classify(embedded) is verdict, form


@given(st.ip_addresses(v=6))
def test_of_ipv6_only_global_unicast_and_what_carries_ipv4_may_be_dialled(address):
    if classify(address) is AddressKind.ALLOWED:
        assert address in GLOBAL_UNICAST or carried(address)


@given(IPV4, st.sampled_from(["10.0.0.0/8", "0.0.0.0/0", ".b", "*", ""]), st.integers(1, 65535))
def test_no_allow_gets_past_a_deny_in_whatever_form(address, allowed, port):
    lifting = rules(allowed)
    policy = Policy(
        (RuleSet(allow=lifting, deny=rules(str(address))), RuleSet("x", allow=rules("::/0 a.b")))
    )
    for each in (address, *embeddings(address).values()):
        assert (
            policy.refusal(RequestedTarget("a.b", port), each, NotMine())
            == f"EGRESS_DENY {address}/32"
        )


@given(IPV4, st.integers(1, 65535))
def test_only_lifts_nothing(address, port):
    free, limited = Policy(), Policy((RuleSet("x", only=rules("*")),))
    wanted = RequestedTarget(address, port)
    assert limited.refusal(wanted, address, NotMine()) == free.refusal(wanted, address, NotMine())


@given(IPV4, IPV4)
def test_no_allow_of_one_carried_address_lifts_the_refusal_of_the_other(one, other):
    assume(one != other and classify(other) is not AddressKind.ALLOWED)
    policy = Policy((RuleSet(allow=rules(str(one))),))
    for server, client in ((one, other), (other, one)):
        inverted = ~int(client) & 0xFFFF_FFFF
        teredo = IPv6Address((0x20010000 << 96) | (int(server) << 64) | inverted)
        assert policy.refusal(RequestedTarget(teredo, 443), teredo, NotMine()) is not None
