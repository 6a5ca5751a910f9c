"""The proxy conversation: what strangers say, and what they are answered."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamplex.refusals import Reason
from tessel_proxy.wire import (
    BadRequestError,
    ConnectRequest,
    Hello,
    accepted,
    parse_connect,
    parse_hello,
    parse_timeout,
    refused,
)

ORIGINAL = Hello("x", None, None, device_faulty=False)
ALL_OURS = [
    "reuse/1",
    "halfclose/1",
    "retry/1",
    "reason/1",
    "device/1",
    "goaway/1",
    "ping/1",
    "credit/1",
]

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


def hello_with(**said):
    return parse_hello({"token": "t", **said})


@pytest.mark.parametrize("said", [None, 1, "DEV-CRED", [], {}, {"token": 5}, {"token": ["x"]}])
def test_an_object_without_a_token_that_is_text_has_none(said):
    assert parse_hello(said).token is None


def test_a_peer_that_does_not_send_the_key_knows_no_features():
    assert hello_with() == Hello("t", None, None, device_faulty=False)


def test_only_features_that_both_ends_name_are_common():
    hello = hello_with(features=["reuse/1", "flow/1", "reuse/2", 7])
    assert hello.common == {"reuse/1"}


def test_malformed_features_are_those_of_a_peer_that_offers_none():
    assert hello_with(features="reuse/1").features == frozenset()


def test_a_device_is_known_by_its_name_if_it_says_that_it_has_one():
    assert hello_with(features=["device/1"], device="küche 1").device == "küche 1"
    assert hello_with(features=[], device="x").device is None
    assert hello_with(device="x").device is None
    assert not hello_with(features=["device/1"]).device_faulty


@pytest.mark.parametrize("name", ["", "x" * 65, "a\nb", "a\x1b[2J", 7, None, ["x"]])
def test_an_unusable_device_name_is_as_none_and_noted(name):
    hello = hello_with(features=["device/1"], device=name)
    assert (hello.device, hello.device_faulty, hello.token) == (None, True, "t")


def test_a_peer_of_the_original_kind_is_answered_to_the_letter():
    assert json.dumps(accepted(ORIGINAL, 65536), separators=(",", ":")) == '{"authed":true}'
    for reason in Reason:
        answer = refused(ORIGINAL, try_again=True, reason=reason)
        assert json.dumps(answer, separators=(",", ":")) == '{"authed":false}'


def test_features_are_answered_with_ours_in_a_fixed_order():
    assert list(accepted(hello_with(features=[]), 65536).items()) == [
        ("authed", True),
        ("features", ALL_OURS),
    ]


def test_a_device_with_flow_control_is_told_its_window_and_says_ours():
    hello = hello_with(features=["credit/1"], window=1000)
    assert list(accepted(hello, 2000).items())[2:] == [("window", 2000)]
    assert hello.window == 1000


@pytest.mark.parametrize("window", [None, -1, 2**31, True, 1.0, "1000"])
def test_a_window_that_is_no_number_of_bytes_counts_as_unsaid(window):
    assert hello_with(features=["credit/1"], window=window).window == 65_536


@pytest.mark.parametrize("try_again", [True, False])
def test_whether_to_try_again_is_told_to_those_who_asked(try_again):
    wrong = Reason.WRONG_TOKEN
    answer = refused(hello_with(features=["retry/1"]), try_again=try_again, reason=wrong)
    assert list(answer.items()) == [
        ("authed", False),
        ("retry", try_again),
        ("features", ALL_OURS),
    ]
    silent = refused(hello_with(features=["reuse/1"]), try_again=try_again, reason=wrong)
    assert list(silent) == ["authed", "features"]


@pytest.mark.parametrize("reason", list(Reason))
def test_why_a_token_is_refused_is_told_to_those_who_asked(reason):
    answer = refused(hello_with(features=["reason/1"]), try_again=False, reason=reason)
    assert list(answer.items()) == [
        ("authed", False),
        ("reason", reason.value),
        ("features", ALL_OURS),
    ]


@pytest.mark.parametrize(
    ("args", "request_"),
    [
        ((80, "example.com"), ConnectRequest(80, "example.com")),
        (("80", "::1"), ConnectRequest(80, "::1")),
        ((1, "h"), ConnectRequest(1, "h")),
        ((65535, "h"), ConnectRequest(65535, "h")),
        ((80, "h", "more", {}), ConnectRequest(80, "h")),
    ],
)
def test_where_to_is_an_integer_or_its_digits_and_a_host(args, request_):
    assert parse_connect(args) == request_


_NO_PORTS = [" 80", "8_0", "٨٠", "/tmp/socket", [80], {}]


@pytest.mark.parametrize(
    "port",
    [
        0,
        -1,
        65536,
        10**300,
        80.0,
        80.5,
        True,
        None,
        "",
        "http",
        "0",
        "65536",
        "080000",
        "-80",
        *_NO_PORTS,
    ],
)
def test_any_other_port_is_refused_with_nodes_word(port):
    with pytest.raises(BadRequestError, match=r"^ERR_SOCKET_BAD_PORT: port "):
        parse_connect((port, "h"))


@pytest.mark.parametrize("args", [(80,), (80, ""), (80, None), (80, 7), (80, "x" * 257), (80, [])])
def test_a_host_that_is_missing_or_no_text_is_refused(args):
    with pytest.raises(BadRequestError, match=r"^ERR_INVALID_ARG_VALUE: host "):
        parse_connect(args)


@pytest.mark.parametrize(
    ("ms", "seconds"), [(0, 0), (300, 0.3), (0.5, 0.0005), (2**31 - 1, 2147483.647)]
)
def test_a_timeout_is_in_milliseconds(ms, seconds):
    assert parse_timeout((ms,)) == seconds


@pytest.mark.parametrize("ms", [2**31, 10**300, 1e308])
def test_a_timeout_beyond_nodes_timers_is_the_longest_they_have(ms):
    assert parse_timeout((ms,)) == 2147483.647


@pytest.mark.parametrize(
    "args", [(), (-1,), (True,), ("300",), (None,), (float("nan"),), (float("inf"),), ([],)]
)
def test_any_other_timeout_is_refused(args):
    with pytest.raises(BadRequestError, match=r"^ERR_INVALID_ARG_VALUE: timeout "):
        parse_timeout(args)


@given(anything)
def test_whatever_a_stranger_says_has_a_meaning_or_is_refused(said):
    parse_hello(said)
    for parse in (parse_connect, parse_timeout):
        for args in ((said,), (said, said), (80, said)):
            with suppress(BadRequestError):
                parse(args)


def test_a_refusal_quotes_only_the_beginning():
    with pytest.raises(BadRequestError) as refusal:
        parse_connect(("9" * 10_000, "h"))
    assert len(str(refusal.value)) < 200
    assert "999...;" in str(refusal.value)


@pytest.mark.parametrize(
    ("parse", "args", "shown"),
    [
        (parse_connect, (), "port missing;"),
        (parse_connect, (None, "h"), "port null;"),
        (parse_connect, (True, "h"), "port true;"),
        (parse_connect, ({"path": None}, "h"), 'port {"path": null};'),
        (parse_connect, (["a", False], "h"), 'port ["a", false];'),
        (parse_connect, ("it's", "h"), 'port "it\'s";'),
        (parse_connect, ("\u00e9\n", "h"), 'port "\\u00e9\\n";'),
        (parse_connect, (80,), "host missing;"),
        (parse_connect, (80, None), "host null;"),
        (parse_connect, (80, ""), 'host "";'),
        (parse_timeout, (), "timeout missing;"),
        (parse_timeout, (None,), "timeout null;"),
        (parse_timeout, (False,), "timeout false;"),
        (parse_timeout, ("300",), 'timeout "300";'),
    ],
)
def test_a_refusal_quotes_the_argument_in_json(parse, args, shown):
    with pytest.raises(BadRequestError) as refusal:
        parse(args)
    assert shown in str(refusal.value)


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("example.com", "example.com:80"),
        ("192.0.2.1", "192.0.2.1:80"),
        ("2001:db8::1", "[2001:db8::1]:80"),
    ],
)
def test_a_target_is_written_as_in_a_url(host, shown):
    assert str(ConnectRequest(80, host)) == shown
