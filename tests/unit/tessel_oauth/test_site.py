"""HTTP at its edges: large bodies, odd requests, many connections, and the log line."""

import json

import pytest
import pytest_twisted
from twisted.logger import LogLevel, globalLogPublisher

from tessel_oauth.site import IDLE_TIMEOUT_S, MAX_BODY, MAX_DISCARDED


@pytest.fixture
def lines():
    """What is logged with an event of ours."""
    seen = []

    def observe(event):
        if "event" in event:
            seen.append(event)

    globalLogPublisher.addObserver(observe)
    yield seen
    globalLogPublisher.removeObserver(observe)


def body_of(answer):
    return json.loads(answer.partition(b"\r\n\r\n")[2])


FORM_HEAD = (
    b"POST /users/profile HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\n"
)


@pytest_twisted.ensureDeferred
async def test_a_body_is_read_up_to_its_limit(serve):
    serving = await serve()
    token = await serving.token()
    form = {"access_token": token, "x": "x" * (MAX_BODY - len(token) - len("access_token=&x="))}

    assert (await serving.ask("POST", "/users/profile", data=form))[0] == 200

    form["x"] += "x"
    status, body, _ = await serving.ask("POST", "/users/profile", data=form)
    assert (status, body["code"], body["error"]) == (413, 413, "invalid_request")
    assert str(MAX_BODY) in body["error_description"]


@pytest_twisted.ensureDeferred
async def test_a_body_of_unknown_length_has_the_same_limit(serve):
    serving = await serve()
    token = (await serving.token()).encode()
    head = FORM_HEAD + b"Transfer-Encoding: chunked\r\n\r\n"

    answer = await serving.raw(head + b"35\r\naccess_token=" + token + b"\r\n0\r\n\r\n")
    assert body_of(answer)["username"] == "tessel-dev"

    chunk = b"1000\r\n" + b"x" * 0x1000 + b"\r\n"
    answer = await serving.raw(head + chunk * 5 + b"0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert body_of(answer)["error"] == "invalid_request"


@pytest_twisted.ensureDeferred
async def test_the_connection_of_an_endless_body_is_aborted(serve):
    serving = await serve()
    length = MAX_BODY + MAX_DISCARDED + 1

    answer = await serving.raw(
        FORM_HEAD + b"Content-Length: %d\r\n\r\n" % (length + 1) + b"x" * length
    )

    assert answer == b""
    assert (await serving.ask("GET", "/healthz"))[0] == 200


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize(
    "request_line", [b"GET *", b"OPTIONS *", b"GET http://evil.example/healthz", b"CONNECT x:443"]
)
async def test_a_request_target_that_is_not_a_path_is_not_found(serve, request_line):
    serving = await serve()

    answer = await serving.raw(request_line + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 404 ")
    assert body_of(answer)["error"] == "not_found"


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("host", [b"\xff\xfe", b"a" * 300, b"..", b"[::1", b"xn--\xff", b""])
async def test_any_host_header_is_accepted(serve, host):
    serving = await serve()

    answer = await serving.raw(
        b"GET /healthz HTTP/1.1\r\nConnection: close\r\nHost: " + host + b"\r\n\r\n"
    )

    assert body_of(answer) == {"status": "ok"}


@pytest_twisted.ensureDeferred
async def test_a_client_that_disconnects_leaves_nothing(serve):
    serving = await serve()
    body = b"access_token=x"
    client = await serving.connect(FORM_HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    client.transport.abortConnection()
    await client.ended

    assert (await serving.grant())[0] == 200


@pytest_twisted.ensureDeferred
async def test_an_idle_connection_is_closed(serve):
    serving = await serve()
    client = await serving.connect(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET ")
    await client.answered

    serving.clock.advance(IDLE_TIMEOUT_S)

    assert b"200 OK" in await client.ended


@pytest_twisted.ensureDeferred
async def test_connections_beyond_the_limit_are_closed_at_once(serve):
    serving = await serve()
    serving.connections._limit = 2
    request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    first, second = await serving.connect(request), await serving.connect(request)
    await first.answered
    await second.answered

    assert await serving.raw(b"") == b""

    first.transport.loseConnection()
    second.transport.loseConnection()
    await first.ended
    await second.ended


@pytest_twisted.ensureDeferred
async def test_a_request_is_one_line_without_its_secrets(serve, lines):
    serving = await serve()
    token = await serving.token()
    await serving.ask("GET", f"/users/profile?access_token={token}")
    await serving.profile("0" * 40)

    told = [
        (each["method"], each["path"], each["status"], each["outcome"], each["account"])
        for each in lines
        if each["event"] == "request"
    ]
    assert told == [
        ("POST", "/oauth/token", 200, "ok", "tessel-dev"),
        ("GET", "/users/profile", 200, "ok", "tessel-dev"),
        ("POST", "/users/profile", 401, "invalid_token", ""),
    ]
    assert all(each["peer"] == "127.0.0.1" and each["seconds"] == 0 for each in lines)
    assert not any(secret in str(lines) for secret in (token, "DEV-CRED", "the-tessel-devenv"))


@pytest_twisted.ensureDeferred
async def test_health_checks_are_logged_at_debug(serve, lines):
    serving = await serve()

    await serving.ask("GET", "/healthz")

    assert [each["log_level"] for each in lines] == [LogLevel.debug]
