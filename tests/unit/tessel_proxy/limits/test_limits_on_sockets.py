"""Limits of a whole proxy, met by real connections."""

import socket

import pytest_twisted
from twisted.internet import reactor
from twisted.internet.task import deferLater

from support.proxy_in_memory import TOKEN
from support.proxy_on_sockets import accepted, connected
from tessel_proxy.auth import HardcodedAuthenticator
from tessel_proxy.limits.descriptors import RESERVED
from tessel_proxy.startup.composition import ProxyService
from tessel_proxy.startup.config import Config


@pytest_twisted.ensureDeferred
async def test_a_tunnel_too_many_is_cut_and_the_others_stay(make_proxy, authority, logged):
    proxy = make_proxy(max_tunnels=1)
    first, answer = await accepted(proxy, authority)
    assert answer == {"authed": True}
    second = await connected(proxy, authority)
    await second.gone
    assert logged.named("tunnel_refused")[0]["error"] == "TP2014"
    assert proxy._parts.ledger.refusals.total() == 1
    first.tunnel.loseConnection()
    await first.gone


@pytest_twisted.ensureDeferred
async def test_a_handshake_too_many_is_cut(make_proxy, authority, logged):
    proxy = make_proxy(max_handshakes=1)
    silent = socket.create_connection(("127.0.0.1", proxy.addresses[0].port))
    while not proxy._shared.tunnels.handshaking:
        await deferLater(reactor, 0.01)
    second = await connected(proxy, authority)
    await second.gone
    assert logged.named("tunnel_refused")[0]["error"] == "TP2015"
    silent.close()
    while proxy._shared.tunnels.handshaking:
        await deferLater(reactor, 0.01)
    third, answer = await accepted(proxy, authority)
    assert answer == {"authed": True}
    assert not proxy._shared.tunnels.handshaking
    third.tunnel.loseConnection()
    await third.gone


@pytest_twisted.ensureDeferred
async def test_a_tunnel_too_many_of_the_account_is_told_so(make_proxy, authority, logged):
    proxy = make_proxy(max_tunnels_per_account=1)
    first, _ = await accepted(proxy, authority)
    second, answer = await accepted(proxy, authority)
    assert answer["authed"] is False
    await second.gone
    assert logged.named("tunnel_refused")[0]["error"] == "TP2016"
    first.tunnel.loseConnection()
    await first.gone


def test_few_descriptors_are_told_of_at_the_start(server_tls, logged):
    config = Config(max_tunnels=RESERVED)
    proxy = ProxyService(
        config, reactor, HardcodedAuthenticator(TOKEN), server_tls, descriptors=2 * RESERVED
    )
    (line,) = logged.named("few_descriptors")
    assert line["tunnels"] == proxy._shared.limits.shares.tunnels == RESERVED // 2


@pytest_twisted.ensureDeferred
async def test_nobody_is_let_in_while_the_memory_is_full(make_proxy, authority, logged):
    proxy = make_proxy(memory_max_mib=1)  # which Python alone takes
    device = await connected(proxy, authority)
    await device.gone
    assert logged.named("memory_full")[0]["error"] == "TP2019"
    assert logged.named("tunnel_refused")[0]["error"] == "TP2019"
