"""One token that all devices share."""

from __future__ import annotations

import hmac

from twisted.internet.defer import Deferred, succeed

from tessel_proxy.auth.interface import Account, Refused

ACCOUNT = Account("hardcoded")


class Hardcoded:
    """Accepts the one token, in a time that does not tell how much of a guess was right."""

    def __init__(self, token: str) -> None:
        self._expected = token.encode()

    def check(self, token: str) -> Deferred[Account | Refused]:
        # A token from the wire may be any text, unpaired surrogates included.
        given = token.encode("utf-8", "surrogatepass")
        return succeed(ACCOUNT if hmac.compare_digest(self._expected, given) else Refused())
