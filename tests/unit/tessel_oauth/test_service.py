"""The service opened several times on the same database."""

from contextlib import closing

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.task import Clock

from tessel_oauth.config import Config
from tessel_oauth.errors import OAuthError, StoreError, UnavailableError
from tessel_oauth.parameters import Credentials
from tessel_oauth.service import DEVICE_GRANT, TokenService
from tessel_oauth.store import Store

CLIENT = Credentials("tessel-proxy-dev", "the-tessel-devenv")


def zeros(data):
    return bytes(data)


class Opened:
    """A service on this database for as long as a `with` block; `made` is the key to be shown."""

    def __init__(self, database, **settings):
        config = Config(database=database, **settings)
        self.service = TokenService(config, Clock().seconds, reactor, zeros)

    async def __aenter__(self):
        self.made = await self.service.open()
        return self

    async def __aexit__(self, *_):
        await self.service.close()

    async def accepts(self, api_key, client=CLIENT):
        try:
            await self.service.grant(client, DEVICE_GRANT, api_key)
        except OAuthError:
            return False
        return True


@pytest_twisted.ensureDeferred
async def test_a_key_is_generated_and_returned_once(database):
    async with Opened(database) as first:
        assert first.made == "00" * 16
        assert await first.accepts(first.made)
    async with Opened(database) as second:
        assert second.made is None


@pytest_twisted.ensureDeferred
async def test_a_key_from_the_settings_is_never_returned(database):
    async with Opened(database, seed_api_key="DEV-CRED") as opened:
        assert opened.made is None
        assert await opened.accepts("DEV-CRED")


@pytest_twisted.ensureDeferred
async def test_a_renewed_key_outlives_a_restart_with_the_old_one_set(database):
    async with Opened(database, seed_api_key="OLD"):
        with closing(Store.open_existing(database)) as store:
            store.renew_key("tessel-dev", "NEW")
    async with Opened(database, seed_api_key="OLD") as opened:
        assert not await opened.accepts("OLD")
        assert await opened.accepts("NEW")


@pytest_twisted.ensureDeferred
async def test_a_changed_client_secret_is_valid_from_the_next_start(database):
    async with Opened(database, seed_api_key="K"):
        pass
    async with Opened(database, seed_api_key="K", client_secret="changed") as opened:
        assert not await opened.accepts("K")
        assert await opened.accepts("K", Credentials(CLIENT.client_id, "changed"))


@pytest_twisted.ensureDeferred
async def test_a_client_secret_is_not_in_the_file(database, tmp_path):
    async with Opened(database, client_secret="find-me-if-you-can"):
        assert not any(b"find-me" in each.read_bytes() for each in tmp_path.iterdir())


@pytest_twisted.ensureDeferred
async def test_an_access_token_is_not_in_the_file(database, tmp_path):
    async with Opened(database, seed_api_key="K") as opened:
        granted = await opened.service.grant(CLIENT, DEVICE_GRANT, "K")

        assert granted.access_token not in repr(granted)
        token = granted.access_token.encode()
        assert not any(token in each.read_bytes() for each in tmp_path.iterdir())


@pytest_twisted.ensureDeferred
async def test_a_service_that_failed_to_open_reports_it_and_can_be_closed(tmp_path):
    opened = Opened(str(tmp_path))

    with pytest.raises(StoreError, match="cannot be opened"):
        await opened.service.open()
    with pytest.raises(StoreError, match="not open"):
        await opened.service.account("0" * 40)

    await opened.service.close()


@pytest_twisted.ensureDeferred
async def test_a_key_of_another_account_is_not_seeded_twice(database):
    async with Opened(database, seed_api_key="K"):
        pass
    opened = Opened(database, seed_api_key="K", seed_account="another")

    with pytest.raises(UnavailableError, match="UNIQUE"):
        await opened.service.open()

    await opened.service.close()
