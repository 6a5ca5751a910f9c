"""Why a server refuses a token, in the words of `reason/1`, and how both ends write and read them.

A refusal is an object with `"authed":false`. With `retry/1` it says whether the same token may be
accepted later, with `reason/1` why it is not accepted now.
"""

from __future__ import annotations

from enum import StrEnum

from streamplex.jsontext import Json


class Reason(StrEnum):
    """Why a token is refused, or why a tunnel ends whose token was accepted before."""

    WRONG_TOKEN = "wrong_token"  # noqa: S105 -- a word of the wire
    REVOKED = "revoked"  # accepted before; no longer valid
    NOT_CHECKED = "not_checked"
    UNCONFIRMED = "unconfirmed"  # accepted before; it could not be checked again
    TOO_MANY_TUNNELS = "too_many_tunnels"  # of the account
    TOO_MANY_ATTEMPTS = "too_many_attempts"  # with wrong tokens, from the device's address


def may_be_accepted_later(refusal: Json) -> bool:
    """Whether a refusal says so. One that says nothing does not."""
    return isinstance(refusal, dict) and refusal.get("retry") is True


def reason_of(refusal: Json, *, accepted_before: bool) -> Reason:
    """The reason in a refusal; without a known one, what the refusal says without it means."""
    said = refusal.get("reason") if isinstance(refusal, dict) else None
    if isinstance(said, str) and said in set(Reason):
        return Reason(said)
    if may_be_accepted_later(refusal):
        return Reason.UNCONFIRMED if accepted_before else Reason.NOT_CHECKED
    return Reason.REVOKED if accepted_before else Reason.WRONG_TOKEN
