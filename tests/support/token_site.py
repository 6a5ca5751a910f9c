"""A token service on loopback that gives the answers which a test has set."""

import json
from urllib.parse import parse_qs

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.web.client import Agent
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from tessel_proxy.auth import (
    OAuthAuthenticator,
)
from tessel_proxy.auth.settings_parsers import TokenService

KEY = "00112233445566778899aabbccddeeff"
GRANT = {"token_type": "bearer", "access_token": "a" * 40}
PROFILE = {"username": "tessel-dev", "email": "t@example.com", "apiKey": KEY, "name": "T"}


class TokenSite(Resource):
    """Answers each path with what is set for it, and keeps what it was asked."""

    isLeaf = True

    def __init__(self):
        super().__init__()
        self.answers = {"/oauth/token": (200, GRANT), "/users/profile": (200, PROFILE)}
        self.headers = {}
        self.troubles = 0  # answers of 503 before any other
        self.asked = []
        self.arrived = Deferred()
        self.gone = Deferred()

    def render(self, request):
        path = request.path.decode()
        form = {
            name: values[0] for name, values in parse_qs(request.content.read().decode()).items()
        }
        self.asked.append((request.method.decode(), path, form, request.requestHeaders.copy()))
        answer = self.answers[path]
        if self.troubles:
            self.troubles -= 1
            answer = (503, b"")
        if answer is None:  # never answers
            request.notifyFinish().addBoth(lambda _lost: self.gone.callback(None))
            self.arrived.callback(None)
            return NOT_DONE_YET
        status, body = answer
        request.setResponseCode(status)
        for name, value in self.headers.items():
            request.setHeader(name, value)
        return body if isinstance(body, bytes) else json.dumps(body).encode()


class Listening:
    def __init__(self, factory):
        self._port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        self.url = f"http://127.0.0.1:{self._port.getHost().port}"

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_error):
        await self._port.stopListening()


def oauth(url, clock=None):
    service = TokenService(url, "tessel-proxy-dev", "the-tessel-devenv")
    return OAuthAuthenticator(service, Agent(reactor), clock or reactor, 10, jitter=lambda: 0.0)
