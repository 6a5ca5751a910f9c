"""Whether a tunnel may open: the check of its token, and the place that other processes leave."""

from __future__ import annotations

from dataclasses import dataclass

from streamplex.conversation import Hello
from tessel_proxy.auth import Account
from tessel_proxy.auth.checking import TokenChecks
from tessel_proxy.records.accounting import TunnelRecord
from tessel_proxy.records.ends import Refusal
from tessel_proxy.tunnel.membership import Membership
from tessel_proxy.tunnel.shared_state import DeviceKey, SharedState


@dataclass(frozen=True, slots=True)
class NoPlace:
    """The result for a token that was accepted, of an account that has its most tunnels already."""

    account: Account


async def judged(
    shared: SharedState,
    tokens: TokenChecks,
    membership: Membership,
    record: TunnelRecord,
    hello: Hello,
) -> Account | Refusal | NoPlace:
    """Return the account whose tunnel may open, or why it may not. May be cancelled.

    Without other processes, this is the result of the token's check; the account's limit is judged
    when the tunnel is counted. With them, an older tunnel of the same device here is cut first.
    """
    answer = await tokens.ask(hello.token)
    places = shared.places
    if places is None or isinstance(answer, Refusal):
        return answer
    if hello.device is not None:
        membership.replace_older(DeviceKey(answer.name, hello.device), record)
    return answer if await places.take(answer.name, hello.device) else NoPlace(answer)
