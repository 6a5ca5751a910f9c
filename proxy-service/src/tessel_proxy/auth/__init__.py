"""Who is behind a token: one interface, and the authenticators that are behind it."""

from tessel_proxy.auth.cache import CachingAuthenticator
from tessel_proxy.auth.choice import ChosenAuthenticator, IAuthReactor, authenticator_for
from tessel_proxy.auth.interface import (
    Account,
    Authenticator,
    AuthMisconfiguredError,
    AuthUnavailableError,
    Refused,
)
from tessel_proxy.auth.local import FileAuthenticator, HardcodedAuthenticator
from tessel_proxy.auth.oauth import OAuthAuthenticator
from tessel_proxy.auth.plugin import PluginAuthenticator

__all__ = [
    "Account",
    "AuthMisconfiguredError",
    "AuthUnavailableError",
    "Authenticator",
    "CachingAuthenticator",
    "ChosenAuthenticator",
    "FileAuthenticator",
    "HardcodedAuthenticator",
    "IAuthReactor",
    "OAuthAuthenticator",
    "PluginAuthenticator",
    "Refused",
    "authenticator_for",
]
