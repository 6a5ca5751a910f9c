"""Server-sent events: sends each watcher every second what has changed.

All watchers share one look at the processes. Without a watcher nobody looks.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer, IReactorTime, ITCPTransport
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.server import Request
from zope.interface import implementer

from tessel_proxy.monitoring.api.desk import Desk
from tessel_proxy.operations import merging
from tessel_proxy.operations.process import Parts
from tessel_proxy.operations.watching import MAX_TUNNELS_WATCHED
from tessel_proxy.records.error_codes import ErrorCode

TOPICS: Final = ("tunnels", "totals", "refusals", "proxies")
SUBSTREAMS: Final = "substreams:"
LOOK_S: Final = 1.0
MAX_WATCHERS: Final = 32
"""Streams at the same time: a handful of operators with some tabs each."""

MAX_UNSENT_BYTES: Final = 1024 * 1024
"""Bytes that wait for one watcher. A browser that is cut takes a new snapshot."""

KEEP_ALIVE_LOOKS: Final = 15
"""Looks between two comments, which find out that a watcher has gone."""

PROXIES_LOOKS: Final = 10
"""Looks between two events `proxies` without a change."""

RETRY_AFTER_S: Final = 30


class TooManyWatchersError(Exception):
    """MAX_WATCHERS streams are open."""


@implementer(IPushProducer)
class Watcher:
    """One stream of events."""

    def __init__(self, request: Request, topics: Sequence[str], may: Callable[[], bool]) -> None:
        """`may`: whether the watcher still has access."""
        self._request = request
        self.topics = frozenset(topics)
        self.may = may
        self._waiting: list[bytes] = []
        self._is_paused = False
        request.registerProducer(self, True)

    @property
    def tunnels(self) -> list[str]:
        """The ids of the tunnels whose substreams are watched."""
        return [
            each.removeprefix(SUBSTREAMS) for each in self.topics if each.startswith(SUBSTREAMS)
        ]

    def send(self, data: bytes) -> None:
        """Send some bytes of the stream, or cut the connection if too many wait."""
        if not self._is_paused:
            self._request.write(data)
            return
        self._waiting.append(data)
        if sum(map(len, self._waiting)) > MAX_UNSENT_BYTES:
            self.cut()

    def cut(self) -> None:
        """Cut the connection; a browser connects again by itself."""
        transport = cast("ITCPTransport", self._request.channel.transport)
        transport.abortConnection()

    def pauseProducing(self) -> None:
        """Called when the connection takes no more."""
        self._is_paused = True

    def resumeProducing(self) -> None:
        """Called when the connection takes more."""
        self._is_paused = False
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            self.send(each)

    def stopProducing(self) -> None:
        """Called when the connection is lost."""
        self._is_paused = True


class EventStreams:
    """All streams of events of this host."""

    _log = Logger()

    def __init__(self, desk: Desk, clock: IReactorTime) -> None:
        self._desk = desk
        self._watchers: set[Watcher] = set()
        self._name = secrets.token_hex(8)  # among the watchers of all hosts
        self._number = 0
        self._opens: tuple[float, int] | None = None
        self._proxies: dict[str, Any] | None = None
        self._members: frozenset[str] = frozenset()  # that have answered the last look
        self._known: set[str] = set()  # that have answered one since somebody watches
        self._clock = clock
        self._loop = LoopingCall(self._look)
        self._loop.clock = clock

    def open(self, request: Request, topics: Sequence[str], may: Callable[[], bool]) -> None:
        """Begin a stream; raises TooManyWatchersError."""
        if len(self._watchers) >= MAX_WATCHERS:
            raise TooManyWatchersError
        request.setHeader(b"content-type", b"text/event-stream")
        request.setHeader(b"x-accel-buffering", b"no")  # nginx would hold events back
        channel = cast("Any", request.channel)
        channel.site.streams(channel)
        watcher = Watcher(request, topics, may)
        self._watchers.add(watcher)
        ended: Deferred[Any] = request.notifyFinish()
        ended.addBoth(lambda _: self._left(watcher))
        watcher.send(b": this stream has one event for each topic and second\n\n")
        self._proxies = None  # the new one gets them at once
        if not self._loop.running:
            self._loop.start(LOOK_S).addErrback(self._broken)

    def stop(self) -> None:
        """End all streams: the proxy stops."""
        for each in list(self._watchers):
            each.cut()

    def _left(self, watcher: Watcher) -> None:
        self._watchers.discard(watcher)  # the next look ends the loop if nobody is left

    def _broken(self, failure: Failure) -> None:
        self._log.failure(
            "events are not sent any more", failure=failure, error=ErrorCode.INTERNAL_ERROR.value
        )
        self.stop()

    async def _look(self) -> None:
        if not self._watchers:
            self._loop.stop()
            self._opens, self._members = None, frozenset()
            self._known.clear()
            return
        for each in [one for one in self._watchers if not one.may()]:
            each.cut()
        self._number += 1
        tunnels = sorted({name for each in self._watchers for name in each.tunnels})
        del tunnels[MAX_TUNNELS_WATCHED:]
        topics = sorted({each for one in self._watchers for each in one.topics} & set(TOPICS))
        look = {
            "watcher": self._name,
            "tunnels": tunnels,
            "topics": topics,
            "has_snapshot": bool(self._known),
        }
        parts = await self._desk.answers.ask("look", look)
        self._cut_if_answers_were_lost(frozenset(parts.answers))
        self._send("totals", self._totals(parts))
        self._send("tunnels", _if_any(merging.changes(parts.found)))
        for each in (one for part in parts.found for one in part["refusals"]):
            self._send("refusals", each)
        for name in tunnels:
            self._send_substreams(name, parts)
        if any("proxies" in each.topics for each in self._watchers):
            await self._look_at_proxies()
        if self._number % KEEP_ALIVE_LOOKS == 0:
            self._to(list(self._watchers), b":\n\n")

    def _cut_if_answers_were_lost(self, members: frozenset[str]) -> None:
        """Cut the watchers of tunnels if processes ended, were late, or are back after that.

        What these have reported, or would have reported, is lost: a browser takes a new snapshot.
        A process that answers for the first time reports all its tunnels.
        """
        before, self._members = self._members, members
        returned = (members - before) & self._known
        self._known |= members
        if before <= members and not returned:
            return
        for each in list(self._watchers):
            if each.tunnels or "tunnels" in each.topics:
                each.cut()

    def _totals(self, parts: Parts) -> dict[str, Any]:
        totals = merging.totals(each["totals"] for each in parts.found)
        now, opens = self._clock.seconds(), totals.pop("opens", 0)
        before, self._opens = self._opens, (now, opens)
        passed_s = LOOK_S if before is None else max(0.1, now - before[0])
        opened = 0 if before is None else max(0, opens - before[1])
        return totals | {"at": self._desk.now(), "opens_per_s": round(opened / passed_s, 2)}

    def _send_substreams(self, name: str, parts: Parts) -> None:
        for part in parts.found:
            changes = _if_any(part["substreams"].get(name) or {})
            if changes is not None:
                self._send(SUBSTREAMS + name, {"tunnel": name} | changes)
            for closed in part["tunnels"]["closed"]:
                if closed["id"] == name:
                    end = {key: closed[key] for key in ("outcome", "error", "why")}
                    nothing: dict[str, Any] = {"opened": [], "changed": [], "closed": []}
                    self._send(SUBSTREAMS + name, {"tunnel": name, **nothing, "ended": end})

    async def _look_at_proxies(self) -> None:
        proxies = await self._desk.proxies()
        if _lasting(proxies) != self._proxies or self._number % PROXIES_LOOKS == 0:
            self._proxies = _lasting(proxies)
            self._send("proxies", proxies)

    def _send(self, topic: str, value: dict[str, Any] | None) -> None:
        watching = [each for each in self._watchers if topic in each.topics]
        if value is None or not watching:
            return
        name = topic.partition(":")[0]
        text = json.dumps(value, separators=(",", ":"))
        self._to(watching, f"id: {self._number}\nevent: {name}\ndata: {text}\n\n".encode())

    @staticmethod
    def _to(watchers: Sequence[Watcher], data: bytes) -> None:
        for each in watchers:
            each.send(data)


def _if_any(changes: dict[str, Any]) -> dict[str, Any] | None:
    return changes if any(changes.values()) else None


def _lasting(proxies: dict[str, Any]) -> dict[str, Any]:
    """Return what of the processes does not change from second to second."""
    names = ("member", "ready", "obstacles", "draining", "version")
    rows = [{name: each[name] for name in names} for each in proxies["proxies"]]
    return {**proxies, "proxies": rows}
