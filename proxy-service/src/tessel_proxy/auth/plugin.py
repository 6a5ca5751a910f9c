"""Check tokens with an operator's own code: AUTH_PLUGIN=package.module:callable.

The callable takes the token (text) and returns the account's name, or None if the token is wrong.
It may be a function, an `async def` that awaits Deferreds, or return a Deferred. An exception means
that the token cannot be checked now. It runs in the reactor's thread, so it must not block. Its
results are cached for AUTH_CACHE_S seconds, and it is called again for tokens of open tunnels.
"""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable
from importlib import import_module

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime

from tessel_proxy.auth.attempts import within
from tessel_proxy.auth.interface import Account, AuthUnavailableError, Refused
from tessel_service_kit.settings import ConfigError

Validator = Callable[[str], "str | Awaitable[str | None] | None"]


class PluginAuthenticator:
    """Checks tokens by calling an operator's function, and validates the function's result."""

    def __init__(self, validate: Validator, clock: IReactorTime, timeout_s: float) -> None:
        self._validate = validate
        self._clock = clock
        self._timeout_s = timeout_s

    def check(self, token: str) -> Deferred[Account | Refused]:
        """Return a Deferred with the account of `token`, or Refused; see Authenticator.check."""
        return within(self._timeout_s, self._clock, self._ask(token))

    async def _ask(self, token: str) -> Account | Refused:
        try:
            answer: object = self._validate(token)
            if isinstance(answer, Awaitable):
                answer = await answer
        except CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 -- foreign code may raise anything
            # From None: the message may hold the token, as that of a KeyError does.
            raise AuthUnavailableError(f"the plug-in raised {_place(error)}") from None
        try:
            return Refused() if answer is None else Account.named(answer)
        except ValueError as error:
            raise AuthUnavailableError(f"the plug-in's answer: {error}") from None


def load_validator(name: str) -> Validator:
    """Import and return the operator's callable, named as package.module:callable.

    Raises ConfigError.
    """
    module_name, _, attribute = name.partition(":")
    source = f"AUTH_PLUGIN={name!r}"
    try:
        module = import_module(module_name)
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        raise ConfigError([f"{source} cannot be imported: {why}"]) from error
    found: object = getattr(module, attribute, None)
    if not callable(found):
        raise ConfigError([f"{source}: {module_name} has no callable named {attribute!r}"])
    return found


def _place(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {last.filename}:{last.lineno}"
