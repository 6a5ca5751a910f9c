"""Which socket: the truth table of the rules, and what PROXY_LOCAL matches."""

import itertools
from dataclasses import fields

import pytest

from tessel.network.interface import Target, TlsOptions
from tessel.network.route import Way, has_own_options, is_local, route
from tessel.settings import DEFAULT_LOCAL, Settings

D, N, T, E = Way.DIRECT, Way.NET_SUBSTREAM, Way.TLS_SUBSTREAM, Way.END_TO_END
PLAIN, TLS, OWN = None, TlsOptions(), TlsOptions(servername="other.example")


def settings(token=True, trusted=False, end_to_end=False, local=None):
    environ = {"PROXY_HOST": "proxy.example"}
    environ |= {"PROXY_TOKEN": "t"} if token else {}
    environ |= {"PROXY_TRUSTED": "1"} if trusted else {}
    environ |= {"PROXY_TLS": "end-to-end"} if end_to_end else {}
    environ |= {"PROXY_LOCAL": local} if local is not None else {}
    return Settings.from_env(environ)


#  kind of connection, PROXY_TRUSTED, PROXY_TLS=end-to-end -> way
PROXIED = [
    (PLAIN, False, False, N),
    (PLAIN, True, False, N),
    (PLAIN, False, True, N),
    (PLAIN, True, True, N),
    (TLS, False, False, D),
    (TLS, True, False, T),
    (TLS, False, True, E),
    (TLS, True, True, E),
    (OWN, False, False, D),
    (OWN, True, False, E),
    (OWN, False, True, E),
    (OWN, True, True, E),
]


@pytest.mark.parametrize(("tls", "trusted", "end_to_end", "way"), PROXIED)
def test_with_a_token_the_kind_of_connection_decides(tls, trusted, end_to_end, way):
    chosen = route("example.com", tls, settings(True, trusted, end_to_end), proxy=True)
    assert chosen.way is way
    assert chosen.reason


@pytest.mark.parametrize(
    ("tls", "trusted", "end_to_end"),
    list(itertools.product((PLAIN, TLS, OWN), (False, True), (False, True))),
)
def test_without_a_token_or_with_proxy_false_or_to_a_local_target_all_is_direct(
    tls, trusted, end_to_end
):
    without = settings(False, trusted, end_to_end)
    with_token = settings(True, trusted, end_to_end)
    assert "token" in route("example.com", tls, without, proxy=True).reason
    assert "proxy=False" in route("example.com", tls, with_token, proxy=False).reason
    assert "PROXY_LOCAL" in route("10.1.2.3", tls, with_token, proxy=True).reason
    for host, chosen, proxy in (
        ("example.com", without, True),
        ("example.com", with_token, False),
        ("localhost", with_token, True),
    ):
        assert route(host, tls, chosen, proxy=proxy).way is D


@pytest.mark.parametrize(
    "own", [TlsOptions(ca=(b"x",)), TlsOptions(servername=""), TlsOptions(reject_unauthorized=True)]
)
def test_any_tls_option_of_its_own_keeps_a_connection_from_the_proxys_tls(own):
    assert route("example.com", own, settings(trusted=True), proxy=True).way is E


HTTP = (b"http/1.1",)


@pytest.mark.parametrize(
    ("host", "options", "own"),
    [
        ("a.example", {}, False),
        ("a.example", {"servername": "a.example"}, False),
        ("a.example", {"servername": "A.Example."}, False),
        ("A.example.", {"servername": "a.example"}, False),
        ("a.example", {"servername": "b.example"}, True),
        ("a.example", {"servername": "a.example.evil.example"}, True),
        ("a.example", {"servername": ""}, True),
        ("192.0.2.1", {"servername": ""}, False),
        ("[2001:db8::1]", {"servername": "2001:DB8:0::1"}, False),
        ("192.0.2.1", {"servername": "192.0.2.2"}, True),
        ("192.0.2.1", {"servername": "a.example"}, True),
        ("a.example", {"servername": "192.0.2.1"}, True),
        ("a.example", {"alpn_protocols": HTTP}, False),
        ("a.example", {"servername": "a.example", "alpn_protocols": HTTP}, False),
        ("a.example", {"alpn_protocols": (b"h2", b"http/1.1")}, True),
        ("a.example", {"alpn_protocols": (b"h2",)}, True),
        ("a.example", {"alpn_protocols": ()}, True),
        ("a.example", {"alpn_protocols": HTTP, "ca": (b"x",)}, True),
        ("a.example", {"servername": "a.example", "reject_unauthorized": True}, True),
        ("a.example", {"reject_unauthorized": False}, True),
        ("a.example", {"check_name": False}, True),
        ("a.example", {"cert": (b"x",)}, True),
        ("a.example", {"key": (b"x",)}, True),
        ("a.example", {"pfx": (b"x",)}, True),
        ("a.example", {"passphrase": b"x"}, True),
        ("a.example", {"min_version": "TLSv1.2"}, True),
        ("a.example", {"max_version": "TLSv1.3"}, True),
        ("a.example", {"ciphers": "HIGH"}, True),
        ("a.example", {"extra_ca": (b"x",)}, False),
    ],
)
def test_which_tls_options_are_a_connections_own(host, options, own):
    tls = TlsOptions(**options)
    assert has_own_options(host, tls) is own
    chosen = route(host, tls, settings(trusted=True), proxy=True)
    assert chosen.way is (E if own else T)


def test_each_tls_option_is_in_the_table_of_those_that_are_own():
    table = test_which_tls_options_are_a_connections_own.pytestmark[0].args[1]
    seen = {name for _, options, _ in table for name in options}
    assert seen == {each.name for each in fields(TlsOptions)} - {"sessions"}


@pytest.mark.parametrize(
    ("entries", "host", "local"),
    [
        (DEFAULT_LOCAL, "10.0.0.1", True),
        (DEFAULT_LOCAL, "11.0.0.1", False),
        (DEFAULT_LOCAL, "172.16.0.1", True),
        (DEFAULT_LOCAL, "172.32.0.1", False),
        (DEFAULT_LOCAL, "192.168.255.255", True),
        (DEFAULT_LOCAL, "169.254.169.254", True),
        (DEFAULT_LOCAL, "127.8.9.1", True),
        (DEFAULT_LOCAL, "localhost", True),
        (DEFAULT_LOCAL, "LocalHost.", True),
        (DEFAULT_LOCAL, "::1", True),
        (DEFAULT_LOCAL, "[::1]", True),
        (DEFAULT_LOCAL, "0:0:0:0:0:0:0:1", True),
        (DEFAULT_LOCAL, "fe80::1", True),
        (DEFAULT_LOCAL, "fe80::1%eth0", True),
        (DEFAULT_LOCAL, "fd00::1", True),
        (DEFAULT_LOCAL, "2001:db8::1", False),
        (DEFAULT_LOCAL, "::ffff:10.0.0.1", True),
        (DEFAULT_LOCAL, "10.0.0.1.evil.com", False),
        (DEFAULT_LOCAL, "10.evil.com", False),
        (DEFAULT_LOCAL, "localhost.evil.com", False),
        (DEFAULT_LOCAL, "notlocalhost", False),
        ("0.0.0.0/0", "8.8.8.8", True),
        ("0.0.0.0/0", "example.com", False),
        ("0.0.0.0/0", "2001:db8::1", False),
        ("::/0", "2001:db8::1", True),
        ("10.1.2.3/8", "10.9.9.9", True),
        ("::ffff:10.0.0.0/104", "10.9.9.9", True),
        ("::ffff:10.0.0.0/104", "::ffff:10.9.9.9", True),
        ("::ffff:10.0.0.0/104", "11.0.0.1", False),
        ("::ffff:0:0/96", "8.8.8.8", True),
        (".example.com", "example.com", True),
        (".example.com", "a.example.com", True),
        (".example.com", "a.b.EXAMPLE.com.", True),
        (".example.com", "badexample.com", False),
        (".example.com", "example.com.evil.org", False),
        (".Example.COM.", "a.example.com", True),
        ("example.com", "example.com.", True),
        ("example.com.", "EXAMPLE.com", True),
        ("example.com", "a.example.com", False),
        ("192.0.2.7", "192.0.2.7", True),
        ("192.0.2.7", "192.0.2.70", False),
        ("2001:DB8::1", "2001:db8:0::1", True),
    ],
)
def test_what_proxy_local_matches(entries, host, local):
    assert is_local(host, settings(local=entries).local) is local


def test_a_target_is_shown_as_host_and_port():
    assert str(Target("example.com", 80)) == "example.com:80"
    assert str(Target("::1", 80)) == "[::1]:80"
