"""What `connect` may be given, and addresses."""

import pytest

from support.fake_board import powered_board
from tessel.errors import NodeError
from tessel.network.interface import Target, TlsOptions
from tessel.node import net
from tessel.node.options import connect_arguments, valid_timeout


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


@pytest.mark.parametrize(
    ("value", "proxy"), [(False, False), (True, True), (None, True), (0, True), ("no", True)]
)
def test_only_false_itself_keeps_a_connection_from_the_proxy(value, proxy):
    assert connect_arguments({"port": 1, "proxy": value}, (), {})[0].proxy is proxy


def test_tls_options_are_kept_apart_from_their_absence():
    assert connect_arguments(1, (), {})[0].tls == TlsOptions()
    options, _ = connect_arguments(
        1, (), {"ca": ["a", b"b"], "servername": "s", "reject_unauthorized": False}
    )
    assert options.tls == TlsOptions(ca=(b"a", b"b"), servername="s", reject_unauthorized=False)
    assert connect_arguments(1, (), {"ca": "a"})[0].tls.ca == (b"a",)


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
def test_what_makes_no_sense_is_told(options, code):
    with pytest.raises(NodeError) as caught:
        connect_arguments(options, (), {})
    assert caught.value.code == code


@pytest.mark.parametrize("timeout", [float("inf"), float("nan"), "5", None])
def test_a_timeout_is_a_finite_number(timeout):
    with pytest.raises(NodeError, match="finite"):
        valid_timeout(timeout)


def test_addresses_are_told_from_names():
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
