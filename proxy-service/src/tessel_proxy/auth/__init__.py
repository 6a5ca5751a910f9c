"""Who is behind a token: one interface, and the three authenticators that are behind it."""

from tessel_proxy.auth.choice import authenticator_for
from tessel_proxy.auth.hardcoded import Hardcoded
from tessel_proxy.auth.interface import (
    Account,
    Authenticator,
    AuthMisconfiguredError,
    AuthUnavailableError,
    Refused,
)
from tessel_proxy.auth.oauth import TesselOAuth
from tessel_proxy.auth.plugin import Plugin

__all__ = [
    "Account",
    "AuthMisconfiguredError",
    "AuthUnavailableError",
    "Authenticator",
    "Hardcoded",
    "Plugin",
    "Refused",
    "TesselOAuth",
    "authenticator_for",
]
