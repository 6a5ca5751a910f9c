"""Which keepalive probes the system sends for the proxy's connections."""

import socket

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater

from streamplex.tx.tcp import tcp_below
from support.proxy_in_memory import TOKEN
from support.proxy_on_sockets import Told, connected
from tessel_proxy.front.networks import networks

OPTIONS = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
]


def probes(transport):
    handle = tcp_below(transport).getHandle()
    return [handle.getsockopt(*option) for option in OPTIONS]


async def tunnel(proxy, authority):
    """A device's end, and the proxy's transport."""
    device = await connected(proxy, authority)
    device.tunnel.message({"token": TOKEN})
    assert (await device.answered)["authed"]
    (session,) = proxy._shared.tunnels.all
    return device, session._tunnel.transport


async def close(device):
    device.tunnel.loseConnection()
    await device.gone


@pytest_twisted.ensureDeferred
async def test_a_device_is_probed_after_a_minute_and_lost_after_two(make_proxy, authority):
    device, transport = await tunnel(make_proxy(), authority)
    assert probes(transport) == [1, 60, 15, 4, 0]
    await close(device)


@pytest.mark.parametrize(("idle_s", "expected"), [(90, [1, 90, 5, 7, 0]), (0, [0, *[None] * 3, 0])])
@pytest_twisted.ensureDeferred
async def test_the_settings_say_when(make_proxy, authority, idle_s, expected):
    device, transport = await tunnel(
        make_proxy(tcp_keepalive_idle_s=idle_s, tcp_keepalive_interval_s=5, tcp_keepalive_probes=7),
        authority,
    )
    found = probes(transport)
    assert [got for got, want in zip(found, expected, strict=True) if want is not None] == [
        want for want in expected if want is not None
    ]
    await close(device)


@pytest_twisted.ensureDeferred
async def test_a_target_is_probed_too(make_proxy, authority):
    proxy = make_proxy(tcp_keepalive_idle_s=33)
    device, _ = await tunnel(proxy, authority)
    factory = Factory.forProtocol(Protocol)
    factory.noisy = False
    site = reactor.listenTCP(0, factory, interface="127.0.0.1")
    substream = Told()
    device.tunnel.open("net").attach(substream)
    substream.transport.emit("_pls_connect", site.getHost().port, "127.0.0.1")
    await substream.until("connect")
    (target,) = proxy._shared.opener.sockets
    assert probes(target) == [1, 33, 15, 4, 0]
    await close(device)
    await site.stopListening()


@pytest_twisted.ensureDeferred
async def test_a_device_behind_a_load_balancer_is_probed_too(make_proxy, authority):
    proxy = make_proxy(proxy_protocol_from=networks("127.0.0.1"))
    client = socket.create_connection(("127.0.0.1", proxy.addresses[0].port))
    client.sendall(b"PROXY UNKNOWN\r\n")
    while not proxy._shared.tunnels.all:
        await deferLater(reactor, 0.01)
    (session,) = proxy._shared.tunnels.all
    assert probes(session._tunnel.transport) == [1, 60, 15, 4, 0]
    client.close()
    while proxy._shared.tunnels.all:
        await deferLater(reactor, 0.01)
