"""Whose is the token that a tunnel shows? Wrong ones are charged to where they came from."""

from __future__ import annotations

from twisted.internet.defer import Deferred, fail
from twisted.python.failure import Failure

from tessel_proxy.auth import Account, Refused
from tessel_proxy.house import House
from tessel_proxy.limits.penalties import PenaltyError


def first_check(house: House, token: str, source: str) -> Deferred[Account | Refused]:
    """The authenticator's answer; fails with PenaltyError if it is not asked now."""
    digest, penalties = house.digest(token), house.penalties
    if penalty := penalties.begin(source, digest, house.clock.seconds()):
        return fail(PenaltyError(penalty))

    def ended(result: Account | Refused | Failure) -> Account | Refused | Failure:
        penalties.end(source, digest)
        match result:
            case Account():
                penalties.was_right(source, digest)
            case Refused():
                penalties.was_wrong(source, digest, house.clock.seconds())
            case _:
                pass  # nobody could say, or the device did not wait: not its fault
        return result

    return house.authenticator.check(token).addBoth(ended)
