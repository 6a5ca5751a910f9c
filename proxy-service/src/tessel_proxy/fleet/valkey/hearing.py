"""Read the notices of a fleet: in the order in which they were published, each once.

Notices are kept in streams: one for all members, and one for each member with what concerns only
this one. A second connection waits in a command that returns as soon as one of them has an entry
(XREAD BLOCK). After a reconnect it goes on behind the last entry that was read, so publishing and
reading after a pause are the same.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as TookTooLongError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from txredisapi import RedisError  # type: ignore[import-untyped]

from tessel_proxy.fleet.notices import (
    KEPT_NOTICES_S,
    DeviceMoved,
    Hear,
    Notice,
    TokensRevoked,
    TunnelsEnded,
)
from tessel_proxy.fleet.notifying import acted
from tessel_proxy.fleet.valkey.connection import KeptConnection
from tessel_proxy.fleet.valkey.dialing import Dialer, DialError
from tessel_proxy.fleet.valkey.health import EngineHealth
from tessel_proxy.fleet.valkey.protocol import EngineProtocol
from tessel_proxy.fleet.valkey.scripts import POSITIONS
from tessel_proxy.fleet.wire import load_notice
from tessel_proxy.records.error_codes import ErrorCode

ALL: Final = "tessel:notices"
INBOX: Final = "tessel:inbox:"

BLOCK_S: Final = 1.0
"""Seconds that a read waits at the server. The inbox of a member that has just begun to listen is
read after that."""

READ_TIMEOUT_S: Final = BLOCK_S + 5.0
"""Seconds after which a read without an answer means a dead connection."""

PER_READ: Final = 256
"""Notices of one reply: one that was away does not get thousands at once."""

Fields = Mapping[bytes, bytes]
"""What an entry of a stream has."""

Confirm = Callable[[str, str], Coroutine[Deferred[Any], Any, None]]
"""Called with the id of a notice, and a member of this host that has acted on it."""

MAX_ACTING: Final = 4096
"""Notices, one for each member, that were heard lately. A notice may come again within the half
second in which its publisher waits for confirmations."""


class Hearing:
    """Calls the hearers of this host's members with the notices of the fleet."""

    _log = Logger()

    def __init__(
        self, clock: IReactorTime, dialer: Dialer, health: EngineHealth, confirm: Confirm
    ) -> None:
        self._clock = clock
        self._health = health
        self._confirm = confirm
        self._hearers: dict[str, Hear] = {}
        self.overhear: Callable[[Notice], None] = lambda _notice: None  # before the hearers
        self.begun: Callable[[str], None] = lambda _epoch: None  # an engine without data
        self._acting: OrderedDict[tuple[str, str], bool] = OrderedDict()
        self._passing: dict[str, Callable[[Fields], None]] = {}  # who reads the other streams
        self._read_to: dict[str, str] = {}  # the id of the last entry read, by stream
        self._late_to: dict[str, str] = {}  # up to this id, entries are older than the connection
        self._server_ahead_s = 0.0  # the server's time minus the clock's, at the connection
        self._epoch = ""
        self._heard_at = clock.seconds()  # when notices could be read last
        self.connection = KeptConnection(clock, dialer, self._read, health)

    def listen(self, member: str, hear: Hear) -> None:
        """Call `hear` with every notice from now on."""
        self._hearers[member] = hear

    @property
    def members(self) -> Sequence[str]:
        """The members of this host."""
        return tuple(self._hearers)

    def forget(self, member: str) -> None:
        """Stop calling the hearer of a member that leaves."""
        self._hearers.pop(member, None)
        self._read_to.pop(INBOX + member, None)

    def read(self, stream: str, got: Callable[[Fields], None]) -> None:
        """Call `got` with each entry of a stream that comes while there is a connection."""
        self._passing[stream] = got

    def notify(self, notice: Notice) -> None:
        """Send the members of this host a notice that nobody has published."""
        self._hear(notice)

    async def _read(self, protocol: EngineProtocol) -> None:
        try:
            await self._find_positions(protocol)
            while True:
                self._take(await self._next(protocol))
                self._heard_at = self._clock.seconds()
        except TookTooLongError:
            raise DialError(f"no answer within {READ_TIMEOUT_S:g} s") from None
        except RedisError as error:
            raise DialError(protocol.fault or str(error)) from error
        except (ValueError, TypeError) as error:
            raise DialError(f"notices cannot be read: {error}") from error

    async def _find_positions(self, protocol: EngineProtocol) -> None:
        """Begin behind the last entries; go on where the last connection ended."""
        streams = list(dict.fromkeys([ALL, *self._passing, *self._read_to]))
        found = Deferred.fromCoroutine(protocol.run(POSITIONS, *streams))
        reply = (await found.addTimeout(READ_TIMEOUT_S, self._clock)).decode()
        epoch, now, *last = reply.split("\n")
        self._late_to = dict(zip(streams, last, strict=True))
        self._server_ahead_s = int(now) / 1000 - self._clock.seconds()
        self._read_to.update((each, self._late_to[each]) for each in self._passing)
        first, self._epoch, before = not self._epoch, epoch, self._epoch
        if first:
            self._read_to.setdefault(ALL, last[0])
            return
        away_s = self._clock.seconds() - self._heard_at
        if epoch != before or away_s > KEPT_NOTICES_S:
            self._doubt_tokens()
        for stream, end in self._late_to.items():
            if stream in self._passing:
                continue  # nobody waits for what came meanwhile
            if epoch != before:
                self._read_to[stream] = "0-0"  # all that it has now came after the loss
            else:  # a server that took over, and whose clock is behind, numbers from there
                self._read_to[stream] = min(
                    self._read_to[stream], max(end, f"{now}-0", key=_id), key=_id
                )

    async def _next(self, protocol: EngineProtocol) -> list[tuple[str, str, Fields]]:
        """Wait for entries: return stream, id and fields of each."""
        inboxes = (INBOX + member for member in self._hearers)
        streams = [ALL, *self._passing, *inboxes]
        positions = [self._read_to.setdefault(each, "0-0") for each in streams]
        block = ("BLOCK", round(BLOCK_S * 1000), "STREAMS")
        asked: Deferred[Any] = protocol.execute_command(
            "XREAD", "COUNT", PER_READ, *block, *streams, *positions
        )
        reply = await asked.addTimeout(READ_TIMEOUT_S, self._clock)
        try:
            return [
                (stream.decode(), entry.decode(), _fields_of(fields))
                for stream, entries in reply or ()
                for entry, fields in entries
            ]
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise DialError(f"notices cannot be read: {reply!r:.80}") from error

    def _take(self, entries: list[tuple[str, str, Fields]]) -> None:
        for stream, entry, fields in entries:
            if (got := self._passing.get(stream)) is None:
                self._hear_entry(stream, entry, fields)
                continue
            self._read_to[stream] = entry
            try:
                got(fields)
            except Exception:  # noqa: BLE001 -- it must not keep the notices from being read
                self._log.failure(
                    "an entry was not read",
                    stream=stream,
                    error=ErrorCode.INTERNAL_ERROR.value,
                )

    def _hear_entry(self, stream: str, entry: str, fields: Fields) -> None:
        member = stream.removeprefix(INBOX) if stream != ALL else None
        if member is not None and member not in self._hearers:
            return  # it has left while this was read
        self._read_to[stream] = entry
        if b"epoch" in fields:
            self.begun(fields[b"epoch"].decode("latin-1"))
            return
        try:
            notice = load_notice(fields.get(b"notice", b""))
        except (ValueError, LookupError, TypeError) as error:  # also one of a later version
            self._log.warn("notice_ignored: {error}", event="notice_ignored", error=str(error))
            return
        if isinstance(notice, TunnelsEnded):
            notice = replace(notice, age_s=self._age_s(stream, entry))
        elif isinstance(notice, DeviceMoved):
            notice = replace(notice, age_s=self._waited_s(entry))
        self.overhear(notice)
        self._hear(notice, fields.get(b"id", b"").decode("utf-8", "replace"), member)

    def _age_s(self, stream: str, entry: str) -> float:
        """Return for how many seconds an entry waited for this connection; 0: it did not.

        The ids of entries begin with the server's time, which may be set while there is a
        connection. So it is used only for entries that are older than that.
        """
        if _id(entry) > _id(self._late_to.get(stream, "0-0")):
            return 0.0
        return self._waited_s(entry)

    def _waited_s(self, entry: str) -> float:
        """Return the age of an entry, by the server's time when it was connected."""
        server_s = self._clock.seconds() + self._server_ahead_s
        return max(0.0, server_s - _id(entry)[0] / 1000)

    def _hear(self, notice: Notice, notice_id: str = "", only: str | None = None) -> None:
        """Call the hearers, and confirm the notice for those that have acted."""
        for member, hear in list(self._hearers.items()):
            if only not in (None, member):
                continue
            if isinstance(notice, DeviceMoved) and notice.member == member:
                continue  # its own tunnel is the newer one
            if not notice_id:
                acted(hear, notice, self._clock)
                continue
            if (done := self._acting.get((notice_id, member))) is None:
                self._begin(notice_id, member)
                acted(hear, notice, self._clock).addCallback(
                    partial(self._acted, notice_id, member)
                )
            elif done:  # published again: the engine has lost the confirmation
                self._acted(notice_id, member, has_acted=True)

    def _begin(self, notice_id: str, member: str) -> None:
        self._acting[notice_id, member] = False
        if len(self._acting) > MAX_ACTING:
            self._acting.popitem(last=False)

    def _acted(self, notice_id: str, member: str, has_acted: bool) -> Deferred[None] | None:
        if not has_acted:
            self._acting.pop((notice_id, member), None)
            return None
        if (notice_id, member) in self._acting:
            self._acting[notice_id, member] = True
        return Deferred.fromCoroutine(self._confirm(notice_id, member))

    def _doubt_tokens(self) -> None:
        """Check all tokens again: notices of revoked ones may have been lost."""
        self._log.warn(
            "notices_lost: the engine has no notices of the time in which this host was away. All "
            "tokens are checked again, and refusals are compared. Repeat commands that ended "
            "tunnels, if they named this host as missing",
            event="notices_lost",
        )
        self._hear(TokensRevoked(None))


def _fields_of(fields: list[bytes]) -> Fields:
    """Return the fields of an entry by name.

    Another program may have written it. It must not keep the entries after it from being read.
    """
    return dict(zip(fields[::2], fields[1::2], strict=False))


def _id(text: str) -> tuple[int, int]:
    milliseconds, _, number = text.partition("-")
    return int(milliseconds), int(number)
