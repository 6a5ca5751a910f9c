"""Who is behind a token: one interface, and the authenticators that are behind it."""

from tessel_proxy.auth.cache import Remembered
from tessel_proxy.auth.choice import Chosen, IAuthReactor, authenticator_for
from tessel_proxy.auth.interface import (
    Account,
    Authenticator,
    AuthMisconfiguredError,
    AuthUnavailableError,
    Refused,
)
from tessel_proxy.auth.local import ByFile, Hardcoded
from tessel_proxy.auth.oauth import TesselOAuth
from tessel_proxy.auth.plugin import Plugin

__all__ = [
    "Account",
    "AuthMisconfiguredError",
    "AuthUnavailableError",
    "Authenticator",
    "ByFile",
    "Chosen",
    "Hardcoded",
    "IAuthReactor",
    "Plugin",
    "Refused",
    "Remembered",
    "TesselOAuth",
    "authenticator_for",
]
