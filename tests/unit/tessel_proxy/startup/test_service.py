"""The proxy as a whole, on the running reactor."""

import socket

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import CannotListenError, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from zope.interface import implementer

from support.proxy_in_memory import TOKEN, LoggedEvents
from support.proxy_on_sockets import Told, connected
from tessel_proxy.auth import HardcodedAuthenticator
from tessel_proxy.auth.wrappers import AuthResult, ResultListener
from tessel_proxy.egress.rules import EgressMode, rules
from tessel_proxy.front import listening
from tessel_proxy.front.listening import listen
from tessel_proxy.front.networks import networks
from tessel_proxy.startup import listeners, stopping
from tessel_proxy.startup.composition import ProxyService
from tessel_proxy.startup.config import Config


@pytest.fixture(autouse=True)
def logged():
    with LoggedEvents() as logged:
        yield logged


@pytest_twisted.ensureDeferred
async def test_a_device_reaches_a_target_over_tls(make_proxy, authority, logged):
    proxy = make_proxy()
    device = await connected(proxy, authority)
    device.tunnel.message({"token": TOKEN})
    assert await device.answered == {"authed": True}
    greeter = Factory.forProtocol(Greeter)
    greeter.noisy = False
    target = reactor.listenTCP(0, greeter, interface="127.0.0.1")
    substream = Told()
    device.tunnel.open("net").attach(substream)
    substream.transport.emit("_pls_connect", target.getHost().port, "127.0.0.1")
    await substream.until("close")
    assert substream.data == b"hello"
    await target.stopListening()
    await proxy.stopService()
    await device.gone
    assert logged.named("tunnel_closed")[0]["outcome"] == "stopped"
    assert logged.named("listening")[0]["port"] > 0


@pytest_twisted.ensureDeferred
async def test_what_the_proxy_listens_on_is_not_reached_through_it(make_proxy, authority, logged):
    allowed = {"egress_mode": EgressMode.ENFORCE, "egress_allow": rules("127.0.0.0/8")}
    proxy = make_proxy(admin_port=0, **allowed)
    device = await connected(proxy, authority)
    device.tunnel.message({"token": TOKEN})
    await device.answered
    for port in (proxy.addresses[0].port, proxy.admin_port):
        substream = Told()
        device.tunnel.open("net").attach(substream)
        substream.transport.emit("_pls_connect", port, "127.0.0.1")
        await substream.until("close")
        assert substream.events[0] == ("error", f"connect EACCES 127.0.0.1:{port}")
    told = [line["rule"] for line in logged.named("substream_closed")]
    assert told == ["own_listener", "own_listener"]


@pytest_twisted.ensureDeferred
async def test_the_tunnels_end_resets_its_targets_but_those_whose_device_has_ended(
    make_proxy, authority
):
    proxy = make_proxy()
    device = await connected(proxy, authority)
    device.tunnel.message({"token": TOKEN})
    await device.answered
    keepers = [Keeper(), Keeper()]
    factory = Factory.forProtocol(iter(keepers).__next__)
    factory.noisy = False
    site = reactor.listenTCP(0, factory, interface="127.0.0.1")
    for keeper in keepers:
        substream = Told()
        device.tunnel.open("net").attach(substream)
        substream.transport.emit("_pls_connect", site.getHost().port, "127.0.0.1")
        substream.transport.write(b"upload")
        if keeper is keepers[1]:
            substream.transport.loseWriteConnection()
        await keeper.read
    await keepers[1].ended
    device.tunnel.loseConnection()
    assert (await keepers[0].lost)[0].check(ConnectionLost)
    assert not keepers[0].ended.called
    keepers[1].transport.loseConnection()
    assert (await keepers[1].lost)[0].check(ConnectionDone)
    await site.stopListening()
    await device.gone


@implementer(IHalfCloseableProtocol)
class Keeper(Protocol):
    """A target that reads, and never ends by itself."""

    def __init__(self):
        self.read, self.ended, self.lost = Deferred(), Deferred(), Deferred()

    def dataReceived(self, data):
        self.read.callback(data)

    def readConnectionLost(self):
        self.ended.callback(None)

    def writeConnectionLost(self):
        pass

    def connectionLost(self, reason):
        self.lost.callback([reason])


class Greeter(Protocol):
    def connectionMade(self):
        self.transport.write(b"hello")
        self.transport.loseConnection()


@pytest_twisted.ensureDeferred
async def test_connections_beyond_the_limit_are_cut_until_there_is_room(
    make_proxy, authority, logged
):
    proxy = make_proxy(max_unauthenticated=1)
    first = await connected(proxy, authority)
    second = await connected(proxy, authority)
    await second.gone
    assert logged.named("tunnel_refused")[0]["why"] == "too many tunnels without a token"
    first.tunnel.message({"token": TOKEN})
    await first.answered
    third = await connected(proxy, authority)
    third.tunnel.message({"token": TOKEN})
    assert await third.answered == {"authed": True}
    for device in (first, third):
        device.tunnel.loseConnection()
        await device.gone


@pytest_twisted.ensureDeferred
async def test_a_stop_cuts_those_who_do_not_go(make_proxy, monkeypatch, logged):
    monkeypatch.setattr(stopping, "STOP_GRACE_S", 0.05)
    proxy = make_proxy(drain_s=0.05)
    silent = socket.create_connection(("127.0.0.1", proxy.addresses[0].port))
    while not proxy._shared.tunnels.all:
        await deferLater(reactor, 0.01)
    (session,) = proxy._shared.tunnels.all
    monkeypatch.setattr(type(session), "stop", lambda _session: None)
    await proxy.stopService()
    assert not proxy._shared.tunnels.all
    assert proxy.addresses == []
    silent.close()


@pytest_twisted.ensureDeferred
async def test_a_stop_resets_targets_that_linger_and_leaves_stuck_look_ups(
    make_proxy, monkeypatch, logged
):
    monkeypatch.setattr(stopping, "STOP_GRACE_S", 0.05)
    proxy = make_proxy()
    lingering = Lingering(proxy._shared.opener.sockets)
    proxy._parts.lookups.under_way = 1
    await proxy.stopService()
    assert lingering.aborted
    assert logged.named("lookups_left")[0]["count"]
    proxy._parts.lookups.under_way = 0


class Lingering:
    def __init__(self, sockets):
        self._sockets = sockets
        self._sockets.add(self)
        self.aborted = False
        self.unsent_bytes = 0

    def abort(self):
        self.aborted = True
        self._sockets.discard(self)


@pytest_twisted.ensureDeferred
async def test_a_stop_leaves_targets_without_tunnels_their_time_and_watches_memory_meanwhile(
    make_proxy, monkeypatch
):
    monkeypatch.setattr(stopping, "STOP_GRACE_S", 0.05)
    proxy = make_proxy()
    lingering = Lingering(proxy._shared.opener.sockets)
    lingering.unsent_bytes = 1
    stopped = proxy.stopService()
    await deferLater(reactor, 0.2)
    assert not lingering.aborted
    assert proxy._memory._looks.running
    lingering.unsent_bytes = 0
    lingering.abort()
    await stopped
    assert not proxy._memory._looks.running


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_without_a_host_it_listens_on_all_interfaces(make_proxy, address):
    if address == "::1" and not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    proxy = make_proxy(host="")
    with socket.create_connection((address, proxy.addresses[0].port), 5):
        pass


def test_where_there_is_no_ipv6_it_listens_on_ipv4_alone(make_proxy, monkeypatch):
    monkeypatch.setattr(listening.socket, "has_dualstack_ipv6", lambda: False)
    proxy = make_proxy(host="")
    assert proxy.addresses[0].host == "0.0.0.0"
    with socket.create_connection(("127.0.0.1", proxy.addresses[0].port), 5):
        pass


@pytest.mark.parametrize("host", ["", "127.0.0.1"])
def test_a_port_in_use_is_an_error_that_names_it(make_proxy, host):
    port = make_proxy(host=host).addresses[0].port
    with pytest.raises(CannotListenError, match=str(port)):
        listen(reactor, host, port, Factory())


@pytest_twisted.ensureDeferred
async def test_a_proxy_that_never_started_can_be_stopped(server_tls):
    proxy = ProxyService(Config(), reactor, HardcodedAuthenticator(TOKEN), server_tls)
    await proxy.stopService()
    assert not proxy.running


def test_a_connection_without_an_address_has_no_name():
    assert listeners._peer(None) == ""


# --- life


async def served(proxy, authority):
    """A device with a substream whose target has read, and the target."""
    device = await connected(proxy, authority)
    device.tunnel.message({"token": TOKEN})
    await device.answered
    keeper = Keeper()
    factory = Factory.forProtocol(lambda: keeper)
    factory.noisy = False
    site = reactor.listenTCP(0, factory, interface="127.0.0.1")
    substream = Told()
    device.tunnel.open("net").attach(substream)
    substream.transport.emit("_pls_connect", site.getHost().port, "127.0.0.1")
    substream.transport.write(b"upload")
    await keeper.read
    await site.stopListening()
    return device, substream, keeper


@pytest_twisted.ensureDeferred
async def test_a_stop_lets_what_is_open_finish(make_proxy, authority, logged):
    proxy = make_proxy()
    _device, substream, keeper = await served(proxy, authority)
    stopped = proxy.stopService()
    await deferLater(reactor, 0.2)
    assert proxy.addresses == []
    assert not stopped.called
    keeper.transport.write(b"the answer")
    keeper.transport.loseConnection()
    await substream.until("close")
    assert substream.data == b"the answer"
    await stopped
    assert logged.named("substream_closed")[0]["outcome"] == "ended"
    assert logged.named("tunnel_closed")[0]["outcome"] == "stopped"
    assert logged.named("drained")[0]["left"] == 0


@pytest_twisted.ensureDeferred
async def test_before_it_drains_it_is_not_ready_and_takes_tunnels_still(
    make_proxy, authority, logged
):
    proxy = make_proxy(drain_delay_s=0.5, proxy_protocol_from=networks("127.0.0.2"))
    early = await connected(proxy, authority)
    early.tunnel.message({"token": TOKEN})
    await early.answered
    stopped = proxy.stopService()
    assert proxy._readiness.obstacles == ["draining"]
    late = await connected(proxy, authority)
    late.tunnel.message({"token": TOKEN})
    assert (await late.answered)["authed"]
    assert early.lost is None
    assert logged.named("drain_delayed")[0]["seconds"] == 0.5
    assert not logged.named("draining")
    await stopped
    assert logged.named("draining")[0]["tunnels"] == 2
    assert proxy.addresses == []


@pytest_twisted.ensureDeferred
async def test_a_stop_at_once_does_not_wait_for_load_balancers(make_proxy, authority):
    proxy = make_proxy(drain_delay_s=60)
    device = await connected(proxy, authority)
    stopped = proxy.stopService()
    proxy.abort()
    await device.gone
    stopped.addErrback(lambda failure: failure.trap(CancelledError))
    stopped.cancel()  # as the end of the process does
    proxy._config = Config()  # the fixture stops it once more


@pytest_twisted.ensureDeferred
async def test_what_never_listened_is_not_delayed(server_tls):
    proxy = ProxyService(
        Config(drain_delay_s=60), reactor, HardcodedAuthenticator(TOKEN), server_tls
    )
    await proxy.stopService()


@pytest_twisted.ensureDeferred
async def test_a_stop_at_once_resets_what_is_open(make_proxy, authority):
    proxy = make_proxy()
    device, _substream, keeper = await served(proxy, authority)
    stopped = proxy.stopService()
    proxy.abort()
    assert (await keeper.lost)[0].check(ConnectionLost)
    await device.gone
    await stopped


@pytest_twisted.ensureDeferred
async def test_after_its_time_a_stop_resets_what_is_open(make_proxy, authority, monkeypatch):
    monkeypatch.setattr(stopping, "STOP_GRACE_S", 0.05)
    proxy = make_proxy(drain_s=0.05)
    device, _substream, keeper = await served(proxy, authority)
    await proxy.stopService()
    assert (await keeper.lost)[0].check(ConnectionLost)
    await device.gone


@pytest_twisted.ensureDeferred
async def test_a_stop_waits_for_no_balancers_header(make_proxy):
    proxy = make_proxy(proxy_protocol_from=networks("127.0.0.1"))
    waiting = socket.create_connection(("127.0.0.1", proxy.addresses[0].port))
    while not proxy._ports._main.waiting:
        await deferLater(reactor, 0.01)
    await proxy.stopService()
    assert not proxy._ports._main.waiting
    waiting.close()


@pytest_twisted.ensureDeferred
async def test_the_admin_port_is_open_while_the_proxy_serves(make_proxy):
    proxy = make_proxy(admin_port=0)
    assert proxy.admin_port > 0
    await proxy.stopService()
    assert proxy.admin_port is None


@pytest_twisted.ensureDeferred
async def test_a_proxy_is_ready_once_it_listens_and_while_its_credentials_are_right(server_tls):
    news = ResultListener()
    settings = Config(host="127.0.0.1", port=0)
    proxy = ProxyService(
        settings, reactor, HardcodedAuthenticator(TOKEN), server_tls, token_service=news
    )
    readiness = proxy._readiness
    assert readiness.obstacles == ["not listening"]
    proxy.startService()
    assert readiness.obstacles == []
    news.report(AuthResult.MISCONFIGURED)
    assert len(readiness.obstacles) == 1
    news.report(AuthResult.UNAVAILABLE)
    assert len(readiness.obstacles) == 1
    news.report(AuthResult.REFUSED)
    assert readiness.obstacles == []
    proxy._memory.is_full = True
    assert len(readiness.obstacles) == 1
    proxy._memory.is_full = False
    await proxy.stopService()
    assert readiness.obstacles == ["draining"]
