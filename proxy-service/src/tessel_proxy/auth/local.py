"""One token that all devices share, or several while devices are moved to a new one."""

from __future__ import annotations

import hmac
from collections.abc import Iterable

from twisted.internet.defer import Deferred, succeed

from tessel_proxy.auth.interface import Account, Refused

ACCOUNT = Account("hardcoded")


class Hardcoded:
    """Accepts the tokens, in a time that does not tell how much of a guess was right."""

    def __init__(self, *tokens: str) -> None:
        self.use(tokens)

    def use(self, tokens: Iterable[str]) -> None:
        """Accept these from now on, and no others."""
        self._expected = [each.encode() for each in tokens]

    def check(self, token: str) -> Deferred[Account | Refused]:
        # A token from the wire may be any text, unpaired surrogates included.
        given = token.encode("utf-8", "surrogatepass")
        # All are compared, whichever it is.
        matches = [hmac.compare_digest(each, given) for each in self._expected]
        return succeed(ACCOUNT if any(matches) else Refused())
