"""TesselOAuth and the token service of this repository, each the other's proof."""

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.web.client import Agent

from support.token_service import token_service
from tessel_proxy.auth import (
    Account,
    AuthMisconfiguredError,
    AuthUnavailableError,
    OAuthAuthenticator,
    Refused,
)
from tessel_proxy.auth.settings_parsers import TokenService


def oauth(url, secret="the-tessel-devenv"):
    service = TokenService(url, "tessel-proxy-dev", secret)
    return OAuthAuthenticator(service, Agent(reactor), reactor, 10, jitter=lambda: 0.0)


@pytest.mark.parametrize("settings", [{}, {"token_lifetime_s": 60}])
@pytest_twisted.ensureDeferred
async def test_the_token_services_accounts_are_known_and_other_keys_refused(settings):
    async with token_service(**settings) as url:
        assert await oauth(url).check("KEY") == Account("ada")
        for other in ("wrong", "", "key", "KEY ", "ключ", "a&api_key=KEY"):
            assert await oauth(url).check(other) == Refused()


@pytest_twisted.ensureDeferred
async def test_a_proxy_with_a_wrong_secret_learns_that_it_is_its_own_fault():
    async with token_service() as url:
        with pytest.raises(AuthMisconfiguredError, match="invalid_client"):
            await oauth(url, "wrong").check("KEY")


@pytest_twisted.ensureDeferred
async def test_a_token_service_that_went_down_and_came_up_again_is_asked_again():
    async with token_service() as url:
        checker = oauth(url)
        assert await checker.check("KEY") == Account("ada")
    with pytest.raises(AuthUnavailableError):
        await checker.check("KEY")
    async with token_service(port=int(url.rpartition(":")[2])):
        assert await checker.check("KEY") == Account("ada")
