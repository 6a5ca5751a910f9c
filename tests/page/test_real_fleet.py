"""The page of one host of a fleet: it shows the tunnels of both hosts, and ends them."""

import secrets
import time
from contextlib import ExitStack

import pytest
import trustme

from lab.waiting import eventually
from support.hardening.device import Device, trusting
from support.hardening.fleet import fleet, members
from support.hardening.proxy import TOKEN, running_proxy
from support.valkey_server import ValkeyServer

FEATURES = ["device/1", "retry/1", "reason/1", "message/1"]
START_S = 60


@pytest.fixture
def authority():
    return trustme.CA()


@pytest.fixture
def engine():
    found = ValkeyServer("--requirepass", "sesame").start()
    yield found
    found.close()


@pytest.fixture
def hosts(engine, authority, tmp_path):
    """Two hosts with two workers each; the first has a page."""
    settings = {"AUTH_HARDCODED": TOKEN, "WORKERS": "2", "ADMIN_PORT": "0", **fleet(engine)}
    token = secrets.token_urlsafe(24)
    with ExitStack() as stack:
        found = []
        for name, more in (("first", {"ADMIN_TOKEN": token}), ("second", {})):
            (tmp_path / name).mkdir()
            running = running_proxy(tmp_path / name, authority, settings | more)
            found.append(stack.enter_context(running))
        eventually(lambda: members(engine) == 4, START_S)
        (admin,) = found[0].log.events("admin_listening")
        found[0].url, found[0].token = f"http://127.0.0.1:{admin['port']}/", token
        yield found


@pytest.fixture
def tab(hosts, open_tab):
    """A tab of a logged-in operator of the first host, on the list of tunnels."""
    opened = open_tab(hosts[0].url)
    opened.log_in(token=hosts[0].token)
    return opened


@pytest.fixture
def devices(hosts, authority):
    """A device at each host."""
    with ExitStack() as stack:
        found = []
        for host, name in zip(hosts, ("near", "far"), strict=True):
            device = stack.enter_context(Device(host.port, trusting(authority)))
            assert device.authenticate(TOKEN, features=FEATURES, device=name)["authed"]
            found.append(device)
        yield found


def test_the_page_of_one_host_steers_all_and_shows_a_killed_one(tab, hosts, devices):
    tab.has_rows(2)
    assert sorted(tab.devices) == ["far", "near"]
    tab.row("far").click()
    tab.page.get_by_role("button", name="End…").click()
    tab.page.fill("dialog input[name=reason]", "too warm")
    began = time.monotonic()
    tab.page.click("dialog button.danger")
    said = devices[1].said()[1]["object"]
    assert time.monotonic() - began < 1.0
    assert (said["reason"], said["message"]) == ("ended", "too warm")
    tab.shown("far · closing")
    tab.open("proxies")
    tab.page.locator(".card", has_text="ready").nth(3).wait_for()
    hosts[1].kill()
    tab.shown("2 proxies did not answer")
