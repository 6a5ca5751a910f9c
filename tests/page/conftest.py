"""The operator's page in a real Chromium, over a stand-in for the API or a real proxy."""

import socket
import threading
from contextlib import suppress

import pytest

from support.page.browser import CHROMIUM, DESKTOP, Tab, chromium
from support.page.stand_in_api import StandInApi

MINUTES = 3 * 60  # for one test; the browser takes seconds to start on a busy machine


def pytest_collection_modifyitems(items):
    for item in items:
        item.add_marker(pytest.mark.timeout(MINUTES))


@pytest.fixture(scope="session")
def browser():
    if CHROMIUM is None:
        pytest.skip("no chromium; Debian: apt-get install chromium")
    api = pytest.importorskip(
        "playwright.sync_api", reason="no playwright: make page-test installs it"
    )
    with api.sync_playwright() as playwright, chromium(playwright) as running:
        yield running


@pytest.fixture
def api():
    serving = StandInApi()
    yield serving
    serving.close()


@pytest.fixture
def open_tab(browser):
    """A function that opens a tab of a new session of the browser.

    Afterwards no tab may have reported an error, or asked anybody but the proxy. A test that
    expects an error takes it from `tab.errors`.
    """
    contexts, tabs = [], []

    def opened(url, **options):
        contexts.append(browser.new_context(**{"viewport": DESKTOP, **options}))
        tabs.append(Tab(contexts[-1], url))
        return tabs[-1]

    yield opened
    for context in contexts:
        context.close()
    assert [tab.errors for tab in tabs] == [[] for _ in tabs]
    assert [tab.elsewhere for tab in tabs] == [[] for _ in tabs]


@pytest.fixture
def tab(open_tab, api):
    """A tab on the stand-in for the API."""
    return open_tab(api.url)


@pytest.fixture
def echo():
    """The port of a target that returns what it gets."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer, suppress(ConnectionError):  # of a device that was ended
                while received := peer.recv(65_536):
                    peer.sendall(received)

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
