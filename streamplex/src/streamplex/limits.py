"""Limits on the bytes that a peer may send or leave unread. No I/O."""

from __future__ import annotations

from dataclasses import dataclass

from streamplex.errors import RemoteError


@dataclass(frozen=True, slots=True)
class PeerLimits:
    """The limits on what a peer may cause, in bytes.

    A peer that exceeds a limit breaks the protocol.
    """

    max_unread_answer_bytes: int = 4 * 1024 * 1024
    """Queued frames other than data. They grow if a peer sends requests and does not read the
    answers. The default leaves room for about ten frames for each of 10,000 substreams."""


DEFAULT_LIMITS = PeerLimits()


class Patience:
    """Checks the bytes that one peer sends against the limits."""

    __slots__ = ("_limits", "_may_say")

    def __init__(self, limits: PeerLimits) -> None:
        self._limits = limits
        self._may_say: int | None = None  # bytes; None: no limit

    def hear_at_most(self, nbytes: int | None) -> None:
        """Limit the bytes that an unauthenticated peer may send from now on. None: no limit.

        A read that begins within the limit is accepted as a whole.
        """
        self._may_say = nbytes

    def hear(self, nbytes: int, unread_answers: int) -> None:
        """Count `nbytes` that were received in one read.

        Raises RemoteError if the peer exceeds a limit. `unread_answers` is the number of queued
        bytes of frames other than data. It grows if the peer does not read.
        """
        allowed = self._limits.max_unread_answer_bytes
        if unread_answers > allowed:
            raise RemoteError(
                f"the peer does not read the answers: {unread_answers} bytes of them wait; "
                f"allowed: {allowed}"
            )
        if self._may_say is None:
            return
        if self._may_say <= 0:
            raise RemoteError("the unauthenticated peer sent more than it may")
        self._may_say -= nbytes
