"""Limits on a device whose token is not accepted yet: time, tokens, bytes and early substreams."""

from __future__ import annotations

from typing import Final, TypeAlias

from streamplex.conversation import CLOSED, Hello, Refused, encode_answer, substream_kind
from streamplex.tx import Substream, TunnelProtocol
from streamplex.tx.flow import MAX_HELD_BYTES
from tessel_proxy.records.accounting import SubstreamRecord, TunnelRecord
from tessel_proxy.records.ends import Outcome, Refusal

MAX_AUTH_FAILURES: Final = 5
"""Refused tokens on one tunnel: enough for a device whose token is corrected, too few to guess.
Tokens that could not be checked count, too: each costs a request to the token service."""

MAX_HELD: Final = 64
"""Substreams and tokens that wait while a token is checked. Current devices send none; an original
device may open its first few sockets at once."""

MAX_BYTES_WITHOUT_TOKEN: Final = 64 * 1024
"""Bytes that an unauthenticated peer may send: the largest frame. Crafted JSON takes 300 ms of CPU
time for each megabyte, so a few peers could block all others. Counted anew after a wrong token."""

MAX_BYTES_WHILE_CHECKED: Final = 2 * MAX_HELD_BYTES
"""Bytes that the peer may send while its token is checked: it is unauthenticated until then. Data
of substreams pauses reading before this limit, so only a flood of messages reaches it."""

Held: TypeAlias = Hello | Substream


class HeldQueue:
    """A queue of tokens and substreams that arrived while a token was checked, oldest first."""

    __slots__ = ("_queue",)

    def __init__(self) -> None:
        self._queue: list[Held] = []  # an empty deque would take 600 bytes of each tunnel

    def __bool__(self) -> bool:
        return bool(self._queue)

    def hold(self, item: Held) -> bool:
        """Add an item; return False, without adding it, if the queue has MAX_HELD items."""
        if len(self._queue) >= MAX_HELD:
            return False
        self._queue.append(item)
        return True

    def next(self) -> Held:
        """Remove and return the oldest item; raises IndexError if the queue is empty."""
        return self._queue.pop(0)


def answer_refused(tunnel: TunnelProtocol, hello: Hello, why: Refusal) -> None:
    """Send the device the refusal of its token, in the form that its features allow.

    Nothing is sent for a refusal without a `reason`.
    """
    if why.reason is not None:
        tunnel.message(encode_answer(Refused(why.reason, why.try_again), hello))


def refuse_substream(substream: Substream, tunnel: TunnelRecord, why: Outcome, now: float) -> None:
    """Send the device an error, close the substream and log `why`.

    `tunnel` is the record of its tunnel, `now` the time on the proxy's clock in seconds.
    """
    kind = substream_kind(substream.name).value
    record = SubstreamRecord(of=tunnel, substream=substream.channel, kind=kind, started_at=now)
    substream.fail(f"connect {why.device_error}")
    substream.close_with(CLOSED)
    record.close(now, why)
