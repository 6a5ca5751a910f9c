"""Scenarios with processes or containers, over the simulated chip or the host's sockets.

pytest tests/e2e --deployment=local|compose --radio=cc3000-sim|host

Most scenarios run twice: the device's program is in Python, and then the same one in JavaScript.
"""

import json

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
def deployment(request, tmp_path_factory, worker_id):
    """The system. Each process that runs tests (`-n`) has a system of its own."""
    if request.config.getoption("--deployment") == "compose":
        system = ComposeDeployment(f"tessel-e2e-{worker_id}")
    else:
        system = LocalDeployment(tmp_path_factory.mktemp("system"))
    system.radio = request.config.getoption("--radio")
    yield system
    system.close()


# The spelling of options in JavaScript, where it is another one.
IN_JAVASCRIPT = {"alpn_protocols": "ALPNProtocols", "max_version": "maxVersion"}


class Device:
    """A device for programs in one language: `run("get")` runs get.py or get.js.

    Args:
        deployment: the system.
        language: the end of the programs' names: `py` or `js`.
    """

    def __init__(self, deployment, language):
        self._deployment = deployment
        self._language = language

    def run(self, program, *args, **options):
        """Run a program of tests/e2e/programs to its end."""
        return self._deployment.run(f"{program}.{self._language}", *args, **options)

    def launch(self, program, *args, **settings):
        """Start a program of tests/e2e/programs."""
        return self._deployment.launch(f"{program}.{self._language}", *args, **settings)

    def spelled(self, options):
        """Return options with Python's names as JSON, with the language's names."""
        names = IN_JAVASCRIPT if self._language == "js" else {}
        return json.dumps({names.get(name, name): value for name, value in options.items()})


@pytest.fixture(params=["py", "js"], ids=["python", "javascript"])
def device(request, deployment):
    return Device(deployment, request.param)


@pytest.fixture
def watch(deployment):
    """Counts of the sites and log of the proxy while the scenario runs."""
    return Watch(deployment)
