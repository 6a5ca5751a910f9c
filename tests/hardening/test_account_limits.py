"""An account at its rate limit or beyond its quota does not affect other accounts."""

import time

import pytest

from support.hardening.device import connecting, data

BYTES_PER_S = 1_000_000
SECONDS = 2.0
BYTES_PER_DAY = 5_000_000
DOWNLOADS = 4


@pytest.fixture
def two_accounts(account_of_kim):
    """The token of kim is in AUTH_FILE; the bystander uses the shared token."""
    file, token = account_of_kim
    return {"AUTH_FILE": file}, token


def test_an_account_that_floods_is_limited_to_its_rate_and_slows_no_other(
    proxy_with, bystander_of, device_of, site, two_accounts
):
    settings, token = two_accounts
    proxy = proxy_with(BYTES_PER_S=BYTES_PER_S, **settings)
    with bystander_of(proxy):
        kims = [device_of(proxy, token) for _ in range(DOWNLOADS)]
        before, began = proxy.held.memory, time.monotonic()
        for device in kims:
            device.send(connecting(2, site["source"]), data(2, b"500000000\n"))
        got = 0
        while time.monotonic() - began < SECONDS:
            for device in kims:  # each has its turn
                got += len(device.read_bytes(2, 10_000))
        took = time.monotonic() - began
        at_once = BYTES_PER_S + DOWNLOADS * 512 * 1024  # a burst, and what is on its way
        assert got < BYTES_PER_S * took + at_once
        assert proxy.held.memory - before < DOWNLOADS * 2 * 1024 * 1024
        for device in kims:
            device.reset()


def test_only_the_account_that_has_used_its_quota_is_refused(
    proxy_with, bystander_of, device_of, site, two_accounts
):
    settings, token = two_accounts
    proxy = proxy_with(BYTES_PER_DAY=BYTES_PER_DAY, **settings)
    with bystander_of(proxy):
        device = device_of(proxy, token)
        device.send(connecting(2, site["source"]), data(2, b"500000000\n"))
        told = device.events(2)
        assert "EDQUOT" in told[-3], told
        for again in (device, device_of(proxy, token)):  # on another tunnel as well
            again.send(connecting(4, site["echo"]))
            assert "EDQUOT" in again.events(4)[0]
