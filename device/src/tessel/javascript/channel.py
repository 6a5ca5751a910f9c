"""The channel to the Node process of a program: frames over an inherited socket, in order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, cast
from typing import Protocol as Shape

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.tcp import Connection
from twisted.python.failure import Failure
from zope.interface import implementer

from tessel.javascript.frames import (
    Credit,
    Data,
    Fields,
    FrameError,
    FrameReader,
    Message,
    encode_credit,
    encode_data,
    encode_message,
)
from tessel.network.immediate_writes import write_now
from tessel.node.base.handles import Handle, Handles

MAX_OBJECTS: Final = 16_384
"""Sockets, servers and look-ups that a program may have open. Each needs some 10 KiB here. The
CC3000 has 4 sockets; a program that opens this many probably forgets to close them."""

READ_BYTES: Final = 128 * 1024
"""Bytes that one read of the channel takes at most, and that may wait for a child which does not
read: then its calls are not read either, so that their answers do not pile up."""


class ChannelObject(Shape):
    """A socket, server or other object of the program, as the channel sees it."""

    def called(self, fields: Fields, data: bytes) -> None:
        """Called with a call of the program for this object, and the bytes that belong to it."""

    def received(self, data: bytes) -> None:
        """Called with bytes that the program has written."""

    def credited(self, nbytes: int) -> None:
        """Called when the program permits that many bytes in addition."""

    def abandon(self) -> None:
        """Called when the program has ended: closes as an operating system would."""


class BadCallError(Exception):
    """A frame from the program that the device cannot accept, for example an unknown call."""


Creator = Callable[[int, Fields, bytes], None]


@implementer(IPushProducer)
class Channel(Protocol):
    """The channel's end at the device: knows the objects of the program by their numbers."""

    def __init__(self, create: Creator, broken: Callable[[str], None]) -> None:
        """Create a channel.

        Args:
            create: called with a call for an object that does not exist yet.
            broken: called with the reason when the child has sent something that is not allowed.

        """
        self._create = create
        self._broken = broken
        self._reader = FrameReader()
        self._objects: dict[int, ChannelObject] = {}
        self._reported = Handles()  # for the report of what is open
        self._handles: dict[int, Handle] = {}
        self._emptied: Deferred[None] | None = None
        self.closed: Deferred[None] = Deferred()  # fires when the child has ended or closed it
        self._next_id = 0
        self._highest_id = 0  # that the child has used
        self._is_open = False

    def connectionMade(self) -> None:
        """Called by Twisted when the channel can be used."""
        self._is_open = True
        transport = self._out()
        transport.bufferSize = READ_BYTES
        transport.registerProducer(self, True)

    def dataReceived(self, data: bytes) -> None:
        """Called by Twisted with bytes from the child: passes its frames on."""
        if not self._is_open:
            return  # it broke the rules, and is about to be killed
        try:
            for frame in self._reader.feed(data):
                self._dispatch(frame)
        except (FrameError, BadCallError) as error:
            self._is_open = False
            self._broken(str(error))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Called by Twisted when the child has ended or closed the channel."""
        del reason  # the end of the process says more
        self._is_open = False
        self.closed.callback(None)

    def _dispatch(self, frame: Message | Data | Credit) -> None:
        found = self._objects.get(frame.object_id)
        if found is None:
            self._dispatch_without_object(frame)
            return
        match frame:
            case Data():
                found.received(frame.data)
            case Credit():
                found.credited(frame.nbytes)
            case Message():
                found.called(frame.fields, frame.data)

    def _dispatch_without_object(self, frame: Message | Data | Credit) -> None:
        """Create an object; or ignore a frame for one that was closed while it was on its way."""
        number = frame.object_id
        is_new = number > (self._highest_id if number % 2 else self._next_id)
        if isinstance(frame, Message) and (number % 2 or not is_new):
            self._highest_id = max(self._highest_id, number if number % 2 else 0)
            self._create(number, frame.fields, frame.data)
        elif is_new:
            what = type(frame).__name__.lower()
            raise BadCallError(f"a frame ({what}) for object {number}, which does not exist")

    # IPushProducer: the channel reads from the child only while the child reads.

    def pauseProducing(self) -> None:
        """Called by the transport when too many bytes wait for the child: stops reading from it."""
        self._out().pauseProducing()

    def resumeProducing(self) -> None:
        """Called by the transport when the child has read: reads from it again."""
        if self._is_open:
            self._out().resumeProducing()

    def stopProducing(self) -> None:
        pass  # connectionLost follows

    # Objects.

    def add(
        self, object_id: int, item: ChannelObject, what: str = "", at: str | None = None
    ) -> None:
        """Let `item` receive the frames of a number that the child chose.

        `what` is its name in the report of what is open; "": it is not reported. `at` is the
        program's line that opened it.
        """
        if len(self._objects) >= MAX_OBJECTS:
            raise BadCallError(f"more than {MAX_OBJECTS} open sockets, servers and look-ups")
        self._keep(object_id, item, what, at)

    def _keep(self, object_id: int, item: ChannelObject, what: str, at: str | None) -> None:
        self._objects[object_id] = item
        if what:
            self._handles[object_id] = self._reported.open(what, at)

    def add_accepted(self, item: ChannelObject, what: str = "") -> int:
        """Let `item` receive the frames of a new number, and return the number."""
        self._next_id += 2
        self._keep(self._next_id, item, what, None)
        return self._next_id

    def rename(self, object_id: int, what: str) -> None:
        """Give an object another name in the report, when more is known."""
        if object_id in self._handles:
            self._handles[object_id].what = what

    def remove(self, object_id: int) -> None:
        """Ignore further frames for this object."""
        self._objects.pop(object_id, None)
        handle = self._handles.pop(object_id, None)
        if handle is not None:
            handle.close()
        emptied = self._emptied
        if emptied is not None and not self._objects:
            self._emptied = None
            emptied.callback(None)

    def places(self) -> list[str]:
        """Return descriptions of all that is open, with the program's lines."""
        return self._reported.places()

    def abandon_all(self) -> Deferred[None]:
        """Close all objects of a program that has ended; fires when they are closed."""
        if not self._objects:
            return succeed(None)
        emptied = self._emptied = Deferred[None]()
        for item in list(self._objects.values()):
            item.abandon()
        return emptied

    def __len__(self) -> int:
        return len(self._objects)

    # Sending.

    def send(self, object_id: int, fields: Fields, data: bytes = b"") -> None:
        """Send an event of an object to the program."""
        if self._is_open:
            write_now(self._out(), (encode_message(object_id, fields, data),))

    def send_data(self, object_id: int, data: bytes) -> None:
        """Send received bytes of an object to the program. The caller keeps to its credit."""
        if self._is_open:
            write_now(self._out(), list(encode_data(object_id, data)))

    def send_credit(self, object_id: int, nbytes: int) -> None:
        """Permit the program to send that many bytes of an object in addition."""
        if self._is_open:
            write_now(self._out(), (encode_credit(object_id, nbytes),))

    def _out(self) -> Connection:
        return cast("Connection", self.transport)  # used only while it is open
