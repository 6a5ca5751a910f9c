"""Who is behind a token: one interface, and the authenticators that are behind it."""

from tessel_proxy.auth.by_file import ByFile
from tessel_proxy.auth.choice import Chosen, IAuthReactor, authenticator_for
from tessel_proxy.auth.local import Hardcoded
from tessel_proxy.auth.interface import (
    Account,
    Authenticator,
    AuthMisconfiguredError,
    AuthUnavailableError,
    Refused,
)
from tessel_proxy.auth.oauth import TesselOAuth
from tessel_proxy.auth.plugin import Plugin
from tessel_proxy.auth.cache import Remembered

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
