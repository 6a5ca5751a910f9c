"""Health and metrics over HTTP, on the running reactor."""

import pytest
import pytest_twisted
import treq
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.parser import text_string_to_metric_families
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.web.client import Agent

from tessel_proxy.admin import AdminPort, admin_site
from tessel_proxy.config import Config
from tessel_proxy.readiness import Readiness


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


@pytest_twisted.ensureDeferred
async def test_without_a_port_there_is_none():
    asked = Asked(port=None)
    assert asked.port.port is None
    await asked.port.stop()
