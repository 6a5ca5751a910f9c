"""Requests to the admin port of a process by somebody who has no token, or means no good."""

import random
import re
import socket
import time

import pytest

from lab.waiting import eventually
from support.hardening.growth import Held
from support.hardening.operating import TOKEN, Operator
from support.hardening.proxy import running_proxy

FUZZ_S = 3.0
GROWN_BYTES = 4 * 1024 * 1024
RIGHT = f"Authorization: Bearer {TOKEN}".encode()


def sent(address, data, within=5.0):
    """Send bytes as they are; return everything that is answered."""
    with socket.create_connection(address, timeout=within) as connection:
        heard = b""
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while more := connection.recv(65536):
                heard += more
        except OSError:
            pass  # a reset, or a stream that goes on until the timeout
        return heard


def requested(method, path, *headers, body=b""):
    head = [method + b" " + path + b" HTTP/1.1", b"Host: x", b"Connection: close", *headers]
    head.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def answer(address, *asked, **more):
    """Return a whole answer, without its date."""
    return re.sub(rb"Date: [^\r]*\r\n", b"", sent(address, requested(*asked, **more)))


@pytest.fixture(scope="module")
def addresses(tmp_path_factory, authority):
    """The admin ports of a proxy with an operator's token, and of one without."""
    settings = {"AUTH_HARDCODED": "x" * 20, "ADMIN_PORT": "0"}
    operated = settings | {"ADMIN_TOKEN": TOKEN}
    with (
        running_proxy(tmp_path_factory.mktemp("with"), authority, operated) as one,
        running_proxy(tmp_path_factory.mktemp("without"), authority, settings) as other,
    ):
        yield one, port_of(one), port_of(other)


def port_of(proxy):
    (admin,) = eventually(lambda: proxy.log.events("admin_listening"))
    return "127.0.0.1", admin["port"]


def logged_out(operated):
    """Return the headers of a session that has ended."""
    body = f'{{"token":"{TOKEN}"}}'.encode()
    said = answer(operated, b"POST", b"/api/v1/session", body=body)
    cookie = b"Cookie: " + re.search(rb"tessel_session=[^;]+", said)[0]
    csrf = b"X-Tessel-CSRF: " + re.search(rb'"csrf":"([^"]+)"', said)[1]
    own = (cookie, csrf, b"Origin: http://x")
    assert answer(operated, b"GET", b"/api/v1/tunnels", *own).startswith(b"HTTP/1.1 200 ")
    assert answer(operated, b"DELETE", b"/api/v1/session", *own).startswith(b"HTTP/1.1 200 ")
    return own


METHODS = (b"GET", b"HEAD", b"OPTIONS", b"POST", b"PUT", b"DELETE", b"TRACE", b"PATCH", b"NONE")
HIDDEN = (
    *(b"/api", b"/api/", b"/api/v1", b"/api/v1/", b"/api/v1/tunnels", b"/api/v1/tunnels?limit=0"),
    *(b"/api/v1/tunnels/00000000-1", b"/api/v1/openapi.json", b"/api/v1/end", b"/api/v1/upgrade"),
    *(b"/api/v1/events?topics=totals", b"/errors/TP2005", b"/errors", b"/api/v1/none", b"/api/v2"),
)
NOT_WITHOUT = (b"/api/v1/session", b"/page/js/app.js", b"/page/")


def test_without_access_every_hidden_path_is_like_one_that_is_not_there(addresses):
    _proxy, operated, plain = addresses
    for headers in ((), (b"Authorization: Bearer wrong",), logged_out(operated)):
        for method in METHODS:
            expected = answer(plain, method, b"/nothing", *headers)
            assert expected.startswith(b"HTTP/1.1 404 ")
            for path in HIDDEN:
                assert answer(operated, method, path, *headers) == expected, (method, path)
                assert answer(plain, method, path, *headers) == expected, (method, path)


@pytest.mark.parametrize("method", METHODS)
def test_without_an_operators_token_nothing_of_the_page_is_there(addresses, method):
    plain = addresses[2]
    expected = answer(plain, method, b"/nothing", RIGHT)
    for path in NOT_WITHOUT:
        assert answer(plain, method, path, RIGHT) == expected


END = b'{"account":"a","reason":"x"}'
FORMS = (b"application/x-www-form-urlencoded", b"multipart/form-data; boundary=x", b"text/plain")


@pytest.mark.parametrize("form", FORMS)
def test_a_form_of_another_site_ends_nothing(addresses, form):
    """Browsers send forms, and plain text, to other sites without asking them before."""
    _proxy, operated, _plain = addresses
    body = f'{{"token":"{TOKEN}"}}'.encode()
    said = answer(operated, b"POST", b"/api/v1/session", body=body)
    cookie = b"Cookie: " + re.search(rb"tessel_session=[^;]+", said)[0]
    for origin in (b"Origin: null", b"Origin: http://evil.example", b"Sec-Fetch-Site: same-site"):
        headers = (cookie, origin, b"Content-Type: " + form)
        said = answer(operated, b"POST", b"/api/v1/end", *headers, body=END)
        assert said.startswith((b"HTTP/1.1 403 ", b"HTTP/1.1 404 "))
    wrong = answer(operated, b"POST", b"/api/v1/session", b"Origin: http://evil.example", body=body)
    assert wrong.startswith(b"HTTP/1.1 403 ")
    assert b"Set-Cookie" not in wrong


HEADS = (
    *(RIGHT, b"Authorization: Bearer x", b"Cookie: tessel_session=x; [a]=1", b"Host: y", b"Host:"),
    *(b"Origin: null", b"Expect: 100-continue", b"Connection: Upgrade", b"Upgrade: websocket"),
    *(b"Content-Type: multipart/form-data", b"Transfer-Encoding: chunked", b"Content-Length: 5"),
    *(b"Transfer-Encoding: gzip", b"Content-Length: -1", b"Content-Length: " + b"9" * 20),
    *(b"X: " + b"a" * 5000, b"X: " + b"a" * 20000, b" folded", b"no colon", b": x", b"\0: \0"),
    *(b"If-None-Match: *", b"Range: bytes=0-1", b"Content-Length: 8193", b"X-Tessel-CSRF: \x80"),
)
BODIES = (
    b"",
    b"{}",
    END,
    b"2\r\n{}\r\n0\r\n\r\n",
    b"zz\r\n",
    b"[" * 5000,
)
VERSIONS = (b"HTTP/1.1",) * 6 + (b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0", b"http/1.1", b"")
PATHS = (
    *HIDDEN,
    *NOT_WITHOUT,
    *(b"/", b"*", b"//healthz", b"http://x/metrics", b"/%2525", b"/api/v1/tunnels?limit=1000"),
)


def made(chance):
    """Return a request that nobody means."""
    method = chance.choice(METHODS) if chance.random() < 0.5 else b"GET"
    path = chance.choice(PATHS) + (chance.randbytes(9) if chance.random() < 0.1 else b"")
    body = chance.choice(BODIES)
    heads = [b"Host: x", *chance.choices(HEADS, k=chance.randrange(4))]
    if chance.random() < 0.7:
        heads.append(b"Content-Length: %d" % len(body))
    first = method + b" " + path + b" " + chance.choice(VERSIONS)
    return b"\r\n".join((first, *heads)) + b"\r\n\r\n" + body


def test_odd_requests_are_answered_without_an_error_or_growth(addresses, seed):
    proxy, operated, _plain = addresses
    chance = random.Random(seed)
    before, until = None, time.monotonic() + FUZZ_S
    while time.monotonic() < until:
        data = b"".join(made(chance) for _ in range(chance.choice((1, 1, 2, 9))))
        heard = sent(operated, data, within=0.2)
        assert not re.search(rb"HTTP/1\.[01] 50[0-25-9]", heard), data
        if before is None and time.monotonic() > until - FUZZ_S / 2:
            before = Held.by(proxy.process.id)
    proxy.settles(before.descriptors + 4)
    assert proxy.held.memory - before.memory < GROWN_BYTES
    assert Operator(proxy).get("tunnels")["total"] == 0
