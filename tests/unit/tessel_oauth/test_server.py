"""Start and stop of the server."""

import io

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.error import CannotListenError
from twisted.logger import globalLogPublisher

from tessel_oauth.config import Config
from tessel_oauth.server import Server
from tessel_service_kit.logs import LogFormat, LogLevel, observer


@pytest.fixture
def log():
    stream = io.StringIO()
    lines = observer(stream, LogLevel.INFO, LogFormat.TEXT)
    globalLogPublisher.addObserver(lines)
    yield stream
    globalLogPublisher.removeObserver(lines)


@pytest_twisted.ensureDeferred
async def test_a_server_shows_the_key_then_listens_then_stops(log):
    shown = []
    server = Server(Config(port=0), reactor, bytes, lambda *words: shown.append(words))

    await server.start()
    port = server._port.getHost().port
    await server.stop()

    assert shown == [("tessel-dev", "00" * 16)]
    listening, stopped = log.getvalue().splitlines()
    assert listening.endswith(f" info listening listening on 127.0.0.1 port {port}")
    assert stopped.endswith(" info stopped stopped")


@pytest_twisted.ensureDeferred
async def test_two_servers_cannot_have_one_port(log):
    settings = {"seed_api_key": "K"}
    first = Server(Config(port=0, **settings), reactor, bytes, None)
    await first.start()
    second = Server(Config(port=first._port.getHost().port, **settings), reactor, bytes, None)

    with pytest.raises(CannotListenError):
        await second.start()

    await second.stop()
    await first.stop()
