"""The page over a real proxy with two workers: it shows the tunnels of both, and ends them."""

import re
import secrets
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
import trustme

from lab.processes import Process
from lab.waiting import eventually
from support.gateway.process import device_settings
from support.hardening.device import Device, trusting
from support.hardening.proxy import TOKEN, running_proxy

FEATURES = ["device/1", "retry/1", "reason/1", "message/1"]
PROGRAM = Path(__file__).parents[1] / "e2e/programs/steered.js"
START_S = 30


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def proxy(authority, tmp_path):
    """A proxy with two workers and a page; `url` is the page's, `token` the operator's."""
    token = secrets.token_urlsafe(24)
    settings = {"AUTH_HARDCODED": TOKEN, "WORKERS": "2", "ADMIN_PORT": "0", "ADMIN_TOKEN": token}
    settings["EGRESS_ALLOW"] = "127.0.0.0/8"
    with running_proxy(tmp_path, authority, settings) as running:
        eventually(lambda: len(running.log.events("worker_serves")) == 2, START_S)
        (admin,) = running.log.events("admin_listening")
        running.url, running.token = f"http://127.0.0.1:{admin['port']}/", token
        yield running


@pytest.fixture
def tab(proxy, open_tab):
    """A tab of a logged-in operator, on the list of tunnels."""
    opened = open_tab(proxy.url)
    opened.log_in(token=proxy.token)
    return opened


@pytest.fixture
def devices(proxy, authority):
    """Devices by worker, one or more of each; a device's name has the number of its worker."""
    found = {}
    with ExitStack() as stack:
        while len(found) < 2:
            before = len(proxy.log.events("tunnel_authenticated"))
            device = stack.enter_context(Device(proxy.port, trusting(authority)))
            name = f"device-{before}"
            assert device.authenticate(TOKEN, features=FEATURES, device=name)["authed"]
            line = eventually(lambda n=before: proxy.log.events("tunnel_authenticated")[n:])[0]
            found.setdefault(line["worker"], []).append((name, device))
        yield found


def test_the_list_has_the_tunnels_of_all_workers_and_each_can_be_ended(tab, devices):
    count = sum(map(len, devices.values()))
    tab.has_rows(count)
    for name, device in (each[0] for each in devices.values()):
        tab.row(name).click()
        tab.page.get_by_role("button", name="End…").click()
        tab.page.fill("dialog input[name=reason]", "test")
        tab.page.click("dialog button.danger")
        device.wait_until_gone(within=1.0)
        device.socket.close()
        tab.shown("This tunnel has ended")
        tab.page.get_by_role("button", name="Close").click()
    tab.shown(re.compile(f"^{count - 2} tunnel"))


def test_both_workers_are_shown_as_proxies(tab):
    tab.open("proxies")
    cards = tab.page.locator(".card", has_text="ready")
    cards.nth(1).wait_for()
    assert cards.count() == 2


@pytest.fixture
def program(proxy, authority, tmp_path, echo):
    """A program on a device, which is connected through the proxy."""
    authority_file = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(authority_file)
    settings = {**device_settings(proxy, authority_file, TOKEN), "RADIO": "host"}
    words = [sys.executable, "-m", "tessel", "run", str(PROGRAM), str(echo)]
    running = Process(words, settings, tmp_path, "device")
    eventually(lambda: "connected" in running.stdout, START_S, lambda: running.stderr)
    yield running
    running.stop()


def test_the_program_on_a_device_learns_why_within_a_second(tab, program):
    tab.page.locator(".grid-space .grid-row:visible").first.click()
    tab.page.get_by_role("button", name="Refuse…").click()
    tab.page.fill("dialog input[name=reason]", "stolen")
    tab.page.click("dialog button.danger")
    began = time.monotonic()
    eventually(lambda: "refuses this device for now: stolen" in program.stdout, 20)
    assert time.monotonic() - began < 1.0
