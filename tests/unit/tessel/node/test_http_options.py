"""URLs and options, headers in and out."""

import pytest

from tessel.errors import NodeError
from tessel.node._http.headers import OutgoingHeaders, joined
from tessel.node._http.options import request_options


def parsed(target, extra=None, scheme="http"):
    return request_options(target, extra, scheme)


@pytest.mark.parametrize(
    ("url", "host", "port", "path", "host_header"),
    [
        ("http://a.example", "a.example", 80, "/", "a.example"),
        ("http://A.example:80/x#y", "a.example", 80, "/x", "a.example"),
        ("http://a.example:8080?q=1", "a.example", 8080, "/?q=1", "a.example:8080"),
        ("http://[::1]:81/", "::1", 81, "/", "[::1]:81"),
        (
            "http://bücher.example/ü?ß %41",
            "xn--bcher-kva.example",
            80,
            "/%C3%BC?%C3%9F%20%41",
            "xn--bcher-kva.example",
        ),
    ],
)
def test_a_url_says_where_and_what(url, host, port, path, host_header):
    options = parsed(url)
    assert options.connection == {"host": host, "port": port}
    assert options.path == path
    assert options.headers.get("host") == host_header
    assert options.method == "GET"


def test_none_is_as_if_not_given():
    options = parsed({"method": None, "path": None, "host": None, "port": None, "headers": None})
    assert (options.method, options.path) == ("GET", "/")
    assert options.connection == {"host": "localhost", "port": 80}


def test_options_go_over_the_url():
    options = parsed("http://a.example/x", {"path": "/y", "method": "put", "port": "81"})
    assert (options.path, options.method, options.connection["port"]) == ("/y", "PUT", 81)


def test_what_is_not_https_business_is_handed_on():
    options = parsed({"host": "a", "proxy": False, "ca": "PEM", "timeout": 5, "agent": None})
    assert options.connection == {"host": "a", "port": 80, "proxy": False, "ca": "PEM"}
    assert options.timeout_ms == 5


def test_the_host_is_localhost_unless_said():
    assert parsed({}).connection == {"host": "localhost", "port": 80}
    assert parsed({"hostname": "b", "host": "a"}).connection["host"] == "b"


def test_https_has_its_own_port_and_scheme():
    assert parsed("https://a.example/", scheme="https").connection["port"] == 443
    with pytest.raises(NodeError, match="'https:' not supported") as refused:
        parsed("https://a.example/")
    assert refused.value.code == "ERR_INVALID_PROTOCOL"


def test_credentials_become_basic_authorization():
    assert parsed("http://us%65r:p%40ss@a/").headers.get("Authorization") == "Basic dXNlcjpwQHNz"
    assert parsed("http://user@a/").headers.get("Authorization") == "Basic dXNlcjo="
    own = parsed({"auth": "a:b", "headers": {"authorization": "mine"}})
    assert own.headers.get("Authorization") == "mine"


def test_a_host_header_may_be_ones_own_or_none():
    assert parsed("http://a/", {"headers": {"HOST": "b"}}).headers.get("Host") == "b"
    assert parsed("http://a/", {"set_host": False}).headers.get("Host") is None


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("example.com/x", "ERR_INVALID_URL"),
        ("http:///x", "ERR_INVALID_URL"),
        ("http://a:port/", "ERR_INVALID_URL"),
        ("http://[::1/", "ERR_INVALID_URL"),
        ("http://" + "ü" * 64 + ".example/", "ERR_INVALID_URL"),
        ({"protocol": "ftp:"}, "ERR_INVALID_PROTOCOL"),
        ({"method": "GET /x"}, "ERR_INVALID_HTTP_TOKEN"),
        ({"method": 7}, "ERR_INVALID_ARG_TYPE"),
        ({"path": "/a b"}, "ERR_UNESCAPED_CHARACTERS"),
        ({"path": "/a\r\nX: y"}, "ERR_UNESCAPED_CHARACTERS"),
        ({"path": "/ü"}, "ERR_UNESCAPED_CHARACTERS"),
        ({"path": 7}, "ERR_INVALID_ARG_TYPE"),
        ({"headers": "a: b"}, "ERR_INVALID_ARG_TYPE"),
        ({"headers": ["a", "b", "c"]}, "ERR_INVALID_ARG_VALUE"),
        ({"headers": [("a", "b"), ("c",)]}, "ERR_INVALID_ARG_VALUE"),
        ({"headers": {"a": None}}, "ERR_HTTP_INVALID_HEADER_VALUE"),
        ({"headers": {"a": {"b": "c"}}}, "ERR_INVALID_ARG_TYPE"),
        ({"headers": {5: "c"}}, "ERR_INVALID_HTTP_TOKEN"),
        ({"headers": {"a b": "c"}}, "ERR_INVALID_HTTP_TOKEN"),
        ({"headers": {"": "c"}}, "ERR_INVALID_HTTP_TOKEN"),
        ({"headers": {"a": "b\r\nc: d"}}, "ERR_INVALID_CHAR"),
        ({"headers": {"a": "€"}}, "ERR_INVALID_CHAR"),
        ({"headers": {"a": ["b", "\0"]}}, "ERR_INVALID_CHAR"),
        ({"port": "http"}, "ERR_INVALID_ARG_VALUE"),
        ({"port": True}, "ERR_INVALID_ARG_VALUE"),
        ({"max_header_size": -1}, "ERR_INVALID_ARG_VALUE"),
        ({"max_body_size": 1.5}, "ERR_INVALID_ARG_VALUE"),
        ({"timeout": -1}, "ERR_OUT_OF_RANGE"),
        ({"timeout": "soon"}, "ERR_INVALID_ARG_TYPE"),
    ],
)
def test_what_no_request_can_be_made_of_is_refused(target, code):
    with pytest.raises(NodeError) as refused:
        parsed(target)
    assert refused.value.code == code


@pytest.mark.parametrize(
    "given",
    [{"A": ["1", "2"], "B": 3}, ["A", "1", "A", "2", "B", "3"], [("A", ["1", "2"]), ("B", 3)]],
)
def test_headers_are_a_mapping_or_a_list(given):
    assert OutgoingHeaders(given).pairs() == [(b"A", b"1"), (b"A", b"2"), (b"B", b"3")]


@pytest.mark.parametrize(
    ("scheme", "option", "meant"),
    [
        ("https", "rejectUnauthorized", "reject_unauthorized"),
        ("http", "prot", "port"),
        ("http", "maxHeaderSize", "max_header_size"),
        ("http", "insecureHTTPParser", "insecure_http_parser"),
        ("http", "header", "headers"),
    ],
)
def test_a_misspelt_option_names_the_one_that_was_meant(scheme, option, meant):
    with pytest.raises(TypeError, match=f"^{scheme}.request has no option '{option}'.*'{meant}'"):
        request_options({option: 1}, None, scheme)


@pytest.mark.parametrize("option", ["localAddress", "socketPath", "lookup", "ecdhCurve", "signal"])
def test_an_option_that_a_device_cannot_have_says_why(option):
    with pytest.raises(TypeError, match=r"has no option '[a-zA-Z]+': .+"):
        request_options({option: 1}, None, "https")


def test_a_header_can_be_asked_for_a_word():
    headers = OutgoingHeaders({"Connection": "Keep-Alive, Upgrade"})
    assert headers.says("connection", "upgrade")
    assert not headers.says("connection", "close")
    assert not headers.says("expect", "100-continue")


def test_cookies_are_joined_as_cookies_are():
    assert joined([(b"Cookie", b"a=1"), (b"cookie", b"b=2")]) == {"cookie": "a=1; b=2"}
