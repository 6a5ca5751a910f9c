"""Pings over a real link that is slow, or dead: 16 kbit/s and the default times, ten times as fast.

A batch of a tunnel's is up to 256 KiB, and takes longer than both times of the pings together.
"""

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater

from streamplex import SilentPeerError
from streamplex.credit import Windows
from streamplex.features import CREDIT, PING
from support.proxy_in_memory import TOKEN
from support.proxy_on_sockets import Told, connected
from support.slow_link import SlowLink

BYTES_PER_S = 20_000
PING_S = 1.5
TRANSFER_S = 2.8 * PING_S
MUCH = 8 * BYTES_PER_S * int(TRANSFER_S)
WITHOUT_CREDIT, WITH_CREDIT = {PING}, {PING, CREDIT}


class Site(Protocol):
    """A target that sends much at once, and takes all."""

    taken = 0

    def connectionMade(self):
        self.transport.write(bytes(MUCH))

    def dataReceived(self, data):
        Site.taken += len(data)


@pytest.fixture
def site():
    Site.taken = 0
    factory = Factory.forProtocol(Site)
    factory.noisy = False
    port = reactor.listenTCP(0, factory, interface="127.0.0.1")
    yield port.getHost().port
    pytest_twisted.blockon(port.stopListening())


class Behind:
    """A proxy at the far end of a link, as `connected` wants it."""

    def __init__(self, link):
        self.addresses = [link]


async def accepted(link, authority, features):
    device = await connected(Behind(link), authority)
    device.tunnel.message({"token": TOKEN, "features": sorted(features)})
    assert (await device.answered)["authed"]
    device.tunnel.enable(features, Windows())
    device.tunnel.keep_alive(PING_S, PING_S)
    return device


async def opened(device, port):
    substream = Told()
    device.tunnel.open("net").attach(substream)
    substream.transport.emit("_pls_connect", port, "127.0.0.1")
    await substream.until("connect")
    return substream


def pause(seconds):
    return deferLater(reactor, seconds)


@pytest.mark.parametrize("features", [WITHOUT_CREDIT, WITH_CREDIT])
@pytest_twisted.ensureDeferred
async def test_a_download_is_not_taken_for_silence(make_proxy, authority, site, features):
    proxy = make_proxy(ping_interval_s=PING_S, ping_timeout_s=PING_S)
    with SlowLink(proxy.addresses[0].port, BYTES_PER_S) as link:
        device = await accepted(link, authority, features)
        substream = await opened(device, site)
        await pause(TRANSFER_S)
        assert device.lost is None
        assert len(substream.data) > BYTES_PER_S * PING_S
        device.tunnel.abortConnection()
        await device.gone


@pytest_twisted.ensureDeferred
async def test_an_upload_is_not_taken_for_silence(make_proxy, authority, site):
    proxy = make_proxy(ping_interval_s=PING_S, ping_timeout_s=PING_S)
    with SlowLink(proxy.addresses[0].port, BYTES_PER_S) as link:
        device = await accepted(link, authority, WITH_CREDIT)
        substream = await opened(device, site)
        substream.transport.pauseProducing()
        substream.transport.write(bytes(MUCH))
        await pause(TRANSFER_S)
        assert device.lost is None
        assert Site.taken > BYTES_PER_S * PING_S
        device.tunnel.abortConnection()
        await device.gone


@pytest_twisted.ensureDeferred
async def test_a_link_that_goes_dead_is_found_in_time(make_proxy, authority, site, logged):
    proxy = make_proxy(ping_interval_s=PING_S, ping_timeout_s=PING_S)
    with SlowLink(proxy.addresses[0].port, BYTES_PER_S) as link:
        device = await accepted(link, authority, WITH_CREDIT)
        await opened(device, site)
        await pause(2 * PING_S)
        link.die()
        died_at = reactor.seconds()
        await device.gone
        while not logged.named("tunnel_closed"):
            await pause(0.05)
        # What its memory holds is still acknowledged for a moment.
        assert reactor.seconds() - died_at < 3 * PING_S
        assert device.lost.check(SilentPeerError)
        assert logged.named("tunnel_closed")[0]["outcome"] == "silent"
