"""EventEmitter in the Node manner: named events, their listeners, and the error nobody heard."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self, TypeAlias

from twisted.internet.defer import Deferred

from tessel.errors import NodeError
from tessel.node.base import capability_warnings
from tessel.node.base.arguments import callback, text, whole_number
from tessel.source_location import here

Listener: TypeAlias = Callable[..., object]

DEFAULT_MAX_LISTENERS = default_max_listeners = 10  # of one event; more are probably a leak
HIGHEST_MAX_LISTENERS = 2**53 - 1


@dataclass(frozen=True, slots=True, eq=False)
class _Entry:
    listener: Listener
    once: bool


class EventEmitter:
    """Calls its listeners, in the order they came, with what `emit` is given.

    An `error` without a listener is raised out of `emit`, and so ends the program.
    """

    opened_at: str | None = None  # the line of the program to name when nobody hears its error

    def __init__(self) -> None:
        self._entries: dict[str, list[_Entry]] = {}
        self._max_listeners = DEFAULT_MAX_LISTENERS
        self._warned_of: set[str] = set()

    def on(self, event: str, listener: Listener) -> Self:
        return self._insert(event, _Entry(listener, once=False), first=False)

    def once(self, event: str, listener: Listener) -> Self:
        return self._insert(event, _Entry(listener, once=True), first=False)

    def prepend_listener(self, event: str, listener: Listener) -> Self:
        return self._insert(event, _Entry(listener, once=False), first=True)

    def prepend_once_listener(self, event: str, listener: Listener) -> Self:
        return self._insert(event, _Entry(listener, once=True), first=True)

    def add_listener(self, event: str, listener: Listener) -> Self:
        return self.on(event, listener)

    def off(self, event: str, listener: Listener) -> Self:
        """Take out the listener that was added last, if there is such a one."""
        entries = self._entries.get(event, [])
        for entry in reversed(entries):
            if entry.listener == listener:
                self._discard(event, entry)
                break
        return self

    def remove_listener(self, event: str, listener: Listener) -> Self:
        return self.off(event, listener)

    def remove_all_listeners(self, event: str | None = None) -> Self:
        for name in list(self._entries) if event is None else [event]:
            for entry in reversed(self._entries.get(name, [])[:]):
                self._discard(name, entry)
        return self

    def emit(self, event: str, *args: object) -> bool:
        """Call the listeners; say whether there were any."""
        entries = self._entries.get(event)
        if not entries:
            if event == "error":
                raise _unheard(args, self.opened_at)
            return False
        for entry in entries[:]:  # as in Node, listeners changed meanwhile count next time
            if entry.once:
                self._discard(event, entry)
            entry.listener(*args)
        return True

    def listeners(self, event: str) -> list[Listener]:
        return [entry.listener for entry in self._entries.get(event, ())]

    def raw_listeners(self, event: str) -> list[Listener]:
        """As `listeners`: here the listener of `once` is not wrapped."""
        return self.listeners(event)

    def listener_count(self, event: str, listener: Listener | None = None) -> int:
        """How many listeners the event has, or how often it has this one."""
        found = self.listeners(event)
        return len(found) if listener is None else found.count(listener)

    def set_max_listeners(self, number: int) -> Self:
        """Warn when an event has more listeners than this; 0: never."""
        self._max_listeners = whole_number(number, "n", 0, HIGHEST_MAX_LISTENERS)
        return self

    def get_max_listeners(self) -> int:
        return self._max_listeners

    def event_names(self) -> list[str]:
        return list(self._entries)

    def _insert(self, event: str, entry: _Entry, *, first: bool) -> Self:
        text(event, "event")
        callback(entry.listener, "listener")
        if event != "newListener" and "newListener" in self._entries:
            self.emit("newListener", event, entry.listener)  # before it is added, as in Node
        entries = self._entries.setdefault(event, [])
        entries.insert(0 if first else len(entries), entry)
        if 0 < self._max_listeners < len(entries) and event not in self._warned_of:
            self._warn_of_leak(event, len(entries))
        return self

    def _warn_of_leak(self, event: str, count: int) -> None:
        self._warned_of.add(event)
        capability_warnings.warn(
            f"Possible listener leak: {count} {event!r} listeners were added to a "
            f"{type(self).__name__}. Use set_max_listeners() to raise the limit",
            here(),
        )

    def _discard(self, event: str, entry: _Entry) -> None:
        entries = self._entries.get(event, [])
        if entry not in entries:
            return  # emitted from within its own event: already taken out
        entries.remove(entry)
        if not entries:
            del self._entries[event]
        if "removeListener" in self._entries:
            self.emit("removeListener", event, entry.listener)


def _unheard(args: tuple[object, ...], opened_at: str | None) -> BaseException:
    if args and isinstance(args[0], BaseException):
        if isinstance(args[0], NodeError) and opened_at is not None:
            args[0].opened_at = opened_at
        return args[0]
    return NodeError(f"Unhandled error. ({args[0] if args else None!r})", "ERR_UNHANDLED_ERROR")


def once(emitter: EventEmitter, event: str) -> Deferred[list[object]]:
    """Fires with the arguments of the event when it comes; fails with an `error` before it."""
    result: Deferred[list[object]] = Deferred(lambda _: forget())

    def forget() -> None:
        emitter.off(event, came)
        emitter.off("error", failed)

    def came(*args: object) -> None:
        forget()
        result.callback(list(args))

    def failed(error: BaseException) -> None:
        forget()
        result.errback(error)

    emitter.on(event, came)
    if event != "error":
        emitter.on("error", failed)
    return result


def listener_count(emitter: EventEmitter, event: str) -> int:
    return emitter.listener_count(event)


def get_event_listeners(emitter: EventEmitter, event: str) -> list[Listener]:
    return emitter.listeners(event)
