"""Events in the manner of Node's `events`.

from tessel.events import EventEmitter

door = EventEmitter()
door.on("open", lambda who: print("hello", who))
door.emit("open", "Ada")
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self, TypeAlias

from twisted.internet.defer import Deferred

from tessel.errors import NodeError
from tessel.node.base import capability_warnings
from tessel.node.base.arguments import callback, text, whole_number
from tessel.source_location import here

__all__ = [
    "EventEmitter",
    "default_max_listeners",
    "get_event_listeners",
    "listener_count",
    "once",
]


def __dir__() -> list[str]:
    return __all__


Listener: TypeAlias = Callable[..., object]

DEFAULT_MAX_LISTENERS = default_max_listeners = (
    10  # listeners of one event; more are probably a leak
)
HIGHEST_MAX_LISTENERS = 2**53 - 1


@dataclass(frozen=True, slots=True, eq=False)
class _Entry:
    listener: Listener
    once: bool


class EventEmitter:
    """Holds listeners for named events, and calls them in the order in which they were added.

    `emit` raises the error of an `error` event that has no listener. This ends the program. All
    methods that add or remove listeners return the emitter.
    """

    opened_at: str | None = None  # the program's line to report with an error without a listener

    def __init__(self) -> None:
        self._entries: dict[str, list[_Entry]] = {}
        self._max_listeners = DEFAULT_MAX_LISTENERS
        self._warned_of: set[str] = set()

    def on(self, event: str, listener: Listener) -> Self:
        """Add a listener, which is called with the arguments of each later `emit` of the event."""
        return self._insert(event, _Entry(listener, once=False), first=False)

    def once(self, event: str, listener: Listener) -> Self:
        """Add a listener that is removed before its first call."""
        return self._insert(event, _Entry(listener, once=True), first=False)

    def prepend_listener(self, event: str, listener: Listener) -> Self:
        """Add a listener before all others of the event."""
        return self._insert(event, _Entry(listener, once=False), first=True)

    def prepend_once_listener(self, event: str, listener: Listener) -> Self:
        """Add a listener before all others of the event; it is removed before its first call."""
        return self._insert(event, _Entry(listener, once=True), first=True)

    def add_listener(self, event: str, listener: Listener) -> Self:
        """Add a listener, as `on` does."""
        return self.on(event, listener)

    def off(self, event: str, listener: Listener) -> Self:
        """Remove a listener of an event; do nothing if there is no such listener.

        If the listener was added several times, only the one added last is removed.
        """
        entries = self._entries.get(event, [])
        for entry in reversed(entries):
            if entry.listener == listener:
                self._discard(event, entry)
                break
        return self

    def remove_listener(self, event: str, listener: Listener) -> Self:
        """Remove a listener, as `off` does."""
        return self.off(event, listener)

    def remove_all_listeners(self, event: str | None = None) -> Self:
        """Remove all listeners of an event; None: of all events."""
        for name in list(self._entries) if event is None else [event]:
            for entry in reversed(self._entries.get(name, [])[:]):
                self._discard(name, entry)
        return self

    def emit(self, event: str, *args: object) -> bool:
        """Call the listeners of an event; return whether there were any.

        Raises:
            BaseException: the event is `error` and has no listener. This is the error itself.

        """
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
        """Return a copy of the list of listeners of an event."""
        return [entry.listener for entry in self._entries.get(event, ())]

    def raw_listeners(self, event: str) -> list[Listener]:
        """Return a copy of the list of listeners, as `listeners` does.

        Node's function returns wrappers for listeners of `once`; here there are none.
        """
        return self.listeners(event)

    def listener_count(self, event: str, listener: Listener | None = None) -> int:
        """Return the number of listeners of an event; with `listener`, how often it was added."""
        found = self.listeners(event)
        return len(found) if listener is None else found.count(listener)

    def set_max_listeners(self, number: int) -> Self:
        """Set the number of listeners of one event above which a warning is given; 0: never warn.

        More listeners are probably a leak. Raises NodeError for a negative number.
        """
        self._max_listeners = whole_number(number, "n", 0, HIGHEST_MAX_LISTENERS)
        return self

    def get_max_listeners(self) -> int:
        """Return the number of listeners of one event above which a warning is given; 0: never."""
        return self._max_listeners

    def event_names(self) -> list[str]:
        """Return the names of all events that have listeners."""
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
            return  # it emitted its own event and was removed then
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
    """Return a Deferred that fires with the list of arguments of the next `event` of the emitter.

    The Deferred fails with the error if an `error` event comes first.
    """
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
    """Return the number of listeners of an event."""
    return emitter.listener_count(event)


def get_event_listeners(emitter: EventEmitter, event: str) -> list[Listener]:
    """Return a copy of the list of listeners of an event."""
    return emitter.listeners(event)
