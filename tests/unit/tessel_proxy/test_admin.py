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
from twisted.web.client import Agent

from tessel_proxy.config import Config
from tessel_proxy.monitoring import admin
from tessel_proxy.monitoring.admin import AdminPort, admin_site
from tessel_proxy.monitoring.readiness import Readiness


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
async def test_why_it_is_not_ready_is_told_a_line_each(asked):
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


# --- what strangers may do to it


class Stranger(Protocol):
    """Says what a test tells it, and keeps what it hears."""

    def __init__(self):
        self.heard = b""
        self.gone = Deferred()

    def dataReceived(self, data):
        self.heard += data

    def connectionLost(self, reason):
        self.gone.callback(None)


async def stranger(asked, said=b""):
    endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", asked.port.port)
    found = await connectProtocol(endpoint, Stranger())
    found.transport.write(said)
    return found


@pytest_twisted.ensureDeferred
async def test_when_all_connections_are_taken_the_oldest_makes_room(asked, monkeypatch):
    monkeypatch.setattr(admin, "MAX_CONNECTIONS", 3)
    strangers = [await stranger(asked, b"GET /healthz HT") for _ in range(3)]
    assert await asked.get("/healthz") == (200, "ok\n")
    await strangers[0].gone
    assert not any(each.gone.called for each in strangers[1:])
    assert await asked.get("/healthz") == (200, "ok\n")  # a connection that is gone has made room
    assert not any(each.gone.called for each in strangers[1:])
    for each in strangers[1:]:
        each.transport.abortConnection()
        await each.gone


@pytest.mark.parametrize(
    "head",
    [
        b"content-length: 1025",
        b"content-length: 1000000000000",
        b"transfer-encoding: chunked",
    ],
)
@pytest_twisted.ensureDeferred
async def test_a_long_body_is_refused_before_it_comes_and_not_kept(asked, head):
    said = b"POST /metrics HTTP/1.1\r\nhost: a\r\n%s\r\n\r\n%s" % (head, bytes(1 << 16))
    found = await stranger(asked, said)
    await found.gone
    assert found.heard in (admin.TOO_LONG, b"")  # a reset overtakes it where more has come


@pytest_twisted.ensureDeferred
async def test_a_short_body_is_passed_over(asked):
    said = (
        b"GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 5\r\n\r\nabcde"
    )
    found = await stranger(asked, said)
    await found.gone
    assert found.heard.startswith(b"HTTP/1.1 200 ")


@pytest_twisted.ensureDeferred
async def test_without_a_port_there_is_none():
    asked = Asked(port=None)
    assert asked.port.port is None
    await asked.port.stop()
