"""A proxy of one process, with its control socket and the engine of a fleet."""

import pytest
import pytest_twisted
from prometheus_client import CollectorRegistry
from twisted.internet import reactor
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.threads import deferToThread

from tessel_proxy.console import Client, ConsoleError, Place
from tessel_proxy.fleet.notice_actions import NotActedError
from tessel_proxy.fleet.notices import Confirmations, TokensRevoked
from tessel_proxy.fleet.valkey.health import EngineHealth
from tessel_proxy.fleet.valkey.usage import EngineUsage
from tessel_proxy.monitoring.api import Audit
from tessel_proxy.operations import Refusing
from tessel_proxy.operations.process import Parts
from tessel_proxy.operations.refusals_file import KeptRules
from tessel_proxy.startup.alone import SingleProcess
from tessel_proxy.startup.config import Config
from tessel_proxy.startup.operating import InProcess
from tessel_proxy.tunnel.shared_state import TunnelRegistry


class NobodyAsked:
    """A process without tunnels, which answers no question."""

    async def ask(self, method, arguments):
        return Parts({})


class Service:
    """A ProxyService that hears notices, and notes what it is asked to do."""

    def __init__(self, said):
        self.metrics = CollectorRegistry()
        self.usage = None
        self.member = "host-1"
        self.operated = InProcess(NobodyAsked(), None)
        self.refusing = Refusing(TunnelRegistry(), lambda: 0.0)
        self.said = said
        self.outcome = None

    def startService(self):
        self.said.append("service")

    def stopService(self):
        self.said.append("stop service")
        return succeed(None)

    def hear(self, notice):
        self.said.append(notice)
        return self.outcome


class NoOtherHosts:
    def __init__(self):
        self.members = {}

    def serve(self, host, answer):
        self.host = host


class Engine:
    shown_url = "an engine"

    def __init__(self, said):
        self.health = EngineHealth(reactor, "an engine")
        self.said = said
        self.usage = EngineUsage(None)
        self.questions = NoOtherHosts()

    def start(self):
        self.said.append("engine")

    def stop(self):
        self.said.append("stop engine")

    def follow_rules(self, copy):
        self.copy = copy

    async def publish(self, notice):
        return Confirmations(("here", "there"), ())


@pytest.fixture
def said():
    return []


@pytest.fixture
def service(said):
    return Service(said)


@pytest.fixture
def running(service, tmp_path):
    """Start a single process, with an engine if there is one; return its control socket."""
    path = tmp_path / "control"
    started = []

    def start(engine=None):
        alone = SingleProcess(
            service, reactor, Config(control_socket=path), engine, KeptRules(), audit=Audit()
        )
        alone.start()
        started.append(alone)
        return path

    yield start
    for each in started:
        pytest_twisted.blockon(Deferred.fromCoroutine(each.stop()))


def checked(path):
    """Send check-tokens over the control socket."""
    return deferToThread(Client(Place(path)).post, "check-tokens", account="kim")


@pytest_twisted.ensureDeferred
async def test_a_notice_over_the_control_socket_is_acted_on_and_confirmed(running, said):
    done = await checked(running())
    assert (len(done["confirmed"]), done["missing"]) == (1, [])
    assert said == ["service", TokensRevoked("kim")]


@pytest_twisted.ensureDeferred
async def test_a_notice_that_could_not_be_acted_on_is_not_confirmed(running, service):
    service.outcome = fail(NotActedError("cannot be read: AUTH_FILE"))
    done = await checked(running())
    assert (done["confirmed"], len(done["missing"])) == ([], 1)


@pytest_twisted.ensureDeferred
async def test_in_a_fleet_all_proxies_are_notified(running, said):
    done = await checked(running(Engine(said)))
    assert done == {"confirmed": ["here", "there"], "missing": []}
    assert said == ["engine", "service"]


@pytest_twisted.ensureDeferred
async def test_one_process_says_that_it_cannot_be_upgraded(running):
    with pytest.raises(ConsoleError, match="set WORKERS to 2 or more"):
        await deferToThread(Client(Place(running())).post, "upgrade")


@pytest_twisted.ensureDeferred
async def test_the_engine_is_left_after_the_drain_and_the_socket_is_removed(
    service, said, tmp_path
):
    alone = SingleProcess(
        service,
        reactor,
        Config(control_socket=tmp_path / "control"),
        Engine(said),
        KeptRules(),
        audit=Audit(),
    )
    alone.start()
    await alone.stop()
    assert said == ["engine", "service", "stop service", "stop engine"]
    assert not (tmp_path / "control").exists()
