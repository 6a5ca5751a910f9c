"""Scenarios with processes or containers, over the simulated chip or the host's sockets.

pytest tests/e2e --deployment=local|compose --radio=cc3000-sim|host
"""

import pytest

from lab.deployment.compose import ComposeDeployment
from lab.deployment.local import LocalDeployment
from lab.watch import Watch

SCENARIO_SECONDS = 300  # one of them; starting the system has limits of its own


def pytest_addoption(parser):
    parser.addoption("--deployment", choices=["local", "compose"], default="local")
    parser.addoption("--radio", choices=["cc3000-sim", "host"], default="cc3000-sim")


def pytest_collection_modifyitems(items):
    for item in items:
        item.add_marker(pytest.mark.timeout(SCENARIO_SECONDS, func_only=True))


@pytest.fixture(scope="session")
def deployment(request, tmp_path_factory):
    if request.config.getoption("--deployment") == "compose":
        system = ComposeDeployment()
    else:
        system = LocalDeployment(tmp_path_factory.mktemp("system"))
    system.radio = request.config.getoption("--radio")
    yield system
    system.close()


@pytest.fixture
def watch(deployment):
    """Counts of the sites and log of the proxy while the scenario runs."""
    return Watch(deployment)
