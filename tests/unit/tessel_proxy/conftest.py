"""A proxy on the running reactor, its certificate authority, and its log."""

import pytest
import pytest_twisted
import trustme
from twisted.internet import reactor

from support.proxy_in_memory import TOKEN, LoggedEvents
from support.proxy_on_sockets import Shows
from tessel_proxy.auth import HardcodedAuthenticator
from tessel_proxy.egress.rules import EgressMode
from tessel_proxy.startup.composition import ProxyService
from tessel_proxy.startup.config import Config


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def server_tls(authority):
    return Shows(authority.issue_cert("localhost"))


@pytest.fixture
def make_proxy(server_tls):
    """Makes proxies that are stopped when the test is over."""
    made = []

    def make(**config):
        settings = {"host": "127.0.0.1", "port": 0, "egress_mode": EgressMode.OPEN, **config}
        proxy = ProxyService(Config(**settings), reactor, HardcodedAuthenticator(TOKEN), server_tls)
        made.append(proxy)
        proxy.startService()
        return proxy

    yield make
    for proxy in made:
        pytest_twisted.blockon(proxy.stopService())


@pytest.fixture
def logged():
    with LoggedEvents() as logged:
        yield logged
