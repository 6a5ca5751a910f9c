"""Requests that nobody sends by accident: each is answered, and nothing else happens."""

import json
import re
import socket

import pytest
import pytest_twisted
from hypothesis import given, settings
from hypothesis import strategies as some
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.logger import capturedLogs

from support.operators_place import FEATURES, TOKEN, Place
from tessel_proxy.monitoring.api.routes import PREFIX, ROUTES
from tessel_proxy.monitoring.connections import MAX_CONNECTIONS


@pytest.fixture
def place():
    place = Place()
    place.stage.shared.tunnels.all.add(place.stage.session)
    place.stage.authenticate(*FEATURES, device="lamp")
    yield place
    pytest_twisted.blockon(Deferred.fromCoroutine(place.stop()))


def exchange(port, head, body=b""):
    """Send one request as it is; return the answer's status and its body."""
    head += f"Host: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(head + body)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    line, _, rest = answer.partition(b"\r\n")
    return int(line.split()[1]), rest.partition(b"\r\n\r\n")[2]


async def asked(place, method, target, body=b"", more=b""):
    head = method.encode() + b" " + PREFIX.encode() + target + b" HTTP/1.1\r\n"
    head += f"Authorization: Bearer {TOKEN}\r\n".encode() + more
    return await deferToThread(exchange, place.port.getHost().port, head, body)


@pytest.mark.parametrize("number", [b"inf", b"-inf", b"nan", b"1_0", b"1" * 400])
@pytest_twisted.ensureDeferred
async def test_a_limit_that_is_no_number_of_rows_is_refused(place, number):
    assert (await asked(place, "GET", b"tunnels?limit=" + number))[0] == 400


@pytest.mark.parametrize("number", ["Infinity", "NaN", "1" + "0" * 400, "1e999"])
@pytest.mark.parametrize("name", ["tunnels", "share"])
@pytest_twisted.ensureDeferred
async def test_a_number_in_a_body_that_is_not_finite_is_refused(place, name, number):
    body = f'{{"{name}":{number}}}'.encode()
    assert (await asked(place, "POST", b"rebalance", body))[0] == 400


@pytest.mark.parametrize("text", ["\\ud800", "a\\u0000b", "a\\nb", "\\u001b[2J", "\\u0085"])
@pytest.mark.parametrize("name", ["account", "device", "reason"])
@pytest_twisted.ensureDeferred
async def test_names_and_reasons_with_control_characters_are_refused(place, name, text):
    body = {"account": '"a"', "device": '"d"', "reason": '"why"', name: f'"{text}"'}
    written = "{" + ",".join(f'"{key}":{value}' for key, value in body.items()) + "}"
    status, said = await asked(place, "POST", b"end", written.encode())
    assert (status, place.published) == (400, [])
    assert name in json.loads(said)["error"]["message"]


@pytest_twisted.ensureDeferred
async def test_a_reason_with_the_signs_of_a_form_is_a_reason(place):
    form = b"Content-Type: application/x-www-form-urlencoded\r\n"
    body = b'{"account":"a","reason":"x=1&y=2"}'  # as curl -d sends it
    assert (await asked(place, "POST", b"end", body, form))[0] == 200
    assert place.published[0].reason == "x=1&y=2"


@pytest_twisted.ensureDeferred
async def test_a_path_of_many_bytes_asks_no_process(place):
    for name in (b"%ff" * 5000, b"a-%C2%B2", b"a-1-", b"-", b"%2541-1"):
        assert (await asked(place, "GET", b"tunnels/" + name))[0] == 404
        assert (await asked(place, "GET", b"events?topics=substreams:" + name))[0] == 400


@pytest.mark.parametrize("target", [b"tunnels", b"nothing", b"tunnels/00000000-1", b"end"])
@pytest_twisted.ensureDeferred
async def test_an_answer_to_head_has_the_headers_alone(place, target):
    with capturedLogs() as log:
        status, said = await asked(place, "HEAD", target)
    assert (status, said, log) == ((await asked(place, "GET", target))[0], b"", [])


@pytest_twisted.ensureDeferred
async def test_a_path_is_unquoted_once(place):
    assert (await asked(place, "GET", b"%74unnels"))[0] == 200
    assert (await asked(place, "GET", b"%2574unnels"))[0] == 404
    said = (await asked(place, "GET", b"errors/%2525"))[1]
    assert json.loads(said)["error"]["message"] == "there is no error %25"


@pytest_twisted.ensureDeferred
async def test_a_method_that_is_not_allowed_gets_those_that_are(place):
    _status, headers, _body = await place.send("PUT", "session")
    assert headers["Allow"] == "POST, GET, DELETE"
    assert (await asked(place, "PUT", b"session"))[0] == 405


def raw(port, sent):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(sent)
        return b"".join(iter(lambda: connection.recv(65536), b""))


GET = f"GET {PREFIX}refused HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n".encode()
POST = GET.replace(b"GET", b"POST").replace(b"refused", b"end")
CLOSE = b"Connection: close\r\n\r\n"


@pytest.mark.parametrize(
    ("sent", "statuses"),
    [
        (GET + b"\r\n" + POST + b"Content-Length: 0\r\n\r\n" + GET + CLOSE, [200, 400, 200]),
        (GET.replace(b"1.1", b"1.0") + b"\r\n", [200]),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", [411]),
        (POST + b"Content-Length: 8193\r\n\r\n", [413]),
        (POST + b"Content-Length: -1\r\n\r\n", [400]),
        (POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}}", [400]),
        (GET + b"X: " + b"x" * 20_000 + b"\r\n\r\n", []),
        (GET + b"X: x\r\n" * 600 + b"\r\n", [400]),
        (b"GET /healthz HTTP/1.1\r\n\r\n" + GET + CLOSE, [200, 200]),
    ],
)
@pytest_twisted.ensureDeferred
async def test_odd_http_is_answered_in_order(place, sent, statuses):
    heard = await deferToThread(raw, place.port.getHost().port, sent)
    found = re.findall(rb"HTTP/1\.[01] ([0-9]+) ", heard)
    assert [int(each) for each in found] == statuses


@pytest_twisted.ensureDeferred
async def test_a_body_that_does_not_come_is_not_waited_for_without_end(place, monkeypatch):
    monkeypatch.setattr(place.site, "timeOut", 0.2)
    sent = POST + b"Content-Length: 100\r\n\r\n{"
    assert await deferToThread(raw, place.port.getHost().port, sent) == b""


def crowd(port):
    """Open a stream of events, then many other connections; return what the stream gets then."""
    head = f"GET {PREFIX}events?topics=totals HTTP/1.1\r\nHost: x\r\n"
    head += f"Authorization: Bearer {TOKEN}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=10) as stream:
        stream.sendall(head.encode())
        stream.recv(65536)
        others = [socket.create_connection(("127.0.0.1", port)) for _ in range(3 * MAX_CONNECTIONS)]
        answered = exchange(port, b"GET /healthz HTTP/1.1\r\n")[0]
        told = [stream.recv(65536) for _ in range(3)]
        for each in others:
            each.close()
    return answered, told


@pytest_twisted.ensureDeferred
async def test_connections_of_others_neither_cut_a_stream_nor_keep_monitors_out(place):
    answered, told = await deferToThread(crowd, place.port.getHost().port)
    assert answered == 200
    assert all(told)


TARGETS = sorted({each.path.split("/")[0] for each in ROUTES} - {"events", "drain"})
NAMES = sorted({each.name for route in ROUTES for each in route.body})
VALUES = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=20),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(), inner, max_size=3),
    max_leaves=5,
)
BODIES = some.one_of(
    some.binary(max_size=200),
    some.dictionaries(some.sampled_from(NAMES), VALUES, max_size=5).map(
        lambda value: json.dumps(value).encode()
    ),
    some.integers(1, 8000).map(lambda deep: b"[" * deep),
    some.integers(1, 1000).map(lambda deep: b'{"account":' + b"[" * deep + b"]" * deep + b"}"),
)
QUERIES = some.binary(max_size=40).map(
    lambda text: bytes(each for each in text if each > 32 and each != 127)
)
METHODS = ("GET", "HEAD", "POST", "DELETE", "PUT", "OPTIONS")
PATHS = some.tuples(some.sampled_from(TARGETS), some.sampled_from(["", "/", "?limit=", "?"]))


def fuzz(port, failures):
    """Send generated requests. In a thread: the port is in the reactor's."""

    @settings(max_examples=150, deadline=None)
    @given(some.sampled_from(METHODS), PATHS, QUERIES, BODIES)
    def check(method, path, rest, body):
        target = "".join(path).encode() + rest
        head = f"{method} {PREFIX}".encode() + target + b" HTTP/1.1\r\n"
        head += f"Authorization: Bearer {TOKEN}\r\n".encode()
        status, said = exchange(port, head, body)
        assert status != 500, [each.getTraceback() for each in failures.flush()]
        if method != "HEAD" and status != 400:  # a line that is not HTTP has an empty answer
            json.loads(said)

    check()


@pytest_twisted.ensureDeferred
async def test_no_request_finds_a_bug(place, logged_failures):
    await deferToThread(fuzz, place.port.getHost().port, logged_failures)
