"""Settings -> the authenticator they ask for."""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime
from twisted.web.client import Agent, HTTPConnectionPool

from servicekit.settings import ConfigError
from tessel_proxy.auth.hardcoded import Hardcoded
from tessel_proxy.auth.interface import Authenticator
from tessel_proxy.auth.oauth import TesselOAuth
from tessel_proxy.auth.plugin import Plugin, load_validator
from tessel_proxy.config import NO_AUTHENTICATOR, Config

# A check makes two requests at once after each other, so the connection is worth keeping; but
# servers close idle ones after 5 s and more, and a POST that meets the close is lost.
IDLE_CONNECTION_S = 2


def authenticator_for(config: Config, reactor: IReactorTime) -> Authenticator:
    """The one authenticator of this proxy; raises ConfigError."""
    if config.auth_plugin is not None:
        return Plugin(load_validator(config.auth_plugin), reactor, config.auth_timeout_s)
    if config.auth_tessel_oa2 is not None:
        pool = HTTPConnectionPool(reactor)
        pool.cachedConnectionTimeout = IDLE_CONNECTION_S
        pool.retryAutomatically = False
        agent = Agent(reactor, pool=pool)
        return TesselOAuth(config.auth_tessel_oa2, agent, reactor, config.auth_timeout_s)
    if config.auth_hardcoded is not None:
        return Hardcoded(config.auth_hardcoded)
    raise ConfigError([NO_AUTHENTICATOR])
