"""The proxy's answers to a token: accepted, or refused with a reason.

A refusal is an object with `"authed":false`. With the feature `retry/1` it says whether the same
token may be accepted later, with `reason/1` why it is not accepted now.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from streamplex.conversation.hello import Hello
from streamplex.conversation.negotiation import FEATURES, first_window, offered
from streamplex.credit import FIRST_WINDOW_BYTES
from streamplex.features import CREDIT, MESSAGE, REASON, RETRY
from streamplex.jsontext import Json

ALREADY_ACCEPTED: Json = {"authed": True}
"""The answer to every further message of a device whose token was accepted."""

MAX_MESSAGE_CHARACTERS: Final = 200
"""Characters of the operator's message: a sentence or two, in each device's log."""

MAX_RETRY_AFTER_MS: Final = 2**53 - 1
"""The largest integer that each JSON parser reads exactly; a device has a shorter limit itself."""

NOT_AUTHORIZED: Json = {"error": "Not authorized!"}
"""The answer to a device that opens a substream before it sent a token. The tunnel then ends."""


class Reason(StrEnum):
    """The reason why a token is refused, or why a tunnel with an accepted token is ended later."""

    WRONG_TOKEN = "wrong_token"  # noqa: S105 -- a word of the wire
    REVOKED = "revoked"  # accepted before; no longer valid
    NOT_CHECKED = "not_checked"
    UNCONFIRMED = "unconfirmed"  # accepted before; it could not be checked again
    TOO_MANY_TUNNELS = "too_many_tunnels"  # of the account
    TOO_MANY_ATTEMPTS = "too_many_attempts"  # with wrong tokens, from the device's address
    ENDED = "ended"  # by the operator; the device may come back
    REFUSED = "refused"  # by the operator, until a time or for good


@dataclass(frozen=True, slots=True)
class Accepted:
    """The proxy's answer that it accepts the token.

    `window` is the number of bytes that the device may send on each new substream before it needs
    more credit. `features` are the names of the features that the proxy supports.
    """

    window: int = FIRST_WINDOW_BYTES
    features: frozenset[str] = frozenset(FEATURES)


@dataclass(frozen=True, slots=True)
class Refused:
    """The proxy's answer that it does not accept the token.

    `try_again` is True if the same token may be accepted later. `message` is the operator's text
    for the device, "" for none. `retry_after_ms` are the milliseconds after which the device may
    come back; None: not known.
    """

    reason: Reason
    try_again: bool
    message: str = ""
    retry_after_ms: int | None = None


Answer: TypeAlias = Accepted | Refused


def encode_answer(answer: Answer, hello: Hello) -> Json:
    """Return the JSON value of `answer` that the proxy sends in reply to `hello`.

    Besides `authed`, it has only keys of features that the device named in `hello`.
    """
    if isinstance(answer, Accepted):
        windows = {"window": answer.window} if CREDIT in hello.common else {}
        return {"authed": True} | _features(answer.features, hello) | windows
    said: dict[str, Json] = {"authed": False}
    if RETRY in hello.common:
        said["retry"] = answer.try_again
    if REASON in hello.common:
        said["reason"] = answer.reason.value
    if MESSAGE in hello.common:
        said |= _operators_words(answer)
    return said | _features(frozenset(FEATURES), hello)


def _operators_words(answer: Refused) -> dict[str, Json]:
    said: dict[str, Json] = {}
    if message := shown_message(answer.message):
        said["message"] = message
    if answer.retry_after_ms is not None:
        said["retry_after_ms"] = max(0, min(answer.retry_after_ms, MAX_RETRY_AFTER_MS))
    return said


def shown_message(text: str) -> str:
    """Return the text as a message: without characters that cannot be printed, and not too long.

    Line breaks become spaces. Both ends call this: a device prints what a proxy sends.
    """
    text = "".join(each for each in " ".join(text.split()) if each.isprintable())
    return text[:MAX_MESSAGE_CHARACTERS].strip()


def _features(named: frozenset[str], hello: Hello) -> dict[str, Json]:
    if hello.features is None:
        return {}
    return {"features": [name for name in FEATURES if name in named]}


def decode_answer(value: Json) -> Answer:
    """Return the answer in the proxy's first message.

    Every value other than an acceptance is returned as Refused.
    """
    if isinstance(value, dict) and value.get("authed") is True:
        return Accepted(first_window(value), offered(value))
    return _decode_refusal(value, accepted_before=False)


def decode_later_refusal(value: Json) -> Refused | None:
    """Return the refusal in a message that the proxy sends after an acceptance.

    Returns None if the message is not a refusal.
    """
    if isinstance(value, dict) and value.get("authed") is False:
        return _decode_refusal(value, accepted_before=True)
    return None


def _decode_refusal(value: Json, *, accepted_before: bool) -> Refused:
    said = value if isinstance(value, dict) else {}
    try_again = said.get("retry") is True
    message, after_ms = said.get("message"), said.get("retry_after_ms")
    return Refused(
        _reason(said.get("reason"), try_again, accepted_before),
        try_again,
        shown_message(message) if isinstance(message, str) else "",
        # isinstance would accept booleans
        after_ms if type(after_ms) is int and 0 <= after_ms <= MAX_RETRY_AFTER_MS else None,
    )


def _reason(word: Json, try_again: bool, accepted_before: bool) -> Reason:
    if isinstance(word, str) and word in set(Reason):
        return Reason(word)
    if try_again:
        return Reason.UNCONFIRMED if accepted_before else Reason.NOT_CHECKED
    return Reason.REVOKED if accepted_before else Reason.WRONG_TOKEN
