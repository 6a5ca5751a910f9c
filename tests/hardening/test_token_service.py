"""The token service is slow, wrong or down: devices have to retry, unknown tokens are refused."""

import time

import pytest

from support.hardening.bystander import Bystander
from support.hardening.device import hello
from support.hardening.token_service import GOOD_TOKEN, WRONG_MOODS, TokenService

LIMIT_S = 1
SLACK_SECONDS = 4.0


@pytest.fixture
def service():
    service = TokenService()
    yield service
    service.close()


@pytest.fixture
def proxy(proxy_with, service):
    address = f"http://id:secret@127.0.0.1:{service.port}"
    return proxy_with(AUTH_HARDCODED=None, AUTH_TESSEL_OA2=address, AUTH_TIMEOUT_S=LIMIT_S)


def asks(device_of, proxy, token):
    """Return the answer to a device that offers retry/1; it must arrive in time."""
    device = device_of(proxy)
    began = time.monotonic()
    said = device.authenticate(token, features=["retry/1"])
    assert time.monotonic() - began < LIMIT_S + SLACK_SECONDS
    said.pop("features")
    return said


def test_whatever_the_token_service_does_unknown_tokens_are_refused_in_time(
    proxy, service, device_of, context, site
):
    with Bystander(proxy.port, context, f"{GOOD_TOKEN}-0", site["echo"]):
        for mood in WRONG_MOODS:
            service.mood = mood
            answer = asks(device_of, proxy, f"{GOOD_TOKEN}-{mood}")
            assert answer == {"authed": False, "retry": True}, mood
        service.mood = "good"
        assert asks(device_of, proxy, f"{GOOD_TOKEN}-again") == {"authed": True}
        assert asks(device_of, proxy, "wrong") == {"authed": False, "retry": False}


def test_unknown_tokens_are_refused_while_the_token_service_is_down(
    proxy, service, device_of, context, site
):
    with Bystander(proxy.port, context, f"{GOOD_TOKEN}-0", site["echo"]):
        service.close()
        answer = asks(device_of, proxy, f"{GOOD_TOKEN}-1")
        assert answer == {"authed": False, "retry": True}


def test_devices_that_wait_for_a_slow_token_service_cost_little(proxy, service, device_of):
    service.mood = "slow"
    before = proxy.held
    crowd = [device_of(proxy) for _ in range(50)]
    for number, device in enumerate(crowd):
        device.send(hello(f"{GOOD_TOKEN}-{number}"))
    assert all(device.said()[1]["object"] == {"authed": False} for device in crowd)
    assert proxy.held.memory - before.memory < len(crowd) * 400 * 1024
    for device in crowd:
        device.socket.close()
    proxy.settles(before.descriptors + 2)  # a connection to the service may be kept
