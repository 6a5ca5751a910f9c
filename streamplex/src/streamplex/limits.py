"""What a peer may cost before it is at fault; pure."""

from __future__ import annotations

from dataclasses import dataclass

from streamplex.errors import RemoteError


@dataclass(frozen=True, slots=True)
class PeerLimits:
    """What a peer may cost. Sizes in bytes."""

    max_unread_answer_bytes: int = 4 * 1024 * 1024
    """Frames other than data that wait because the peer does not read: ten or so for each of
    10,000 substreams. A peer that keeps asking without taking the answers is at fault."""


class Patience:
    """Whether one peer is heard any longer."""

    __slots__ = ("_limits", "_may_say")

    def __init__(self, limits: PeerLimits) -> None:
        self._limits = limits
        self._may_say: int | None = None  # bytes; None: any number

    def hear_at_most(self, nbytes: int | None) -> None:
        """What a peer may say of which nothing is known: to read it costs more than to send it.

        Bytes that come together with the last allowed ones are heard. None: any number.
        """
        self._may_say = nbytes

    def hear(self, nbytes: int, unread_answers: int) -> None:
        """So much came, while so many bytes of answers wait. Raises RemoteError: hear it not."""
        allowed = self._limits.max_unread_answer_bytes
        if unread_answers > allowed:
            raise RemoteError(
                f"the peer asks without reading: {unread_answers} bytes of answers wait; "
                f"allowed: {allowed}"
            )
        if self._may_say is None:
            return
        if self._may_say <= 0:
            raise RemoteError("the peer says too much before it is known who it is")
        self._may_say -= nbytes
