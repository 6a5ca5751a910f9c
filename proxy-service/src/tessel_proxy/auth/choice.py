"""Build the authenticator that the settings ask for.

If AUTH_PLUGIN is set, it checks all tokens. Otherwise AUTH_FILE comes first, because it needs no
other service. A token that is not in the file is checked by AUTH_TESSEL_OA2 or, if that is not
set, compared with AUTH_HARDCODED.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, TypeAlias

from twisted.internet.interfaces import IReactorThreads, IReactorTime
from twisted.web.client import Agent, HTTPConnectionPool

from tessel_proxy.auth.cache import CacheTimes, CachingAuthenticator
from tessel_proxy.auth.hashing import HashingQueue, reactor_threads
from tessel_proxy.auth.interface import Authenticator
from tessel_proxy.auth.local import FileAuthenticator, HardcodedAuthenticator
from tessel_proxy.auth.oauth import OAuthAuthenticator
from tessel_proxy.auth.plugin import PluginAuthenticator, load_validator
from tessel_proxy.auth.settings import NO_AUTHENTICATOR, AuthSettings
from tessel_proxy.auth.settings_parsers import TokenService
from tessel_proxy.auth.token_memory import fresh_digest
from tessel_proxy.auth.wrappers import AuthenticatorChain, ReportingAuthenticator, ResultListener
from tessel_proxy.files.secret_files import ReadAgain
from tessel_service_kit.settings import ConfigError, SecretFile

# A check makes two requests in a row, so the connection is kept between them. Servers close idle
# connections after 5 s or more, and a POST sent at that moment is lost.
IDLE_CONNECTION_S = 2


_ReadAgain: TypeAlias = Callable[[str, Callable[[Any], None]], None]


class IAuthReactor(IReactorTime, IReactorThreads):
    """The reactor interfaces that authenticators need: time and threads."""


@dataclass(frozen=True, slots=True)
class ChosenAuthenticator:
    """Holds the authenticator that the settings ask for, and its parts that other modules use.

    `settings` are the names of the settings of the authenticators, in the order in which these are
    asked.
    """

    authenticator: Authenticator
    settings: tuple[str, ...]
    by_file: FileAuthenticator | None  # reloaded when its file changes, as `secrets` are
    token_service: (
        ResultListener  # results of the service itself, without the cache and the grace period
    )
    secrets: tuple[ReadAgain, ...] = ()
    caches: tuple[CachingAuthenticator, ...] = ()
    hardcoded: HardcodedAuthenticator | None = None

    def doubt(self) -> None:
        """Ask about all tokens again at their next check, whatever is remembered of them."""
        for each in self.caches:
            each.doubt()

    def take_withdrawn(self) -> Collection[str]:
        """Return the accounts that have lost a token at a reload since the last call."""
        found: set[str] = set()
        for each in (self.by_file, self.hardcoded):
            if each is not None:
                found |= each.withdrawn
                each.withdrawn.clear()
        return found


def authenticator_for(
    config: AuthSettings,
    reactor: IAuthReactor,
    files: Mapping[str, SecretFile] = MappingProxyType({}),
) -> ChosenAuthenticator:
    """Return the one authenticator of this proxy, built from the settings in `config`.

    `files` holds, by the field name of a setting, the secret files that can be read again at a
    reload. Raises ConfigError if no authenticator is set, or one cannot be built.
    """
    results = ResultListener()
    secrets: list[ReadAgain] = []

    def read_again(field: str, use: Callable[[Any], None]) -> None:
        if field in files:
            secrets.append(ReadAgain(files[field], use))

    named = _named(config, reactor, results, read_again)
    if not named:
        raise ConfigError([NO_AUTHENTICATOR])
    authenticators = tuple(named.values())
    by_file = next((each for each in authenticators if isinstance(each, FileAuthenticator)), None)
    alone = len(authenticators) == 1
    return ChosenAuthenticator(
        authenticators[0] if alone else AuthenticatorChain(authenticators),
        tuple(named),
        by_file,
        results,
        tuple(secrets),
        tuple(each for each in authenticators if isinstance(each, CachingAuthenticator)),
        next((each for each in authenticators if isinstance(each, HardcodedAuthenticator)), None),
    )


def _named(
    config: AuthSettings, reactor: IAuthReactor, results: ResultListener, read_again: _ReadAgain
) -> dict[str, Authenticator]:
    if config.auth_plugin is not None:
        plugin = PluginAuthenticator(
            load_validator(config.auth_plugin), reactor, config.auth_timeout_s
        )
        return {"AUTH_PLUGIN": _remembered(plugin, config, reactor)}
    named: dict[str, Authenticator] = {}
    if config.auth_file is not None:
        hashing = HashingQueue(reactor_threads(reactor))
        named[FileAuthenticator.name] = FileAuthenticator(
            config.auth_file, hashing, reactor, config.auth_timeout_s, fresh_digest()
        )
    if config.auth_tessel_oa2 is not None:
        oauth = _oauth(config.auth_tessel_oa2, config, reactor)
        remembered = _remembered(ReportingAuthenticator(oauth, results.report), config, reactor)
        read_again("auth_tessel_oa2", partial(_ask_another, oauth, remembered))
        named["AUTH_TESSEL_OA2"] = remembered
    elif config.auth_hardcoded is not None:
        hardcoded = HardcodedAuthenticator(*config.auth_hardcoded)
        read_again("auth_hardcoded", hardcoded.use)
        named["AUTH_HARDCODED"] = hardcoded
    return named


def _oauth(
    service: TokenService, config: AuthSettings, reactor: IAuthReactor
) -> OAuthAuthenticator:
    pool = HTTPConnectionPool(reactor)
    pool.cachedConnectionTimeout = IDLE_CONNECTION_S
    pool.retryAutomatically = False
    agent = Agent(reactor, pool=pool)
    return OAuthAuthenticator(service, agent, reactor, config.auth_timeout_s)


def _ask_another(
    oauth: OAuthAuthenticator, remembered: CachingAuthenticator, service: TokenService
) -> None:
    oauth.use(service)
    remembered.forget_refused()


def _remembered(
    other: Authenticator, config: AuthSettings, reactor: IAuthReactor
) -> CachingAuthenticator:
    times = CacheTimes(fresh_s=config.auth_cache_s, stale_s=config.auth_stale_s)
    return CachingAuthenticator(other, reactor, times, fresh_digest())
