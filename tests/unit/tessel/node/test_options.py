"""What `connect` may be given, and addresses."""

import pytest

from support.fake_board import powered_board
from tessel.errors import NodeError
from tessel.network.interface import Target, TlsOptions
from tessel.node import dgram, dns, net, timers, tls
from tessel.node._net.options import TLS_OPTIONS, connect_arguments, valid_timeout
from tessel.node._net.tls_options import TLS_ONLY


def called():
    pass


@pytest.mark.parametrize(
    ("first", "rest", "named", "target", "callback"),
    [
        (80, (), {}, Target("127.0.0.1", 80), None),
        ("80", ("h",), {}, Target("h", 80), None),
        (80, (called,), {}, Target("127.0.0.1", 80), called),
        (80, ("h", called), {}, Target("h", 80), called),
        (80, (None, None), {}, Target("127.0.0.1", 80), None),
        (80, ("h", {"proxy": True}, called), {}, Target("h", 80), called),
        ({"port": 80, "host": "h"}, (called,), {}, Target("h", 80), called),
        ({"port": 80, "host": "h", "callback": called}, (), {}, Target("h", 80), called),
        (None, (), {"port": 80, "host": "h", "callback": called}, Target("h", 80), called),
        ({"port": 80}, (), {"port": 81}, Target("127.0.0.1", 81), None),
    ],
)
def test_the_shapes_of_a_call(first, rest, named, target, callback):
    options, called_back = connect_arguments(first, rest, named)
    assert options.target == target
    assert called_back is callback


@pytest.mark.parametrize(("value", "proxy"), [(False, False), (True, True), (None, True)])
def test_only_false_itself_keeps_a_connection_from_the_proxy(value, proxy):
    assert connect_arguments({"port": 1, "proxy": value}, (), {})[0].proxy is proxy


@pytest.mark.parametrize("name", ["proxy", "reject_unauthorized"])
@pytest.mark.parametrize("value", [0, 1, "no"])
def test_a_flag_is_true_or_false_and_nothing_like_it(name, value):
    with pytest.raises(TypeError, match=f"The option '{name}' must be True or False"):
        connect_arguments({"port": 1, name: value}, (), {}, known=TLS_OPTIONS)


@pytest.mark.parametrize("name", ["no_delay", "keep_alive"])
@pytest.mark.parametrize(("value", "wanted"), [(1, True), (0, False), (None, False)])
def test_other_flags_are_what_is_true_as_in_node(name, value, wanted):
    options, _ = connect_arguments({"port": 1, name: value}, (), {})
    assert getattr(options, name) is wanted


def test_tls_options_are_kept_apart_from_their_absence():
    assert connect_arguments(1, (), {})[0].tls == TlsOptions()
    named = {"ca": ["a", b"b"], "servername": "s", "reject_unauthorized": False}
    options, _ = connect_arguments(1, (), named, known=TLS_OPTIONS)
    assert options.tls == TlsOptions(ca=(b"a", b"b"), servername="s", reject_unauthorized=False)
    assert connect_arguments(1, (), {"ca": "a"}, known=TLS_OPTIONS)[0].tls.ca == (b"a",)


def test_each_tls_option_reaches_the_connection():
    named = {
        "cert": "c",
        "key": [b"k", "l"],
        "pfx": b"\0",
        "passphrase": "p",
        "alpn_protocols": ["h2", b"x"],
        "min_version": "TLSv1.2",
        "max_version": "TLSv1.3",
        "ciphers": "HIGH",
    }
    options, _ = connect_arguments(1, (), named, known=TLS_OPTIONS)
    assert options.tls == TlsOptions(
        cert=(b"c",),
        key=(b"k", b"l"),
        pfx=(b"\0",),
        passphrase=b"p",
        alpn_protocols=(b"h2", b"x"),
        min_version="TLSv1.2",
        max_version="TLSv1.3",
        ciphers="HIGH",
    )


@pytest.mark.parametrize("name", sorted(TLS_ONLY))
def test_a_tls_option_of_a_wrong_type_is_reported(name):
    with pytest.raises(TypeError, match=f"The option '{name}' must be") as raised:
        connect_arguments({"port": 1, name: [5] if name == "ca" else 5}, (), {}, known=TLS_OPTIONS)
    assert raised.value.code == "ERR_INVALID_ARG_TYPE"


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (
            lambda: net.connect({"prot": 80}),
            "option 'prot'. Did you mean 'port'",
        ),
        (lambda: net.connect(80, noDelay=True), "Did you mean 'no_delay'"),
        (lambda: net.connect(80, ca="x"), "'ca': it is an option of tls.connect"),
        (lambda: net.connect(80, localPort=5), "'localPort': the radio chooses it"),
        (lambda: net.Socket().connect({"port": 1, "hots": "h"}), "Did you mean 'host'"),
        (lambda: net.Socket({"allowHalfOpen": True}), "Did you mean 'allow_half_open'"),
        (lambda: tls.connect(443, rejectUnauthorized=False), "Did you mean 'reject_unauthorized'"),
        (lambda: tls.connect({"port": 443, "severname": "x"}), "Did you mean 'servername'"),
        (lambda: tls.connect(443, secureProtocol="x"), "use `min_version` and `max_version`"),
        (lambda: tls.TLSSocket().connect(443, prxy=False), "Did you mean 'proxy'"),
        (lambda: net.create_server({"allowHalfOpen": True}), "Did you mean 'allow_half_open'"),
        (lambda: net.create_server(pause=True), "net.create_server has no option 'pause'"),
        (lambda: net.create_server().listen({"prot": 80}), "Did you mean 'port'"),
        (lambda: dgram.create_socket({"typ": "udp4"}), "Did you mean 'type'"),
        (lambda: dgram.create_socket({"type": "udp4", "reuseAddr": True}), "binds a port once"),
        (lambda: dgram.create_socket().bind({"adress": "x"}), "Did you mean 'address'"),
        (lambda: dns.lookup("h", {"famly": 4}, print), "Did you mean 'family'"),
    ],
)
def test_an_unknown_option_is_reported_with_the_right_one(call, says):
    with powered_board(), pytest.raises(NodeError, match=says) as raised:
        call()
    assert raised.value.code == "ERR_UNKNOWN_OPTION"


@pytest.mark.parametrize(
    "call",
    [
        lambda: net.connect(80, 5),
        lambda: net.connect(80, b"host"),
        lambda: net.connect(80, "h", "callback"),
        lambda: net.connect(80, "h", print, print),
        lambda: net.connect({"port": 80}, callback=5),
        lambda: net.connect({"port": 80, "family": "4"}),
        lambda: net.Socket(5),
        lambda: net.Socket().set_timeout("5"),
        lambda: net.Socket().set_timeout(5, "f"),
        lambda: net.Socket().set_keep_alive(True, "5"),
        lambda: net.Socket().set_encoding(5),
        lambda: net.Socket().on("data", None),
        lambda: net.Socket().on(5, print),
        lambda: net.create_server("listener"),
        lambda: net.create_server({}, 5),
        lambda: net.create_server().listen(80, "h", "x", print, print),
        lambda: net.create_server().listen(80, host=5),
        lambda: net.create_server().listen(80, backlog="5"),
        lambda: net.create_server().close(5),
        lambda: net.create_server().get_connections(None),
        lambda: dgram.create_socket("udp4", 5),
        lambda: dgram.create_socket().bind(1, 5),
        lambda: dgram.create_socket().bind(1, "h", 5),
        lambda: dgram.create_socket().send(5, 53),
        lambda: dgram.create_socket().send("x", "a", 5, "h"),
        lambda: dgram.create_socket().send("x", 53, b"h"),
        lambda: dgram.create_socket().close(5),
        lambda: dgram.create_socket().set_ttl("5"),
        lambda: dgram.create_socket().add_membership(5),
        lambda: dns.lookup(5, print),
        lambda: dns.lookup("h", None),
        lambda: dns.lookup("h", "4", print),
        lambda: dns.lookup("h", {"all": 1}, print),
        lambda: dns.resolve("h", 5, print),
        lambda: dns.resolve4(5, print),
        lambda: dns.resolve6("h", 5),
        lambda: timers.set_timeout("f", 5),
        lambda: timers.set_timeout(print, "5"),
        lambda: timers.set_interval(None, 5),
        lambda: timers.set_immediate(5),
        lambda: timers.next_tick(None),
        lambda: timers.clear_timeout("x"),
        lambda: timers.clear_immediate("x"),
    ],
)
def test_a_wrong_type_is_raised_at_the_callers_line(call):
    with powered_board() as board:
        with pytest.raises(NodeError) as raised:
            call()
        assert not board.handles
    assert raised.value.code in ("ERR_INVALID_ARG_TYPE", "ERR_INVALID_ARG_VALUE")
    assert isinstance(raised.value, TypeError | ValueError)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({}, "ERR_SOCKET_BAD_PORT"),
        ({"port": 65_536}, "ERR_SOCKET_BAD_PORT"),
        ({"port": -1}, "ERR_SOCKET_BAD_PORT"),
        ({"port": True}, "ERR_SOCKET_BAD_PORT"),
        ({"port": "8080x"}, "ERR_SOCKET_BAD_PORT"),
        ({"port": "9" * 5000}, "ERR_SOCKET_BAD_PORT"),
        ({"port": 1, "host": 5}, "ERR_INVALID_ARG_TYPE"),
        ({"port": 1, "servername": 5}, "ERR_INVALID_ARG_TYPE"),
        ({"port": 1, "ca": 5}, "ERR_INVALID_ARG_TYPE"),
        ({"port": 1, "timeout": -1}, "ERR_OUT_OF_RANGE"),
        ({"path": "/tmp/socket"}, "ERR_INVALID_ARG_VALUE"),
    ],
)
def test_what_makes_no_sense_is_reported(options, code):
    with pytest.raises(NodeError) as caught:
        connect_arguments(options, (), {}, known=TLS_OPTIONS)
    assert caught.value.code == code


@pytest.mark.parametrize("timeout", [float("inf"), float("nan"), "5", None, True])
def test_a_timeout_is_a_finite_number(timeout):
    with pytest.raises(NodeError, match=r"finite|number of milliseconds"):
        valid_timeout(timeout)


def test_addresses_are_distinguished_from_names():
    assert [net.is_ip(text) for text in ("127.0.0.1", "::1", "localhost")] == [4, 6, 0]
    assert net.is_ipv4("127.0.0.1")
    assert not net.is_ipv4("::1")
    assert net.is_ipv6("::1")
    assert not net.is_ipv6("x")


def test_half_open_may_be_asked_for_both_ways():
    with powered_board():
        assert net.connect({"port": 1, "allow_half_open": True}).allow_half_open
        assert net.connect(1, allow_half_open=True).allow_half_open
        assert not net.connect(1).allow_half_open
        assert net.Socket({"allow_half_open": True}).allow_half_open
