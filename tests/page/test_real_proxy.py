"""A real proxy, a device over TLS, and an operator in Chromium."""

import secrets
import socket
from contextlib import ExitStack

import pytest
import trustme

from lab.waiting import eventually
from support.hardening.device import Device, connecting, data, end, trusting
from support.hardening.proxy import TOKEN, running_proxy
from support.page.forger import forging_page, visit

FEATURES = ["device/1", "retry/1", "reason/1", "message/1"]
HOSTILE = ["<img src=x onerror=alert(1)>", "\u202egnp", "nul\0byte", "n" * 64, "👩‍🚀"]


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


def free_port():
    """Return a port that a proxy can have again after a restart."""
    with socket.create_server(("127.0.0.1", 0)) as trial:
        return trial.getsockname()[1]


@pytest.fixture
def proxy(authority, tmp_path):
    """A proxy with a page; `url` is the page's, `token` the operator's."""
    token = secrets.token_urlsafe(24)
    settings = {
        "AUTH_HARDCODED": TOKEN,
        "EGRESS_ALLOW": "127.0.0.0/8",
        "ADMIN_PORT": str(free_port()),
        "ADMIN_TOKEN": token,
    }
    with running_proxy(tmp_path, authority, settings) as running:
        (admin,) = eventually(lambda: running.log.events("admin_listening"))
        running.url, running.token = f"http://127.0.0.1:{admin['port']}/", token
        yield running


@pytest.fixture
def connect(proxy, authority):
    """A function that connects a device of this name."""
    with ExitStack() as stack:

        def connected(name):
            device = stack.enter_context(Device(proxy.port, trusting(authority)))
            answer = device.authenticate(TOKEN, features=FEATURES, device=name)
            assert answer["authed"]
            return device

        yield connected


@pytest.fixture
def tab(proxy, open_tab):
    """A tab of a logged-in operator, on the list of tunnels."""
    opened = open_tab(proxy.url)
    opened.log_in(token=proxy.token)
    return opened


def told(device):
    """Return what the proxy says to a device of its tunnel's end."""
    while True:
        channel, said = device.said()
        if channel == 0 and said.get("type") == "message":
            return said["object"]


def test_a_device_and_its_substreams_come_and_go_on_the_page(tab, connect, echo):
    device = connect("kitchen")
    tab.row("kitchen").click()
    tab.shown("No substream is open.")
    device.send(connecting(2, echo), data(2, b"x" * 2048))
    tab.shown("Substreams (1 open)")
    tab.shown("2.00 KiB")
    assert f"127.0.0.1:{echo}" in tab.page.inner_text(".substreams tbody")
    device.send(end(2))
    tab.shown("Substreams (0 open)")
    device.reset()
    tab.shown("This tunnel has ended")


def test_a_device_that_is_ended_gets_the_reason_and_may_return(tab, connect):
    device = connect("kitchen")
    tab.row("kitchen").click()
    tab.page.get_by_role("button", name="End…").click()
    tab.page.fill("dialog input[name=reason]", "new firmware")
    tab.page.click("dialog button.danger")
    answer = told(device)
    assert (answer["reason"], answer["message"]) == ("ended", "new firmware")
    tab.shown("kitchen · closing")  # until the device closes its end
    device.socket.close()
    tab.shown("This tunnel has ended")
    connect("kitchen")


def test_a_device_that_is_refused_stays_out_until_the_refusal_is_removed(tab, connect, proxy):
    device = connect("kitchen")
    tab.row("kitchen").click()
    tab.page.get_by_role("button", name="Refuse…").click()
    tab.page.fill("dialog input[name=reason]", "stolen")
    tab.page.click("dialog button.danger")
    answer = told(device)
    assert (answer["reason"], answer["message"]) == ("refused", "stolen")
    with pytest.raises(AssertionError):
        connect("kitchen")
    tab.open("refused")
    tab.row("kitchen").click()
    tab.page.get_by_role("button", name="Remove the refusal").click()
    tab.shown("Nobody is refused.")
    connect("kitchen")


def test_hostile_names_and_targets_do_nothing(tab, connect):
    alarms = []
    tab.page.on("dialog", lambda dialog: (alarms.append(dialog.message), dialog.dismiss()))
    devices = [connect(name) for name in HOSTILE]
    tab.has_rows(len(HOSTILE))
    assert tab.page.locator("#content img").count() == 0
    for device, name in zip(devices, HOSTILE, strict=True):
        device.send(connecting(2, 80, host=name))
    for view, complete in (
        ("overview", "canvas"),
        ("accounts", ".grid-space .name"),
        ("tunnels", ".grid-space .name"),
    ):
        tab.open(view)
        tab.page.locator(complete).first.wait_for()
        assert tab.page.locator("#content img").count() == 0
    assert alarms == []


def test_a_refused_target_appears_with_its_paragraph(tab, connect):
    tab.open("overview")
    device = connect("kitchen")
    device.send(connecting(2, 80, host="10.0.0.1"))
    link = tab.page.locator(".latest a", has_text="TP1005")
    link.wait_for()
    with tab.page.context.expect_page() as opened:
        link.click()
    assert "An egress rule forbids the target." in opened.value.inner_text("main")


def test_the_other_views_show_this_proxy(tab, connect):
    connect("kitchen")
    tab.open("accounts")
    tab.page.locator(".grid-space .grid-row:visible").first.wait_for()
    tab.open("proxies")
    tab.page.locator(".card .badge", has_text="ready").wait_for()
    tab.open("overview")
    tab.page.locator("canvas").first.wait_for()


def test_requests_forged_by_another_page_do_nothing(tab, connect, proxy):
    device = connect("kitchen")
    tab.row("kitchen").click()
    tab.page.wait_for_url("**/#/tunnels/*")
    tunnel = tab.page.url.rpartition("/")[2]
    with forging_page(proxy.url, tunnel, "hardcoded") as address:
        visit(tab, address)
    device.send(connecting(2, 80, host="10.0.0.1"))
    assert "EACCES" in str(device.events(2))  # it is still served
    tab.open("refused")
    tab.shown("Nobody is refused.")


def test_after_a_restart_of_the_proxy_the_operator_logs_in_again(tab, connect, proxy):
    proxy.terminate()
    tab.page.locator("#connection[data-state=lost]").wait_for()
    eventually(lambda: not proxy.alive, 30)
    proxy.start()
    tab.page.click("#try-now")  # the next try of its own may be 30 s away
    tab.shown("Your session has ended. Log in again.")
    tab.log_in(token=proxy.token)
    connect("kitchen")
    tab.shown("kitchen")
    tab.errors.clear()  # "connection refused", and the 404 of the session
