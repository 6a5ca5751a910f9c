"""The receiving half of the pump: delivers the events of received bytes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import TypeAlias, assert_never

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from streamplex.events import (
    CustomReceived,
    DataReceived,
    Event,
    Fault,
    GoAway,
    Ignored,
    MessageReceived,
    StreamEnded,
    StreamFailed,
    StreamOpened,
    StreamReset,
)
from streamplex.tunnel import TunnelCore
from streamplex.tx.flow import HeldBytes
from streamplex.tx.interface_listener import ITunnelListener
from streamplex.tx.interfaces import Crashable
from streamplex.tx.keepalive import KeepAlive
from streamplex.tx.sending import Sending
from streamplex.tx.substream import Substream

_OF_SUBSTREAM = (CustomReceived, StreamEnded, StreamFailed, StreamReset)

_Guarded: TypeAlias = tuple[Crashable, Callable[[], None]]
"""A call into the protocol of a substream, which is ended if the call raises."""


class Receiving(Sending):
    """The receiving half of a tunnel's protocol: delivers events to substreams and the listener.

    `clock` is the reactor. `TunnelProtocol` adds the life of the tunnel.
    """

    _log = Logger()

    def __init__(self, core: TunnelCore, listener: ITunnelListener, clock: IReactorTime) -> None:
        super().__init__(core)
        self.clock = clock
        self._listener = listener
        self._behind: list[_Guarded] | None = None  # while bytes are handed on
        self._keep_alive: KeepAlive | None = None

    @property
    @abstractmethod
    def held(self) -> HeldBytes:
        """The bytes that the substreams hold without flow control."""

    @abstractmethod
    def abortConnection(self, why: Exception | None = None) -> None:
        """Abort the transport and drop queued bytes, for this reason."""

    # --- for substreams ---------------------------------------------------------------

    def call_guarded(self, substream: Crashable, call: Callable[[], None]) -> None:
        """Make a call into a substream's protocol. If it raises, only that substream is ended."""
        try:
            call()
        except Exception as fault:  # noqa: BLE001  # a protocol may raise anything
            self.failed(substream, fault)

    def failed(self, substream: Crashable, fault: Exception) -> None:
        """Log the exception that is being handled. End the substream whose protocol raised it."""
        self._log.failure("substream {channel} failed", channel=substream.channel)
        substream.crashed(fault)

    def behind(self, substream: Crashable, call: Callable[[], None]) -> None:
        """Make a guarded call when the current read is delivered; outside a read, at once."""
        if self._behind is None:
            self.call_guarded(substream, call)
        else:
            self._behind.append((substream, call))

    # --- from the transport -----------------------------------------------------------

    def dataReceived(self, data: bytes | memoryview) -> None:
        """Deliver received bytes to the substreams, then send all their answers at once."""
        if not self._phase.alive:
            return
        if self._keep_alive is not None:
            self._keep_alive.heard()
        self.together(lambda: self._deliver(data))

    def _deliver(self, data: bytes | memoryview) -> None:
        behind: list[_Guarded] = []
        self._behind = behind
        try:
            self._dispatch_all(self.core.receive(data))
        finally:
            self._behind = None
        for substream, call in behind:
            try:
                call()
            except Exception as fault:  # noqa: BLE001  # as in `call_guarded`
                self.failed(substream, fault)

    def _dispatch_all(self, events: list[Event]) -> None:
        """Deliver events in order. Consecutive data of one substream is delivered in one call."""
        run: list[DataReceived] = []
        for event in events:
            if isinstance(event, DataReceived):
                if run and event.channel != run[0].channel:
                    self._dispatch_data(run)
                    run = []
                run.append(event)
                continue
            if run:
                self._dispatch_data(run)
                run = []
            if not self._phase.alive:
                return  # an event before it ended the tunnel
            if isinstance(event, _OF_SUBSTREAM):
                # A handler of an event before this one may have released the substream.
                substream = self._substreams.get(event.channel)
                if substream is not None:
                    substream.deliver(event)
            else:
                self._dispatch(event)
        if run:
            self._dispatch_data(run)

    def _dispatch_data(self, run: list[DataReceived]) -> None:
        # A handler of an event before may have released the substream.
        substream = self._substreams.get(run[0].channel)
        if substream is not None and self._phase.alive:
            substream.deliver_data(run)

    def _dispatch(self, event: StreamOpened | MessageReceived | GoAway | Ignored | Fault) -> None:
        match event:
            case StreamOpened(channel, name):
                self._listener.substreamOpened(self._add(channel, name))
            case MessageReceived(value):
                self._listener.messageReceived(value)
            case GoAway(after_ms):
                self._listener.goAwayReceived(after_ms)
            case Ignored(channel, what):
                self._log.debug("ignored {what} on {channel}", what=what, channel=channel)
            case Fault(fault):
                self.abortConnection(fault)
            case _:
                assert_never(event)

    def _add(self, channel: int, name: str | None) -> Substream:
        substream = self._substreams[channel] = Substream(self.core.stream(channel), name, self)
        return substream
