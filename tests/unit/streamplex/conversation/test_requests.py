"""Requests on a substream: arguments that are allowed, and those that are refused."""

from contextlib import suppress

import pytest
from hypothesis import given

from streamplex.conversation import (
    BadRequestError,
    ConnectRequest,
    SubstreamKind,
    decode_connect,
    decode_idle_timeout,
    encode_connect,
    encode_idle_timeout,
    substream_kind,
)
from support.json_values import anything


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
    assert decode_connect(args) == request_


@pytest.mark.parametrize("port", [True, 1.0])
def test_what_equals_a_port_that_was_read_before_is_none(port):
    assert decode_connect((1, "h")) == ConnectRequest(1, "h")
    with pytest.raises(BadRequestError, match="ERR_SOCKET_BAD_PORT"):
        decode_connect((port, "h"))


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
        decode_connect((port, "h"))


@pytest.mark.parametrize("args", [(80,), (80, ""), (80, None), (80, 7), (80, "x" * 257), (80, [])])
def test_a_host_that_is_missing_or_no_text_is_refused(args):
    with pytest.raises(BadRequestError, match=r"^ERR_INVALID_ARG_VALUE: host "):
        decode_connect(args)


@pytest.mark.parametrize("ms", [0, 300, 0.5, 2**31 - 1])
def test_a_timeout_is_in_milliseconds(ms):
    assert decode_idle_timeout(encode_idle_timeout(ms)) == ms


@pytest.mark.parametrize("ms", [2**31, 10**300, 1e308])
def test_a_timeout_beyond_nodes_timers_is_the_longest_they_have(ms):
    assert decode_idle_timeout((ms,)) == 2**31 - 1


@pytest.mark.parametrize(
    "args", [(), (-1,), (True,), ("300",), (None,), (float("nan"),), (float("inf"),), ([],)]
)
def test_any_other_timeout_is_refused(args):
    with pytest.raises(BadRequestError, match=r"^ERR_INVALID_ARG_VALUE: timeout "):
        decode_idle_timeout(args)


@given(anything)
def test_whatever_a_peer_sends_has_a_meaning_or_is_refused(said):
    for parse in (decode_connect, decode_idle_timeout):
        for args in ((said,), (said, said), (80, said)):
            with suppress(BadRequestError):
                parse(args)


def test_a_refusal_quotes_only_the_beginning():
    with pytest.raises(BadRequestError) as refusal:
        decode_connect(("9" * 10_000, "h"))
    assert len(str(refusal.value)) < 200
    assert "999...;" in str(refusal.value)


@pytest.mark.parametrize(
    ("parse", "args", "shown"),
    [
        (decode_connect, (), "port missing;"),
        (decode_connect, (None, "h"), "port null;"),
        (decode_connect, (True, "h"), "port true;"),
        (decode_connect, ({"path": None}, "h"), 'port {"path": null};'),
        (decode_connect, (["a", False], "h"), 'port ["a", false];'),
        (decode_connect, ("it's", "h"), 'port "it\'s";'),
        (decode_connect, ("\u00e9\n", "h"), 'port "\\u00e9\\n";'),
        (decode_connect, (80,), "host missing;"),
        (decode_connect, (80, None), "host null;"),
        (decode_connect, (80, ""), 'host "";'),
        (decode_idle_timeout, (), "timeout missing;"),
        (decode_idle_timeout, (None,), "timeout null;"),
        (decode_idle_timeout, (False,), "timeout false;"),
        (decode_idle_timeout, ("300",), 'timeout "300";'),
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


def test_a_request_is_read_as_it_was_meant():
    request = ConnectRequest(80, "example.com")
    assert encode_connect(request) == (80, "example.com")
    assert decode_connect(encode_connect(request)) == request


@pytest.mark.parametrize("name", ["net", "udp", "", None])
def test_every_name_but_tls_is_a_tcp_connection(name):
    assert substream_kind(name) is SubstreamKind.NET
    assert substream_kind("tls") is SubstreamKind.TLS
