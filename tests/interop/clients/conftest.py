"""Each test of the battery runs with each client of --clients; default: the Python device."""

import pytest
import trustme

from support.clients.driver import LIMIT_MS, Driver
from support.clients.roster import DEFAULT, chosen
from support.clients.scripted_proxy import ScriptedProxy


def pytest_addoption(parser):
    parser.addoption("--clients", default=DEFAULT, help="clients of the battery, by comma; or all")


def pytest_generate_tests(metafunc):
    if "driver" in metafunc.fixturenames:
        clients = chosen(metafunc.config.getoption("--clients", DEFAULT))
        metafunc.parametrize("client", clients, ids=lambda it: it.name, scope="session")


@pytest.fixture(scope="session")
def authority():
    return trustme.CA()


@pytest.fixture(scope="session")
def drivers(tmp_path_factory):
    """The running drivers by client: to start one for each test would take most of the time."""
    running = {}
    yield running
    try:
        for driver in running.values():
            driver.quit()
    finally:
        for driver in running.values():
            driver.kill()


@pytest.fixture
def driver(client, drivers, request, tmp_path_factory):
    """A running driver. `needs` markers name what the client must be able to do."""
    if why := client.missing():
        pytest.skip(f"{client.name}: {why}")
    if client.name not in drivers:
        drivers[client.name] = Driver(
            client.command(), tmp_path_factory.mktemp(client.name), client.name
        )
    driver = drivers[client.name]
    wanted = {word for mark in request.node.iter_markers("needs") for word in mark.args}
    if without := sorted(wanted - driver.can):
        pytest.skip(f"{client.name} declares no {', '.join(without)}")
    passed_before = request.session.testsfailed
    yield driver
    if request.session.testsfailed != passed_before or not driver.is_idle:
        drivers.pop(client.name).kill()  # it may have an answer left
    else:
        driver.limit(LIMIT_MS)


@pytest.fixture
def proxy(authority, tmp_path):
    proxy = ScriptedProxy(authority, tmp_path)
    yield proxy
    proxy.close()
