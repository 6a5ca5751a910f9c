"""Find the account that a token belongs to, or reject the token.

`authenticator_for` builds the authenticator that the settings ask for. `TokenChecks` checks the
tokens of one tunnel with penalties for wrong ones, and `Recheck` checks an accepted token again.
"""

from tessel_proxy.auth.cache import CachingAuthenticator
from tessel_proxy.auth.checking import TokenChecks
from tessel_proxy.auth.choice import ChosenAuthenticator, IAuthReactor, authenticator_for
from tessel_proxy.auth.interface import (
    Account,
    Authenticator,
    AuthMisconfiguredError,
    AuthOverloadedError,
    AuthUnavailableError,
    Refused,
)
from tessel_proxy.auth.local import FileAuthenticator, HardcodedAuthenticator
from tessel_proxy.auth.oauth import OAuthAuthenticator
from tessel_proxy.auth.plugin import PluginAuthenticator
from tessel_proxy.auth.recheck import Recheck, TokenLoss
from tessel_proxy.auth.recheck_queue import RecheckQueue
from tessel_proxy.auth.token_memory import Digest, fresh_digest
from tessel_proxy.auth.wrappers import AuthResult, ReportingAuthenticator, ResultListener

__all__ = [
    "Account",
    "AuthMisconfiguredError",
    "AuthOverloadedError",
    "AuthResult",
    "AuthUnavailableError",
    "Authenticator",
    "CachingAuthenticator",
    "ChosenAuthenticator",
    "Digest",
    "FileAuthenticator",
    "HardcodedAuthenticator",
    "IAuthReactor",
    "OAuthAuthenticator",
    "PluginAuthenticator",
    "Recheck",
    "RecheckQueue",
    "Refused",
    "ReportingAuthenticator",
    "ResultListener",
    "TokenChecks",
    "TokenLoss",
    "authenticator_for",
    "fresh_digest",
]
