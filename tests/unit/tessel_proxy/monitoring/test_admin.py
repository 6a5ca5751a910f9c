"""Health and metrics over HTTP, on the running reactor."""

import pytest
import pytest_twisted
import treq
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.parser import text_string_to_metric_families
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol
from twisted.logger import capturedLogs
from twisted.web.client import Agent

from tessel_proxy.monitoring import connections
from tessel_proxy.monitoring.admin import AdminPort, admin_site
from tessel_proxy.monitoring.readiness import Readiness
from tessel_proxy.startup.config import Config


class Asked:
    """An admin port, and what it answers."""

    def __init__(self, port=0):
        self.readiness = Readiness(reactor, lambda: True)
        registry = CollectorRegistry()
        Gauge("sample", "A value.", registry=registry).set(7)
        site = admin_site(self.readiness, registry)
        self.port = AdminPort(Config(admin_port=port), reactor, site)
        self.port.start()

    async def get(self, path):
        answer = await treq.get(
            f"http://127.0.0.1:{self.port.port}{path}",
            agent=Agent(reactor),  # connections that are not kept
        )
        return answer.code, await answer.text()


@pytest.fixture
def asked():
    asked = Asked()
    yield asked
    pytest_twisted.blockon(Deferred.fromCoroutine(asked.port.stop()))


@pytest_twisted.ensureDeferred
async def test_a_process_that_answers_is_healthy(asked):
    assert await asked.get("/healthz") == (200, "ok\n")


@pytest_twisted.ensureDeferred
async def test_why_it_is_not_ready_is_reported_in_a_line_each(asked):
    assert await asked.get("/readyz") == (200, "ok\n")
    asked.readiness.draining = True
    asked.readiness.credentials_wrong()
    status, text = await asked.get("/readyz")
    assert (status, text.splitlines()[0], len(text.splitlines())) == (503, "draining", 2)


@pytest_twisted.ensureDeferred
async def test_metrics_can_be_read_by_prometheus(asked):
    status, text = await asked.get("/metrics")
    (family,) = text_string_to_metric_families(text)
    assert (status, family.name, family.samples[0].value) == (200, "sample", 7)


@pytest_twisted.ensureDeferred
async def test_nothing_else_is_there(asked):
    assert (await asked.get("/"))[0] == 404
    assert (await asked.get("/metrics2"))[0] == 404


# --- forms of requests that monitors use


async def answered(asked, *heads):
    """The answers to these requests on one connection, which the last one closes."""
    found = await plain_client(asked, b"".join(heads))
    await found.gone
    return found.heard


def request(method, target, *fields, version="1.1"):
    lines = [f"{method} {target} HTTP/{version}", *fields]
    return "\r\n".join([*lines, "", ""]).encode()


CLOSE = ("Host: a", "Connection: close")


def parts(answer):
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    fields = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    return int(status.split()[1]), fields, body


@pytest.mark.parametrize(
    "target",
    [
        "/healthz",
        "/healthz/",
        "/healthz?check=1",
        "/healthz/?check=1&b",
        "/healthz?",
        "//healthz",
        "http://127.0.0.1:9105//healthz",
        "/%68ealthz",
        "http://127.0.0.1:9105/healthz",
        "HTTP://proxy.example/healthz/?check=1",
        "https://proxy.example/healthz",
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
@pytest_twisted.ensureDeferred
async def test_health_is_reported_whatever_the_target_looks_like(asked, method, target):
    status, fields, body = parts(await answered(asked, request(method, target, *CLOSE)))
    assert status == 200
    assert body == (b"ok\n" if method == "GET" else b"")
    assert fields["content-length"] == ("0" if method == "OPTIONS" else "3")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
@pytest.mark.parametrize(
    "fields", [(), ("Host: a",), ("Connection: close",), ("Accept: */*", "User-Agent: check/1")]
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
@pytest_twisted.ensureDeferred
async def test_http_1_0_needs_no_host_and_ends_the_connection(asked, path, fields, method):
    said = request(method, path, *fields, version="1.0")
    status, _fields, body = parts(await answered(asked, said))
    assert status == 200
    assert (body != b"") == (method == "GET")


@pytest.mark.parametrize("ready", [True, False])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
@pytest_twisted.ensureDeferred
async def test_readiness_is_the_same_by_every_method(asked, method, ready):
    asked.readiness.draining = not ready
    status, fields, _body = parts(await answered(asked, request(method, "/readyz", *CLOSE)))
    assert status == (200 if ready else 503)
    assert fields["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/nothing", "/"])
@pytest_twisted.ensureDeferred
async def test_head_has_the_head_of_get(asked, path):
    got = parts(await answered(asked, request("GET", path, *CLOSE)))
    head = parts(await answered(asked, request("HEAD", path, *CLOSE)))
    assert head[0] == got[0]
    assert head[2] == b""
    assert head[1]["content-type"] == got[1]["content-type"]
    assert head[1].get("content-length") == got[1].get("content-length")


@pytest.mark.parametrize("path", ["/healthz", "/readyz/", "/metrics", "/metrics?name[]=sample"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE", "PURGE", "get"])
@pytest_twisted.ensureDeferred
async def test_other_methods_are_answered_with_those_that_are_allowed(asked, method, path):
    status, fields, body = parts(await answered(asked, request(method, path, *CLOSE)))
    assert (status, fields["allow"], body) == (405, "GET, HEAD, OPTIONS", b"")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/"])
@pytest_twisted.ensureDeferred
async def test_options_says_what_is_allowed(asked, path):
    status, fields, body = parts(await answered(asked, request("OPTIONS", path, *CLOSE)))
    assert (status, fields["allow"], body) == (200, "GET, HEAD, OPTIONS", b"")


@pytest.mark.parametrize("said", [("OPTIONS", "/", "1.0"), ("OPTIONS", "*", "1.1")])
@pytest_twisted.ensureDeferred
async def test_what_load_balancers_send_by_themselves_is_answered(asked, said):
    method, target, version = said
    head = request(method, target, *CLOSE, version=version)
    assert parts(await answered(asked, head))[0] == 200


@pytest_twisted.ensureDeferred
async def test_a_connection_is_kept_for_more_requests(asked):
    heads = [request("HEAD", "/healthz", "Host: a"), request("GET", "/readyz", "Host: a")] * 2
    heard = await answered(asked, *heads, request("GET", "/metrics", *CLOSE))
    assert heard.count(b"HTTP/1.1 200 OK") == 5
    assert heard.count(b"\r\n\r\nok\n") == 2


@pytest_twisted.ensureDeferred
async def test_a_client_that_expects_100_is_asked_to_continue(asked):
    expecting = ("Expect: 100-continue", "Content-Length: 2", *CLOSE)
    heard = await answered(asked, request("GET", "/healthz", *expecting), b"{}")
    assert heard.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize(
    "target", ["/healthz/more", "/HEALTHZ", "http://a", "http://a/", "/metrics/x"]
)
@pytest_twisted.ensureDeferred
async def test_other_paths_are_not_there_and_the_answer_says_what_is(asked, target):
    status, _fields, body = parts(await answered(asked, request("GET", target, *CLOSE)))
    assert (status, body) == (404, b"not found; available: /healthz, /readyz and /metrics\n")


@pytest_twisted.ensureDeferred
async def test_heads_of_monitors_leave_no_line_in_the_log(asked):
    with capturedLogs() as logs:
        for path in ("/healthz", "/metrics", "/nothing"):
            await answered(asked, request("HEAD", path, *CLOSE))
    assert [each for each in logs if "HEAD" in str(each.get("log_format"))] == []


# --- unauthenticated clients


class PlainClient(Protocol):
    """Says what a test tells it, and keeps what it hears."""

    def __init__(self):
        self.heard = b""
        self.gone = Deferred()

    def dataReceived(self, data):
        self.heard += data

    def connectionLost(self, reason):
        self.gone.callback(None)


async def plain_client(asked, said=b""):
    endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", asked.port.port)
    found = await connectProtocol(endpoint, PlainClient())
    found.transport.write(said)
    return found


@pytest_twisted.ensureDeferred
async def test_when_all_connections_are_taken_the_oldest_makes_room(asked, monkeypatch):
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 3)
    clients = [await plain_client(asked, b"GET /healthz HT") for _ in range(3)]
    assert await asked.get("/healthz") == (200, "ok\n")
    await clients[0].gone
    assert not any(each.gone.called for each in clients[1:])
    assert await asked.get("/healthz") == (200, "ok\n")  # a connection that is gone has made room
    assert not any(each.gone.called for each in clients[1:])
    for each in clients[1:]:
        each.transport.abortConnection()
        await each.gone


@pytest.mark.parametrize(
    "head",
    [
        b"content-length: 8193",
        b"content-length: 1000000000000",
        b"transfer-encoding: chunked",
    ],
)
@pytest_twisted.ensureDeferred
async def test_a_long_body_is_refused_before_it_comes_and_not_kept(asked, head):
    said = b"POST /metrics HTTP/1.1\r\nhost: a\r\n%s\r\n\r\n%s" % (head, bytes(1 << 16))
    found = await plain_client(asked, said)
    await found.gone
    assert found.heard in (
        connections.TOO_LONG,
        connections.NO_LENGTH,
        b"",
    )  # a reset overtakes it where more has come


@pytest_twisted.ensureDeferred
async def test_a_short_body_is_passed_over(asked):
    said = (
        b"GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 5\r\n\r\nabcde"
    )
    found = await plain_client(asked, said)
    await found.gone
    assert found.heard.startswith(b"HTTP/1.1 200 ")


@pytest_twisted.ensureDeferred
async def test_without_a_port_there_is_none():
    asked = Asked(port=None)
    assert asked.port.port is None
    await asked.port.stop()
