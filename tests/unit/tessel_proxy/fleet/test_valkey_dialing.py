"""Connecting to the engine: user, database, TLS, Sentinel, and servers that are no engine."""

import time

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint
from twisted.internet.error import ConnectingCancelledError
from twisted.internet.protocol import Factory, Protocol
from twisted.protocols.tls import TLSMemoryBIOFactory

from support.fleet_engines import Engines, passes, until, until_async
from support.tls_servers import AUTHORITY, TlsServer
from support.valkey_server import ValkeyServer
from tessel_proxy.fleet import Demand, EngineError
from tessel_proxy.fleet.notices import RuleAdded, RuleRemoved
from tessel_proxy.fleet.valkey.address import EngineAddress
from tessel_proxy.fleet.valkey.dialing import Credentials, Dialer, DialError
from tessel_proxy.fleet.valkey.engine import ValkeyEngine
from tessel_proxy.fleet.valkey.rules import rule_arguments
from tessel_proxy.fleet.valkey.scripts import RESTORE_RULES, RULES
from tessel_proxy.operations import Rule, Usage, UsageQuestion, UsageRow
from tessel_service_kit.settings import ConfigError

RIGHTS = (
    "~tessel:* -@all +auth +select +role +ping +info +evalsha +script|load +xread "
    "+time +get +set +del +exists +expire +pexpire +pttl +hget +hmget +hset +hsetnx +hdel +hlen "
    "+hincrby +hrandfield +hexists +hkeys +hvals "
    "+sadd +srem +spop +sismember +zadd +zrem +zscore +zrange +zrangebyscore +xadd +xrevrange"
)


@pytest.fixture(scope="module")
def server():
    found = ValkeyServer().start()
    found("ACL", "SETUSER", "proxy", "on", ">sesame", *RIGHTS.split())
    yield found
    found.close()


@pytest_twisted.async_yield_fixture
async def engines():
    found = Engines()
    yield found
    await found.close()


def dialer(*hosts, password=None, ca_file=None, **address):
    return Dialer(reactor, EngineAddress(hosts, **address), Credentials(password), ca_file)


async def refused(found):
    with pytest.raises(DialError) as caught:
        await found.dial()
    await passes(0.02)  # the connection is cut in the next turn
    return str(caught.value)


async def uses_everything(engine):
    engine.listen("a", lambda _: None)
    await engine.renew("a")
    await engine.admit("a", "shop", "till", 0, 9)
    await engine.exchange("a", {"shop": Demand(2)}, [("shop", "till 2")])
    await engine.take_bytes("shop", 1, 2)
    await engine.give_back_bytes("shop", 1)
    await engine.wrong_tokens("192.0.2.1", 1, 5, 1.0)
    await engine._devices.send_again()
    await engine.exchange("a", {"shop": Demand()})
    await engine.leave("a")


@pytest_twisted.ensureDeferred
async def test_a_user_with_the_documented_rights_can_do_everything(server, engines):
    found = dialer(("127.0.0.1", server.port), user="proxy", password="sesame")
    engine = engines.started(ValkeyEngine(reactor, found))
    await until(lambda: engine.is_up)
    await uses_everything(engine)
    await until(lambda: engine._hearing._read_to)
    rule = Rule.made(account="kim", reason="abuse", by="test", now=time.time())
    for notice in (RuleAdded(rule), RuleRemoved(rule.id)):
        await engine.publish(notice)
    await engine._link.run(RESTORE_RULES, 10, *rule_arguments(rule))
    await engine._link.run(RULES, "")
    await engine.usage.add(1, [UsageRow("2026-11-30", "kim", Usage(1))], "")
    await engine.usage.read(UsageQuestion(first="2026-11-30", last="2026-11-30"))
    await engine.usage.read(UsageQuestion(first="2026-11-30", last="2026-11-30", account="kim"))
    assert not engine.health.failures


@pytest_twisted.ensureDeferred
async def test_a_wrong_password_is_reported_and_tried_again(server, engines):
    found = dialer(("127.0.0.1", server.port), user="proxy", password="wrong")
    assert "WRONGPASS" in await refused(found)
    engine = engines.started(ValkeyEngine(reactor, found))
    await until(lambda: engine.health.failures > 3)
    with pytest.raises(EngineError, match="WRONGPASS"):
        await engine.renew("a")


@pytest_twisted.ensureDeferred
async def test_databases_of_a_server_are_different_fleets(server, engines):
    one = await engines.up(server.port, database=1)
    two = await engines.up(server.port, database=2)
    await one.renew("a")
    assert await two.renew("b") == ("b",)


@pytest_twisted.ensureDeferred
async def test_an_engine_that_is_stopped_while_it_dials_dials_no_more(engines, monkeypatch):
    monkeypatch.setattr("tessel_proxy.fleet.valkey.dialing.HostnameEndpoint", NeverConnects)
    engine = engines.started(ValkeyEngine(reactor, dialer(("127.0.0.1", 1))))
    engine.stop()
    assert NeverConnects.cancelled == 2  # both connections
    await passes(0.3)
    assert not engine.health.failures


@pytest_twisted.ensureDeferred
async def test_an_attempt_to_connect_has_a_deadline(monkeypatch):
    monkeypatch.setattr("tessel_proxy.fleet.valkey.dialing.HostnameEndpoint", NeverConnects)
    monkeypatch.setattr("tessel_proxy.fleet.valkey.dialing.DIAL_TIMEOUT_S", 0.05)
    assert await refused(dialer(("127.0.0.1", 1))) == "no answer within 0.05 s"


class NeverConnects:
    """An endpoint in a network that drops packets."""

    cancelled = 0

    def __init__(self, *args, **kwargs):
        pass

    def connect(self, factory):
        return Deferred(self.cancel)

    def cancel(self, connecting):
        NeverConnects.cancelled += 1
        connecting.errback(ConnectingCancelledError(None))


@pytest_twisted.ensureDeferred
async def test_a_database_that_is_not_there_is_reported(server):
    assert "out of range" in await refused(dialer(("127.0.0.1", server.port), database=99))


class _Far(Protocol):
    def __init__(self, near):
        self.near = near

    def dataReceived(self, data):
        self.near.transport.write(data)


class _Near(Protocol):
    """TLS for a server that has none."""

    def connectionMade(self):
        self.far = TCP4ClientEndpoint(reactor, "127.0.0.1", self.factory.behind).connect(
            Factory.forProtocol(lambda: _Far(self))
        )

    def dataReceived(self, data):
        self.far.addCallback(lambda far: far.transport.write(data) or far)

    def connectionLost(self, reason):
        self.far.addCallback(lambda far: far.transport.abortConnection())


@pytest_twisted.async_yield_fixture
async def tls_port(server):
    factory = Factory.forProtocol(_Near)
    factory.behind = server.port
    endpoint = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
    port = await endpoint.listen(TLSMemoryBIOFactory(TlsServer("127.0.0.1"), False, factory))
    yield port.getHost().port
    await port.stopListening()
    await passes(0.05)


@pytest.fixture
def ca_file(tmp_path):
    AUTHORITY.cert_pem.write_to_path(tmp_path / "ca.pem")
    return tmp_path / "ca.pem"


@pytest_twisted.ensureDeferred
async def test_tls_with_an_authority_of_ones_own(tls_port, ca_file):
    protocol = await dialer(("127.0.0.1", tls_port), tls=True, ca_file=ca_file).dial()
    assert await protocol.ping() == "PONG"
    protocol.end("done")
    await protocol.lost


@pytest_twisted.ensureDeferred
async def test_a_certificate_of_an_unknown_authority_is_refused(tls_port):
    fault = await refused(dialer(("127.0.0.1", tls_port), tls=True))
    assert "certificate verify failed" in fault


@pytest_twisted.ensureDeferred
async def test_a_certificate_for_another_name_is_refused(tls_port, ca_file):
    fault = await refused(dialer(("localhost", tls_port), tls=True, ca_file=ca_file))
    assert "Mismatch" in fault
    assert "localhost" in fault


@pytest_twisted.ensureDeferred
async def test_a_server_without_tls_is_refused(server, ca_file, monkeypatch):
    monkeypatch.setattr("tessel_proxy.fleet.valkey.dialing.DIAL_TIMEOUT_S", 0.5)  # it says nothing
    assert await refused(dialer(("127.0.0.1", server.port), tls=True, ca_file=ca_file))


def test_a_file_without_authorities_is_a_fault_of_the_settings(tmp_path):
    with pytest.raises(ConfigError, match="FLEET_CA_FILE"):
        dialer(("127.0.0.1", 1), tls=True, ca_file=tmp_path / "missing")
    (tmp_path / "empty").write_text("nothing")
    with pytest.raises(ConfigError, match=r"FLEET_CA_FILE.*holds no certificate"):
        dialer(("127.0.0.1", 1), tls=True, ca_file=tmp_path / "empty")


@pytest_twisted.ensureDeferred
async def test_sentinel_leads_to_the_primary_and_after_a_failover_to_the_new_one(engines):
    primary = ValkeyServer("--repl-diskless-sync-delay", "0").start()
    replica = ValkeyServer("--replicaof", "127.0.0.1", str(primary.port)).start()
    sentinel = ValkeyServer(sentinel_of=primary.port).start()
    try:
        missing = ("127.0.0.1", 1)  # a Sentinel that does not answer is skipped
        found = dialer(missing, ("127.0.0.1", sentinel.port), service="fleet")
        engine = engines.started(ValkeyEngine(reactor, found))
        await until(lambda: engine.is_up)
        await engine.exchange("a", {"shop": Demand(3)})
        await until(lambda: replica("HGET", "tessel:account:shop", "t") == b"$1\r\n3\r\n", 20)
        name = str(replica.port).encode()
        await until(lambda: name in sentinel("SENTINEL", "REPLICAS", "fleet"), 20)
        primary.kill()
        await until_async(lambda: answers(engine), within_s=30)
        totals = (await engine.exchange("b", {"shop": Demand(1)}))["shop"]
        assert totals.demand.tunnels == 4
    finally:
        await engines.close()
        for each in (sentinel, replica, primary):
            each.close()


async def answers(engine):
    try:
        await engine.renew("b")
    except EngineError:
        return False
    return True


@pytest_twisted.ensureDeferred
async def test_a_service_that_sentinel_does_not_know_is_reported(engines):
    sentinel = ValkeyServer(sentinel_of=1).start()
    try:
        fault = await refused(dialer(("127.0.0.1", sentinel.port), service="other"))
        assert "knows no service 'other'" in fault
    finally:
        sentinel.close()


@pytest_twisted.ensureDeferred
async def test_a_replica_that_sentinel_names_is_refused():
    primary = ValkeyServer().start()
    replica = ValkeyServer("--replicaof", "127.0.0.1", str(primary.port)).start()
    sentinel = ValkeyServer(sentinel_of=replica.port).start()
    try:
        found = dialer(("127.0.0.1", sentinel.port), service="fleet")
        fault = await refused(found)
        assert "role is b'slave'" in fault
    finally:
        for each in (sentinel, replica, primary):
            each.close()
