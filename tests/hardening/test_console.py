"""The operator's commands, with a real proxy of one process and of two workers."""

import json

import pytest

from lab.waiting import eventually
from support.hardening.fleet import tell
from support.hardening.proxy import TOKEN

ADMIN_TOKEN = "c0ffee" * 8


@pytest.fixture(params=[1, 2])
def way(request, proxy_with, tmp_path):
    """A proxy, and the settings of commands that reach it."""
    control = tmp_path / "control"
    proxy = proxy_with(
        WORKERS=request.param, CONTROL_SOCKET=control, ADMIN_PORT=0, ADMIN_TOKEN=ADMIN_TOKEN
    )
    if request.param > 1:
        eventually(lambda: len(proxy.log.events("worker_serves")) == request.param, 30)
    return proxy, {"CONTROL_SOCKET": str(control)}


def listed(way):
    done = tell(way, "tunnels")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["tunnels"]


def test_from_the_list_to_an_ended_device(way, device_of):
    proxy, place = way
    device = device_of(proxy, TOKEN)
    (row,) = eventually(lambda: listed(place))
    assert row["account"] in tell(place, "accounts", "--table").stdout
    assert tell(place, "tunnel", row["id"], "--table").returncode == 0
    assert "ready" in tell(place, "proxies", "--table").stdout
    done = tell(place, "end", row["id"], "--reason", "test", "--table")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "ended 1 tunnel")
    device.wait_until_gone(within=1.0)


def test_a_refused_account_is_out_until_it_is_allowed(way, device_of):
    proxy, place = way
    device = device_of(proxy, TOKEN)
    account = eventually(lambda: listed(place))[0]["account"]
    done = tell(place, "refuse", "--account", account, "--for", "1h", "--reason", "test")
    assert done.returncode == 0, done.stderr
    device.wait_until_gone(within=1.0)
    rule = json.loads(tell(place, "refused").stdout)["refused"][0]
    assert (rule["account"], rule["reason"]) == (account, "test")
    assert tell(place, "allow", rule["id"]).returncode == 0
    assert json.loads(tell(place, "refused").stdout)["refused"] == []


def test_by_url_the_token_decides(way, tmp_path):
    proxy, _ = way
    (admin,) = eventually(lambda: proxy.log.events("admin_listening"))
    token = tmp_path / "token"
    place = {"ADMIN_URL": f"http://127.0.0.1:{admin['port']}", "ADMIN_TOKEN_FILE": str(token)}
    token.write_text(ADMIN_TOKEN)
    assert tell(place, "proxies").returncode == 0
    token.write_text("f" * 48)
    done = tell(place, "proxies")
    assert done.returncode == 1
    assert "the token is not accepted, or the proxy has no ADMIN_TOKEN_FILE" in done.stderr


def test_without_usage_it_is_said_how_it_is_kept(way):
    done = tell(way[1], "usage")
    assert done.returncode == 1
    assert "USAGE_FILE" in done.stderr
