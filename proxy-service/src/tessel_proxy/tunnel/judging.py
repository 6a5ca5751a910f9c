"""Whether a tunnel may open: the check of its token, and the place that other processes leave."""

from __future__ import annotations

from dataclasses import dataclass

from streamplex.conversation import Hello, Reason, Refused
from tessel_proxy.auth import Account
from tessel_proxy.auth.checking import TokenChecks
from tessel_proxy.records.accounting import TunnelRecord
from tessel_proxy.records.ends import Refusal
from tessel_proxy.tunnel.membership import Membership
from tessel_proxy.tunnel.shared_state import DeviceKey, SharedState


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """The result for an accepted token whose tunnel may not open: why, and the device's answer."""

    account: Account
    why: Refusal
    said: Refused


def no_place(account: Account) -> TurnedAway:
    """Return the result for an account that has its maximum of tunnels already."""
    said = Refused(Reason.TOO_MANY_TUNNELS, try_again=True)
    return TurnedAway(account, Refusal.TOO_MANY_TUNNELS_OF_ACCOUNT, said)


def _refused(shared: SharedState, account: Account, hello: Hello) -> TurnedAway | None:
    said = shared.refusals.of_owner(account.name, hello.device)
    if said is None:
        return None
    return TurnedAway(account, Refusal.REFUSED_BY_OPERATOR, said)


async def judged(
    shared: SharedState,
    tokens: TokenChecks,
    membership: Membership,
    record: TunnelRecord,
    hello: Hello,
) -> Account | Refusal | TurnedAway:
    """Return the account whose tunnel may open, or why it may not. May be cancelled.

    Without other processes, the account's limit is judged when the tunnel is counted. With them, an
    older tunnel of the same device here is cut first.
    """
    answer = await tokens.ask(hello.token)
    if isinstance(answer, Refusal):
        return answer
    places, turned_away = shared.places, _refused(shared, answer, hello)
    if turned_away is not None or places is None:
        return turned_away or answer
    if hello.device is not None:
        membership.replace_older(DeviceKey(answer.name, hello.device), record)
    if not await places.take(answer.name, hello.device):
        return no_place(answer)
    return _refused(shared, answer, hello) or answer  # a rule may have come meanwhile
