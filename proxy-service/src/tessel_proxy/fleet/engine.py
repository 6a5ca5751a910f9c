"""The interface to the state that several processes share: limits of accounts, and notices.

A *member* is one process that serves devices: a worker, or a proxy without workers. Its name is
unique among all hosts of the fleet and is never used again. Every count at the engine belongs to a
member, and lapses when the member leaves or is silent for MEMBER_LIVES_S.

All counts that a member sends are its own totals and never differences. So a call may be repeated,
an answer may be lost, and an engine that has lost its data has the right totals again when each
member has sent its next report.

Each call fails with EngineError if there is no result within CALL_TIMEOUT_S. The docstring of each
method says what the caller does then: no live tunnel ends, and nothing is refused that the limit
divided by the number of members would allow. No method is called when a substream opens or moves
bytes.

An implementation is given no clock of another process: all times in this interface are durations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final
from typing import Protocol as Interface

from tessel_proxy.fleet.notices import Confirmations, Hear, Notice

CALL_TIMEOUT_S: Final = 0.5
"""Seconds for one call. An engine on the same site answers in a millisecond or two; a device waits
for this call at most once, when its token was accepted."""

EXCHANGE_S: Final = 1.0
"""Seconds between two exchanges of a member: what an account may do is divided anew that often."""

RENEW_S: Final = 5.0
"""Seconds between two calls of `renew`."""

MEMBER_LIVES_S: Final = 15.0
"""Seconds of silence after which a member counts as dead: three renewals were missed."""

MAX_DEPARTED: Final = 256
"""Names of one account's departed devices in one call, which takes the engine less than 1 ms."""

NOBODY: Final[Mapping[str, Sequence[str]]] = MappingProxyType({})  # no departed devices


class EngineError(Exception):
    """The engine did not answer a call in time, or could not be reached."""


@dataclass(frozen=True, slots=True)
class Demand:
    """The tunnels and rates of one account on one member: in use, and wanted.

    `tunnels` and `substreams` are open now; the other fields are numbers per second: more than was
    used, if a limit held something back.
    """

    tunnels: int = 0
    substreams: int = 0
    opens: float = 0.0
    to_targets: float = 0.0  # bytes
    to_devices: float = 0.0  # bytes


@dataclass(frozen=True, slots=True)
class Totals:
    """The demands for one account, added over all live members that have tunnels of it.

    `holders` is the number of these members, the caller included. `places` is how many tunnels the
    caller may open without `admit` until its next call for this account: the engine counts them as
    used meanwhile. An engine need not give any.
    """

    demand: Demand
    holders: int
    places: int = 0


@dataclass(frozen=True, slots=True)
class Admission:
    """The answer to `admit`: whether the tunnel may open, and the totals with it."""

    granted: bool
    totals: Totals


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of the bytes that an account may move in its day, taken in advance.

    `nbytes` is what was granted; 0: the day's bytes are used up. `ends_in_s` is the time until the
    account's day ends, and what is left of the slice with it.
    """

    nbytes: int
    ends_in_s: float


class Engine(Interface):
    """State that the members of a fleet share.

    Implementations: `LocalEngine` in the memory of one process; `RemoteEngine` calls an engine of
    another process over AMP; one for several hosts keeps everything in Valkey.
    """

    async def renew(self, member: str) -> Sequence[str]:
        """Keep `member` among the living for MEMBER_LIVES_S; return the names of all live members.

        Without the engine: those that were last seen are assumed to live.
        """

    async def leave(self, member: str) -> None:
        """Remove a member that stops, with all its counts.

        Without the engine: its counts lapse after MEMBER_LIVES_S.
        """

    async def admit(
        self,
        member: str,
        account: str,
        device: str | None,
        own: int,
        limit: int,
        *,
        departed: Sequence[str] = (),
    ) -> Admission:
        """Count one more tunnel of `account`, if fewer than `limit` are open in all.

        In one atomic step: forget that the member has the `departed` devices, set its count to
        `own`, compare the total with `limit`, and raise the count to `own` + 1. If another member
        has a tunnel of this `device`, that tunnel does not count: its place passes to the new one,
        and DeviceMoved is published.

        Called for each tunnel whose token was accepted, unless the last totals left places and the
        device has no name.

        Without the engine: granted up to the larger of what the others' last totals leave, and
        `limit` divided by the last known number of members.

        Args:
            member: the caller.
            account: its name.
            device: the device's name (device/1), or None.
            own: tunnels of the account that the member has now, without the new one.
            limit: MAX_TUNNELS_PER_ACCOUNT.
            departed: names of devices whose tunnels here were in an earlier count and are not in
                `own`, at most MAX_DEPARTED. They take no place along any more.
        """

    async def exchange(
        self,
        member: str,
        demands: Mapping[str, Demand],
        arrived: Sequence[tuple[str, str]] = (),
        *,
        departed: Mapping[str, Sequence[str]] = NOBODY,
    ) -> Mapping[str, Totals]:
        """Set the member's demands for these accounts, and return the totals of the same accounts.

        A demand without tunnels and substreams removes the member from the account. `departed` are
        names of devices as in `admit`, by account, each of which has a demand: they are forgotten
        in the same step that sets it. `arrived` are account and name of devices whose tunnels were
        admitted without `admit` since the last call. They come last: where another member has the
        device, DeviceMoved is published.

        Called every EXCHANGE_S with all accounts that have something open, and sooner with accounts
        that come near a limit.

        There are none while hosts report anew what an engine has lost: the last ones are used.

        Without the engine: the last totals are used for 60 s, then every limit divided by the last
        known number of members. Arrivals and departures are sent again with
        the next call.
        """

    async def take_bytes(self, account: str, wanted: int, limit: int) -> Slice:
        """Take up to `wanted` bytes of the account's day in advance; the first call begins the day.

        `limit` is BYTES_PER_DAY. What was taken survives the member, and is not given to others.

        Without the engine: the rest of the slice is used, then an allowance: one more slice, or
        more until the process has moved the limit divided by the last known number of members. It
        is taken as soon as the engine answers.
        """

    async def give_back_bytes(self, account: str, nbytes: int) -> None:
        """Give back what a member that stops has not used of its slice.

        Without the engine: these bytes are lost for the account until its day ends.
        """

    async def wrong_tokens(self, source: str, more: int, allowance: int, refill_s: float) -> float:
        """Count `more` wrong tokens from `source` (0: none), and return how many count now.

        A used-up `allowance` is refilled evenly within `refill_s` seconds. Read before each check
        of a token.

        Without the engine: each process counts in its own memory.
        """

    async def publish(self, notice: Notice) -> Confirmations:
        """Notify all live members; return which have acted, after CALL_TIMEOUT_S at most.

        The notice is kept for those that cannot be reached (KEPT_NOTICES, KEPT_NOTICES_S).

        Without the engine: EngineError, and the command that published it says that nobody heard.
        """

    def listen(self, member: str, hear: Hear) -> None:
        """Call `hear` with every notice from now on, also with those kept while it was away."""
