"""A token service that listens on loopback, with a clock of its own."""

import pytest
import pytest_twisted
import treq
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock

from tessel_oauth import tokens
from tessel_oauth.app import App
from tessel_oauth.config import Config
from tessel_oauth.service import TokenService
from tessel_oauth.site import BoundedConnections, Site

GRANT_TYPE = "https://tessel-grant"
CLIENT = ("tessel-proxy-dev", "the-tessel-devenv")


class Everything(Protocol):
    """Collects what comes until the connection ends."""

    def __init__(self):
        self.data = b""
        self.answered = Deferred()
        self.ended = Deferred()

    def dataReceived(self, data):
        if not self.data:
            self.answered.callback(None)
        self.data += data

    def connectionLost(self, reason):
        self.ended.callback(self.data)


class Serving:
    """The running service and how to talk to it."""

    def __init__(self, config, random=None):
        self.clock = Clock()
        self.handed_out = []
        self.service = TokenService(config, self.clock.seconds, reactor, random or self._random)
        self.site = Site(App(self.service).routes.resource(), self.clock)
        self.connections = BoundedConnections(self.site)

    def _random(self, nbytes):
        self.handed_out.append(nbytes)
        return len(self.handed_out).to_bytes(nbytes, "big")

    async def start(self):
        self.made = await self.service.open()
        self._listening = reactor.listenTCP(0, self.connections, interface="127.0.0.1")
        self.port = self._listening.getHost().port

    async def stop(self):
        await self._listening.stopListening()
        await self.service.close()

    async def ask(self, method, path, **kwargs):
        """Status, JSON, and the response itself."""
        response = await treq.request(
            method, f"http://127.0.0.1:{self.port}{path}", persistent=False, **kwargs
        )
        data = await response.content()
        return response.code, (await response.json() if data else None), response

    async def grant(self, api_key="DEV-CRED", auth=CLIENT, **data):
        form = {"grant_type": GRANT_TYPE, "api_key": api_key} | data
        return await self.ask("POST", "/oauth/token", data=form, auth=auth)

    async def token(self):
        status, answer, _ = await self.grant()
        assert status == 200
        return answer["access_token"]

    async def profile(self, token):
        return await self.ask("POST", "/users/profile", data={"access_token": token})

    async def connect(self, data):
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", self.port)
        client = await connectProtocol(endpoint, Everything())
        client.transport.write(data)
        return client

    async def raw(self, data):
        """All that is answered to these bytes until the service closes."""
        return await (await self.connect(data)).ended


@pytest.fixture(autouse=True)
def _cheap_hashes(monkeypatch):
    monkeypatch.setattr(tokens, "SCRYPT_N", 2)


@pytest.fixture
def database(tmp_path):
    return str(tmp_path / "oauth.sqlite")


@pytest_twisted.async_yield_fixture
async def serve():
    """Starts services; stops them when the test is over."""
    running = []

    async def start(**settings):
        config = Config(**({"seed_api_key": "DEV-CRED"} | settings))
        serving = Serving(config)
        running.append(serving)
        await serving.start()
        return serving

    yield start
    for serving in running:
        await serving.stop()
