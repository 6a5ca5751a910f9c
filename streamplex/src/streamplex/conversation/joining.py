"""The messages with which a new device exchanges an invitation for its token.

A device without a token sends `{"join":{}}` to get the certificate of the proxy's authority, and on
a second connection, which trusts that certificate, `{"join":{"code":"…"}}` to get its token. The
proxy answers with one `{"joined":{…}}` and closes the tunnel. docs/wire.md describes both.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self, TypeAlias, assert_never

from streamplex.jsontext import Json

CODE_PATTERN: Final = re.compile(r"[A-Za-z0-9_-]{22,64}")
"""A code: 128 random bits as URL-safe characters are 22. Longer ones leave room for others."""

TOKEN_PATTERN: Final = re.compile(r"[A-Za-z0-9._~+/=-]{1,512}")
"""A token that a device accepts: the characters of RFC 6750, section 2.1. It is written to files
that shells and Compose read, so it must hold no line end, quote, space or `$`."""

MAX_ACCOUNT_CHARACTERS: Final = 256
"""Characters of an account's name; the proxy allows no longer ones."""

MAX_TIME: Final = 100_000_000_000
MAX_AUTHORITY_CHARACTERS: Final = 48 * 1024
"""Characters of the authority's certificates. They and the JSON around them fit in one frame."""


class JoinRefusal(StrEnum):
    """The reason why a proxy does not accept an invitation. `text` explains it to a person."""

    text: str

    def __new__(cls, word: str, text: str) -> Self:
        member = str.__new__(cls, word)
        member._value_ = word
        member.text = text
        return member

    UNKNOWN = "unknown", "this proxy did not make the invitation, or it was used long ago"
    USED = "used", "the invitation was used already; each is valid for one device"
    EXPIRED = "expired", "the invitation has expired"
    UNAVAILABLE = "unavailable", "the proxy cannot accept invitations now; its log says why"


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """A device's request: the token for a code, or the authority's certificate (`code` None)."""

    code: str | None


@dataclass(frozen=True, slots=True)
class AuthorityShown:
    """The certificate of the proxy's authority, as PEM text. None: a public authority."""

    authority: str | None


@dataclass(frozen=True, slots=True)
class Joined:
    """The account and the token that a device has got for its invitation."""

    account: str
    token: str


@dataclass(frozen=True, slots=True)
class NotJoined:
    """The proxy did not accept the invitation. `at`: since when, seconds since 1970, if known."""

    why: JoinRefusal
    at: int | None = None


JoinAnswer: TypeAlias = AuthorityShown | Joined | NotJoined


def encode_join(request: JoinRequest) -> Json:
    """Return the JSON value of a device's request."""
    return {"join": {} if request.code is None else {"code": request.code}}


def decode_join(value: Json) -> JoinRequest | None:
    """Return the request in the first message of a device; None: it is another message.

    A code that no proxy makes is returned as "", which no invitation has.
    """
    if not isinstance(value, dict) or not isinstance(value.get("join"), dict):
        return None
    join = value["join"]
    if "code" not in join:
        return JoinRequest(None)
    code = join["code"]
    usable = isinstance(code, str) and CODE_PATTERN.fullmatch(code) is not None
    return JoinRequest(code if usable else "")


def encode_joined(answer: JoinAnswer) -> Json:
    """Return the JSON value of the proxy's answer."""
    match answer:
        case AuthorityShown(authority):
            return {"joined": {"authority": authority}}
        case Joined(account, token):
            return {"joined": {"account": account, "token": token}}
        case NotJoined(why, at):
            return {"joined": {"refused": why.value} | ({} if at is None else {"at": at})}
        case _:
            assert_never(answer)


def decode_joined(value: Json) -> JoinAnswer | None:
    """Return the proxy's answer; None: the message is another one, or malformed.

    An unknown word of a refusal counts as "unavailable".
    """
    match value.get("joined") if isinstance(value, dict) else None:
        case {"token": str(token), "account": str(account)}:
            return _joined(account, token)
        case {"refused": str(word), **rest}:
            at = rest.get("at")
            return NotJoined(_REFUSALS.get(word, JoinRefusal.UNAVAILABLE), _time(at))
        case {"authority": None}:
            return AuthorityShown(None)
        case {"authority": str(authority)} if len(authority) <= MAX_AUTHORITY_CHARACTERS:
            return AuthorityShown(authority)
        case _:
            return None


_REFUSALS: Final = {each.value: each for each in JoinRefusal}


def _joined(account: str, token: str) -> Joined | None:
    """Return what the device has got; None: text that would harm a file or a terminal."""
    is_name = 0 < len(account) <= MAX_ACCOUNT_CHARACTERS and account.isprintable()
    return Joined(account, token) if is_name and TOKEN_PATTERN.fullmatch(token) else None


def _time(at: Json) -> int | None:
    """Return a time in seconds since 1970 that a date can show (to the year 5138), or None."""
    return at if isinstance(at, int) and 0 <= at < MAX_TIME else None
