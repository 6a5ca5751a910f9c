"""`make hardening`: attacks on a proxy, and failures around it. It takes some minutes.

`--seed=N` generates other inputs; each failure names the seed and the number of the input.
`--soak-s=N` sets the seconds of the soak, for example a whole night before a release.
"""

import json
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
import trustme
from twisted.logger import globalLogBeginner

from lab.processes import Process
from lab.waiting import eventually
from support.gateway.process import device_settings, running_gateway
from support.hardening.bystander import Bystander
from support.hardening.device import Device, trusting
from support.hardening.proxy import COMMAND, TOKEN, running_proxy
from support.hardening.relay import Relay
from support.valkey_server import ValkeyServer

ROOT = Path(__file__).parents[2]

DEFAULT_SEED = 20261122
DEFAULT_SOAK_S = 30.0  # with its warm-up: in it a thousand substreams come and go


def pytest_addoption(parser):
    parser.addoption("--seed", type=int, default=DEFAULT_SEED, help="of all inputs made by chance")
    parser.addoption("--soak-s", type=float, default=DEFAULT_SOAK_S, help="seconds of the soak")


def pytest_report_header(config):
    return f"hardening: --seed={config.getoption('--seed')}"


def pytest_configure(config):
    # Until logging begins, Twisted keeps 65,536 lines with their objects, which looks like a leak.
    globalLogBeginner.beginLoggingTo([], redirectStandardIO=False, discardBuffer=True)


@pytest.fixture(scope="session")
def seed(request):
    return request.config.getoption("--seed")


@pytest.fixture(scope="session")
def soak_s(request):
    return request.config.getoption("--soak-s")


@pytest.fixture(scope="session")
def authority():
    return trustme.CA()


@pytest.fixture(scope="session")
def context(authority):
    """The TLS context of devices."""
    return trusting(authority)


@pytest.fixture(scope="session")
def site(authority, tmp_path_factory):
    """The ports of a target site, by service."""
    folder = tmp_path_factory.mktemp("site")
    issued = authority.issue_cert("localhost", "127.0.0.1")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    process = Process(
        [
            *(sys.executable, "-m", "lab.target_site"),
            *("--certificate", folder / "cert.pem", "--key", folder / "key.pem"),
        ],
        {"PYTHONPATH": str(ROOT)},
        folder,
        "site",
    )
    try:
        line = eventually(lambda: process.stdout, what=lambda: process.stderr)
        yield json.loads(line)["listening"]
    finally:
        process.stop()


@pytest.fixture(scope="session")
def account_of_kim(tmp_path_factory):
    """An AUTH_FILE with one account, and its token."""
    token = "0123456789abcdef"
    made = subprocess.run(
        [*COMMAND, "hash-token", "--stdin", "kim"],
        input=token,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    file = tmp_path_factory.mktemp("accounts") / "accounts"
    file.write_text(made.stdout)
    file.chmod(0o600)
    return file, token


@pytest.fixture
def proxy_with(authority, tmp_path):
    """Start a proxy with these settings in addition to those for tests."""
    with ExitStack() as stack:

        def start(command=COMMAND, **settings):
            merged = {"AUTH_HARDCODED": TOKEN, "EGRESS_ALLOW": "127.0.0.0/8 ::1/128", **settings}
            set_ones = {name: str(value) for name, value in merged.items() if value is not None}
            running = running_proxy(tmp_path, authority, set_ones, command=command)
            return stack.enter_context(running)

        yield start


@pytest.fixture
def device_of(context):
    """Connect to a proxy; with a token, authenticated."""
    with ExitStack() as stack:

        def connect(proxy, token=None, **more):
            device = stack.enter_context(Device(proxy.port, context, **more))
            if token is not None:
                assert device.authenticate(token) == {"authed": True}
            return device

        yield connect


@pytest.fixture
def bystander_of(context, site):
    """A transfer of another account during the test."""
    return lambda proxy, **more: Bystander(proxy.port, context, TOKEN, site["echo"], **more)


@pytest.fixture
def server():
    """The engine of a fleet: a real Valkey."""
    found = ValkeyServer("--requirepass", "sesame").start()
    yield found
    found.close()


@pytest.fixture
def relay(server):
    """Connects hosts with the server, and can be slow."""
    found = Relay(server.port)
    found.server = server
    yield found
    found.close()


@pytest.fixture
def host_with(authority, tmp_path, relay):
    """Start a proxy that is connected to the engine."""
    password = tmp_path / "password"
    password.write_text("sesame\n")
    password.chmod(0o600)
    running = []

    def start(**settings):
        folder = tmp_path / f"host-{len(running)}"
        folder.mkdir()
        merged = {
            "AUTH_HARDCODED": TOKEN,
            "EGRESS_ALLOW": "127.0.0.0/8",
            "ADMIN_PORT": 0,
            "FLEET_URL": f"valkey://127.0.0.1:{relay.port}",
            "FLEET_PASSWORD_FILE": password,
            **settings,
        }
        set_ones = {name: str(value) for name, value in merged.items() if value is not None}
        context = running_proxy(folder, authority, set_ones)
        proxy = context.__enter__()
        running.append((context, proxy))
        if "WORKERS" in settings:
            eventually(lambda: len(proxy.log.events("worker_serves")) >= settings["WORKERS"], 30)
        return proxy

    yield start
    for context, _ in reversed(running):
        context.__exit__(None, None, None)


@pytest.fixture
def gateway_of(authority, tmp_path, proxy_with):
    """Start a gateway whose connections all go through a proxy. It stops before the proxy."""
    del proxy_with
    authority_file = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(authority_file)
    with ExitStack() as stack:

        def start(proxy, token=TOKEN, **settings):
            device = device_settings(proxy, authority_file, token)
            return stack.enter_context(running_gateway(tmp_path, {**device, **settings}))

        yield start
