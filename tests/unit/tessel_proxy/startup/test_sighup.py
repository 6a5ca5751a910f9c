"""A renewed certificate and SIGHUP, on a proxy that is a process and has work to do."""

import json
import signal
import sys
from datetime import UTC, datetime
from itertools import repeat

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, wrapClientTLS
from twisted.internet.interfaces import IPullProducer
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from zope.interface import implementer

from lab.processes import Process
from streamplex import Side
from streamplex.tx import TunnelProtocol
from support.certificate_authorities import make_certificates
from support.memory_tunnels import Aware, Listener
from support.proxy_in_memory import TOKEN
from support.tls_handshakes import trusting
from tessel_proxy.startup.config import Config

WAIT_S = 20.0
PIECE = bytes(range(256)) * 64


@pytest.fixture
def config(tmp_path):
    config = Config(cert_file=tmp_path / "c.pem", key_file=tmp_path / "k.pem")
    make_certificates(["proxy.example"], config, datetime.now(UTC))
    return config


@pytest.fixture
def proxy(config, tmp_path):
    settings = {
        "HOST": "127.0.0.1",
        "PORT": "0",
        "CERT_FILE": str(config.cert_file),
        "KEY_FILE": str(config.key_file),
        "AUTH_HARDCODED": TOKEN,
        "EGRESS_ALLOW": "127.0.0.0/8",
        "RELOAD_LOOK_S": "600",  # nothing but the signal
        "LOG_FORMAT": "json",
    }
    process = Process([sys.executable, "-m", "tessel_proxy"], settings, tmp_path, "proxy")
    yield process
    process.stop()
    assert process.exit_code == 0


async def logged(process, **fields):
    """A line of the log with these fields, as soon as there is one."""
    for _ in repeat(None, int(WAIT_S / 0.05)):
        lines = [json.loads(line) for line in process.stderr.splitlines() if line.endswith("}")]
        for line in lines:
            if fields.items() <= line.items():
                return line
        await deferLater(reactor, 0.05)
    raise TimeoutError(f"no {fields} in\n{process.stderr}")


class Device(Listener):
    def __init__(self):
        super().__init__()
        self.answered, self.gone = Deferred(), Deferred()

    def messageReceived(self, value):
        self.answered.callback(value)

    def tunnelLost(self, reason):
        self.gone.callback(None)

    @property
    def shown(self):
        return self.tunnel.transport.getPeerCertificate().to_cryptography()


async def a_device(port, config):
    device = Device()
    factory = Factory.forProtocol(lambda: TunnelProtocol(Side.B, device, reactor))
    factory.noisy = False
    plain = TCP4ClientEndpoint(reactor, "127.0.0.1", port)
    await wrapClientTLS(trusting(config), plain).connect(factory)
    device.tunnel.message({"token": TOKEN})
    assert await device.answered == {"authed": True}
    return device


@implementer(IPullProducer)
class Spring(Protocol):
    """A target that sends until the test ends it."""

    sent, last = 0, False

    def connectionMade(self):
        self.transport.registerProducer(self, False)

    def resumeProducing(self):
        self.transport.write(PIECE)
        self.sent += len(PIECE)
        if self.last:
            self.transport.unregisterProducer()
            self.transport.loseConnection()

    def stopProducing(self):
        """It was cut; the count tells."""


class Download(Aware):
    """What comes of it is compared and let go."""

    def __init__(self):
        super().__init__()
        self.count, self.intact, self.done = 0, True, Deferred()

    def dataReceived(self, data):
        start = self.count % 256
        self.intact &= data == (PIECE * (len(data) // len(PIECE) + 2))[start : start + len(data)]
        self.count += len(data)

    def customReceived(self, name, args):
        if name == "close":
            self.done.callback(None)

    async def further(self, nbytes):
        aim = self.count + nbytes
        while self.count < aim:
            await deferLater(reactor, 0.01)


@pytest_twisted.ensureDeferred
async def test_after_sighup_new_devices_see_the_new_certificate_and_transfers_go_on(proxy, config):
    port = (await logged(proxy, event="listening"))["port"]
    spring = Spring()
    factory = Factory.forProtocol(lambda: spring)
    factory.noisy = False
    site = reactor.listenTCP(0, factory, interface="127.0.0.1")
    device = await a_device(port, config)
    download = Download()
    device.tunnel.open("net").attach(download)
    download.transport.emit("_pls_connect", site.getHost().port, "127.0.0.1")
    await download.further(1_000_000)
    renewed = make_certificates(["proxy.example"], config, datetime.now(UTC)).server
    proxy.signal(signal.SIGHUP)
    await logged(proxy, event="reloaded", what="the certificate")
    later = await a_device(port, config)
    assert later.shown == renewed != device.shown
    await download.further(1_000_000)
    spring.last = True
    await download.done
    assert download.intact
    assert download.count == spring.sent
    for each in (device, later):
        each.tunnel.loseConnection()
        await each.gone
    await site.stopListening()
