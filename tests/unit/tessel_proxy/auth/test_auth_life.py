"""A proxy, its token service and devices, on the running reactor: keys that come and go."""

import time
from contextlib import closing

import pytest
import pytest_twisted
import trustme
from twisted.internet import reactor

from support.proxy_in_memory import LoggedEvents
from support.proxy_on_sockets import Shows, connected
from support.token_service import token_service
from tessel_oauth.store import Store
from tessel_proxy.auth import authenticator_for
from tessel_proxy.auth.account_file import line_for, recipe_for
from tessel_proxy.auth.settings_parsers import TokenService
from tessel_proxy.egress.rules import EgressMode
from tessel_proxy.limits.penalties import FREE_FAILURES
from tessel_proxy.startup.composition import ProxyService
from tessel_proxy.startup.config import Config

RECHECK_S = 0.3
SLACK_S = 5.0  # of a busy machine


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def database(tmp_path):
    return str(tmp_path / "accounts.sqlite3")


@pytest.fixture
def proxy_with(authority):
    made = []

    def make(**settings):
        config = Config(
            host="127.0.0.1",
            port=0,
            egress_mode=EgressMode.OPEN,
            auth_cache_s=0.0,
            **settings,
        )
        chosen = authenticator_for(config, reactor)
        tls = Shows(authority.issue_cert("localhost"))
        files = [chosen.by_file] if chosen.by_file else []
        proxy = ProxyService(
            config,
            reactor,
            chosen.authenticator,
            tls,
            files,
            token_service=chosen.token_service,
        )
        made.append(proxy)
        proxy.startService()
        return proxy

    yield make
    for proxy in made:
        pytest_twisted.blockon(proxy.stopService())


@pytest.fixture
def proxy_for(proxy_with):
    def make(url, secret="the-tessel-devenv", **times):
        service = TokenService(url, "tessel-proxy-dev", secret)
        return proxy_with(auth_tessel_oa2=service, **times)

    return make


async def comes(proxy, authority, token):
    """A device, and the messages that it got."""
    device = await connected(proxy, authority)
    device.tunnel.message({"token": token, "features": ["retry/1"]})
    answer = await device.answered
    return device, (answer["authed"], answer.get("retry"))


@pytest_twisted.ensureDeferred
async def test_a_renewed_key_ends_live_tunnels_and_lets_nobody_in(proxy_for, authority, database):
    async with token_service("OLD", database=database) as url:
        proxy = proxy_for(url, auth_recheck_s=RECHECK_S)
        with LoggedEvents() as logged:
            device, told = await comes(proxy, authority, "OLD")
            assert told == (True, None)
            with closing(Store.open_existing(database)) as store:
                assert store.renew_key("ada", "NEW")
            renewed_at = time.monotonic()
            await device.gone
            assert time.monotonic() - renewed_at < RECHECK_S + SLACK_S
            assert (device.messages[-1]["authed"], device.messages[-1]["retry"]) == (False, False)
            _device, told = await comes(proxy, authority, "OLD")
            assert told == (False, False)
            _device, told = await comes(proxy, authority, "NEW")
            assert told == (True, None)
            assert logged.named("tunnel_closed")[0]["outcome"] == "revoked"


@pytest_twisted.ensureDeferred
async def test_while_the_service_is_down_those_it_knew_get_in_and_others_may_come_again(
    proxy_for, authority, database
):
    async with token_service("OLD", database=database) as url:
        proxy = proxy_for(url, auth_recheck_s=0.0, auth_stale_s=60.0)
        _device, told = await comes(proxy, authority, "OLD")
        assert told == (True, None)
    with LoggedEvents() as logged:
        _device, told = await comes(proxy, authority, "OLD")
        assert told == (True, None)
        assert logged.named("auth_stale")[0]["account"] == "ada"
        _device, told = await comes(proxy, authority, "never seen")
        assert told == (False, True)


@pytest_twisted.ensureDeferred
async def test_when_the_grace_is_over_nobody_gets_in_and_live_tunnels_end(
    proxy_for, authority, database
):
    async with token_service("OLD", database=database) as url:
        proxy = proxy_for(url, auth_recheck_s=RECHECK_S, auth_stale_s=0.0)
        device, told = await comes(proxy, authority, "OLD")
        assert told == (True, None)
    await device.gone
    assert (device.messages[-1]["authed"], device.messages[-1]["retry"]) == (False, True)
    _device, told = await comes(proxy, authority, "OLD")
    assert told == (False, True)


@pytest_twisted.ensureDeferred
async def test_a_token_taken_out_of_the_file_ends_its_tunnels_and_one_put_in_is_taken(
    proxy_with, authority, tmp_path
):
    recipe = recipe_for(None)
    file = tmp_path / "accounts"
    file.write_text(line_for("kim", "one", recipe))
    proxy = proxy_with(auth_file=file, auth_recheck_s=RECHECK_S)
    device, told = await comes(proxy, authority, "one")
    assert told == (True, None)
    file.write_text(line_for("kim", "two", recipe))
    proxy.reload()
    await device.gone
    assert (device.messages[-1]["authed"], device.messages[-1]["retry"]) == (False, False)
    _device, told = await comes(proxy, authority, "one")
    assert told == (False, False)
    _device, told = await comes(proxy, authority, "two")
    assert told == (True, None)


@pytest_twisted.ensureDeferred
async def test_a_proxy_whose_credentials_are_wrong_is_not_ready_though_its_file_lets_devices_in(
    proxy_for, authority, database, tmp_path
):
    file = tmp_path / "accounts"
    file.write_text(line_for("kim", "one", recipe_for(None)))
    async with token_service("OLD", database=database) as url:
        proxy = proxy_for(url, secret="wrong", auth_file=file)
        for token, known in (("OLD", False), ("one", True)):
            _device, told = await comes(proxy, authority, token)
            assert told[0] is known
        assert len(proxy._readiness.obstacles) == 1


@pytest_twisted.ensureDeferred
async def test_a_device_that_came_too_early_with_a_new_token_need_not_wait_after_the_reload(
    proxy_with, authority, tmp_path
):
    recipe = recipe_for(None)
    file = tmp_path / "accounts"
    file.write_text(line_for("kim", "one", recipe))
    proxy = proxy_with(auth_file=file)
    with LoggedEvents() as logged:
        for _ in range(FREE_FAILURES + 2):
            _device, told = await comes(proxy, authority, "two")
            assert told == (False, False)
        assert logged.named("tunnel_refused")[-1]["why"] == "the token was wrong too often"
    file.write_text(line_for("kim", "two", recipe))
    proxy.reload()
    _device, told = await comes(proxy, authority, "two")
    assert told == (True, None)
