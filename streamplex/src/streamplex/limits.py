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


def require_answers_read(unread_answers: int, limits: PeerLimits) -> None:
    """Raise RemoteError if the peer does not read the answers to its requests.

    `unread_answers` is the number of queued bytes of frames other than data.
    """
    allowed = limits.max_unread_answer_bytes
    if unread_answers > allowed:
        raise RemoteError(
            f"the peer does not read the answers: {unread_answers} bytes of them wait; "
            f"allowed: {allowed}"
        )


def left_after(left: int, nbytes: int) -> int:
    """Return how many of `left` bytes an unauthenticated peer may send after a read of `nbytes`.

    A read that begins within the limit is accepted as a whole; later ones raise RemoteError.
    """
    if left <= 0:
        raise RemoteError("the unauthenticated peer sent more than it may")
    return left - nbytes
