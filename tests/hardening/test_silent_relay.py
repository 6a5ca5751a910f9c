"""A relay stops forwarding without closing: its connections are cheap and block nobody."""

import time

import pytest

from lab.waiting import eventually
from support.hardening.device import Device, connecting, data
from support.hardening.proxy import TOKEN
from support.hardening.relay import Relay

TUNNELS = 20
STOP_SECONDS = 15.0  # to drain, to be patient, and on a shared machine
DRAIN_S = 1


@pytest.fixture
def relay(proxy):
    relay = Relay(proxy.port)
    yield relay
    relay.close()


@pytest.fixture
def proxy(proxy_with):
    return proxy_with(DRAIN_S=DRAIN_S)


@pytest.fixture
def hanging(relay, context, site):
    """Devices in the middle of a transfer, after the relay stopped forwarding."""
    devices = [Device(relay.port, context) for _ in range(TUNNELS)]
    for device in devices:
        assert device.authenticate(TOKEN) == {"authed": True}
        device.send(
            connecting(2, site["source"]),
            data(2, b"100000000\n"),
            connecting(4, site["trickle"]),
            connecting(6, site["echo"]),
        )
        device.read_bytes(2, 10_000)
    relay.be_silent()
    yield devices
    for device in devices:
        device.socket.close()


def test_connections_in_a_silent_relay_cost_little_and_block_nobody(
    proxy, bystander_of, device_of, hanging
):
    before = proxy.held
    with bystander_of(proxy):
        time.sleep(3)  # targets go on to send
        assert proxy.held.memory - before.memory < TUNNELS * 512 * 1024
        device_of(proxy, TOKEN)  # a device that does not use the relay is accepted


def test_after_the_relay_closes_nothing_is_left(proxy, relay, device_of, hanging):
    relay.close()
    proxy.settles(proxy.held_at_first.descriptors)
    eventually(lambda: len(proxy.log.events("tunnel_closed")) == TUNNELS)


def test_a_silent_relay_does_not_keep_the_proxy_from_stopping(proxy, hanging):
    proxy.terminate()
    assert proxy.process.wait(STOP_SECONDS) == 0
