"""One client of the gateway, from its first byte to its end: the pump around `Opening`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType
from typing import Final, assert_never

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from tessel.errors import NodeError
from tessel.gateway.end import End, reason_text
from tessel.gateway.limits import LINGER_S
from tessel.gateway.opening import (
    Connect,
    Event,
    Opening,
    Outcome,
    Refuse,
    Send,
    ToTarget,
    outcome_of,
)
from tessel.gateway.target_end import TargetEnd
from tessel.network.interface import INetwork, Target
from tessel_service_kit.texts import printable

_log = Logger(namespace="tessel")


class Stage(Enum):
    """The stage of a client's connection."""

    OPENING = auto()  # its request is not complete
    CONNECTING = auto()  # to its target
    JOINED = auto()  # with its target
    LEAVING = auto()  # it was refused, and may read the answer
    OVER = auto()


class Happening(Enum):
    """The events that move a client's connection from one stage to another."""

    REQUESTED = auto()
    CONNECTED = auto()
    REFUSED = auto()  # by the gateway, or because its target cannot be reached
    LOST = auto()


NEXT: Final[Mapping[Stage, Mapping[Happening, Stage]]] = MappingProxyType(
    {
        Stage.OPENING: {
            Happening.REQUESTED: Stage.CONNECTING,
            Happening.REFUSED: Stage.LEAVING,
            Happening.LOST: Stage.OVER,
        },
        Stage.CONNECTING: {
            Happening.CONNECTED: Stage.JOINED,
            Happening.REFUSED: Stage.LEAVING,
            Happening.LOST: Stage.OVER,
        },
        Stage.JOINED: {Happening.LOST: Stage.OVER},
        Stage.LEAVING: {Happening.LOST: Stage.OVER},
        Stage.OVER: {},
    }
)
"""The stages of a client's connection. What a stage does not have is ignored there."""


@dataclass(frozen=True, slots=True)
class Means:
    """The parts of the gateway that all of its clients use."""

    network: INetwork
    clock: IReactorTime
    handshake_timeout_s: float


class Client(End):
    """The connection of one client, which is joined to that of its target."""

    def __init__(
        self, means: Means, opening: Opening, name: str, over: Callable[[Client], None]
    ) -> None:
        """Create a client that is not connected.

        Args:
            means: the network, and the clock.
            opening: its conversation with the gateway.
            name: for the _log.
            over: called when nothing of it is open any more, neither here nor at its target.

        """
        super().__init__(means.clock, self._one_is_over)
        self._means = means
        self._opening = opening
        self._name = name
        self._report_over = over
        self._stage = Stage.OPENING
        self._limit: IDelayedCall | None = None
        self._target: Target | None = None

    # From the link.

    def link_opened(self) -> None:
        """Called when the client has connected."""
        self.link.set_no_delay(True)
        self.link.set_keep_alive(True)
        self._limit = self._clock.callLater(self._means.handshake_timeout_s, self._too_slow)

    def link_received(self, data: bytes) -> None:
        """Called with bytes of the client."""
        if self._stage is Stage.LEAVING:
            return
        if self._opening.is_transparent:
            super().link_received(data)
        else:
            self._do(self._opening.receive(data))

    def link_peer_ended(self) -> None:
        """Called at the client's FIN."""
        if self._stage in (Stage.OPENING, Stage.LEAVING):
            self.has_ended = True
            self.close()
        else:
            super().link_peer_ended()

    def link_lost(self, reason: Failure) -> None:
        """Called when the connection to the client is lost."""
        if self._stage is Stage.JOINED and not self.has_ended:
            _log.debug("{client}: lost: {why}", client=self._name, why=reason_text(reason))
        self._move(Happening.LOST)
        self._stop_limit()
        super().link_lost(reason)

    # The opening.

    def _do(self, events: Sequence[Event]) -> None:
        for event in events:
            match event:
                case Send():
                    self.link.write_now(event.data)
                case Connect():
                    self._connect(Target(event.host, event.port))
                case ToTarget():
                    super().link_received(event.data)
                case Refuse():
                    self._refuse(event)
                case _:
                    assert_never(event)

    def _connect(self, target: Target) -> None:
        self._move(Happening.REQUESTED)
        self._stop_limit()
        self._target = target
        end = TargetEnd(self._clock, self._connected, self._failed, self._one_is_over)
        self.join(end)
        end.connect(self._means.network, target)

    def _connected(self) -> None:
        if self._move(Happening.CONNECTED) and (answer := self._opening.answer(Outcome.CONNECTED)):
            self.link.write_now(answer)

    def _failed(self, error: NodeError) -> None:
        hint = f"; {error.hint}" if error.hint else ""
        outcome = outcome_of(error)
        self._warn(f"{self._target}: {error}{hint}")
        self._leave(self._opening.answer(outcome, str(error)))

    def _refuse(self, refusal: Refuse) -> None:
        detail = f" ({refusal.detail})" if refusal.detail else ""
        self._warn(f"{refusal.outcome.value}{detail}")
        if self._other is not None:  # a malformed body: the target must not take it as complete
            self._other.abort()
            self.abort()
            return
        self._leave(refusal.data)

    def _too_slow(self) -> None:
        self._limit = None
        self._warn(Outcome.TOO_SLOW.value)
        self._leave(self._opening.answer(Outcome.TOO_SLOW))

    def _leave(self, data: bytes) -> None:
        """Send the last bytes, and wait for the client to close."""
        if not self._move(Happening.REFUSED) or not self.link.usable:
            return
        self._stop_limit()
        self._limit = self._clock.callLater(LINGER_S, self._linger_over)
        if data:
            self.link.write_now(data)
        self.finish()
        if self.has_ended:
            self.close()
        else:
            self.link.resume()  # to see the client's FIN

    def _linger_over(self) -> None:
        self._limit = None
        self.abort()

    def _stop_limit(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    # Stages.

    def _move(self, happening: Happening) -> bool:
        """Go to the next stage; return False if this stage ignores what happened."""
        stage = NEXT[self._stage].get(happening)
        if stage is not None:
            self._stage = stage
        return stage is not None

    def _one_is_over(self) -> None:
        if self.is_lost and (self._other is None or self._other.is_lost):
            report, self._report_over = self._report_over, lambda _: None
            report(self)

    def _warn(self, text: str) -> None:
        _log.warn("{client}: {text}", client=self._name, text=printable(text))
