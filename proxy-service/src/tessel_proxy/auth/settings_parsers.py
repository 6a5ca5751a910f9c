"""Parsers for the authenticators' settings: text of the environment -> typed values.

A parser raises ValueError; its text follows "allowed:" in the message to the operator.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit

from tessel_service_kit.texts import lines_of, token

MAX_TOKENS: Final = 8  # enough to replace a shared token step by step


def shared_tokens(text: str) -> tuple[str, ...]:
    """Return the tokens in `text`, one on each line. Lines that begin with # are comments.

    Raises ValueError unless there are 1 to MAX_TOKENS valid tokens.
    """
    lines = lines_of(text)
    if not 1 <= len(lines) <= MAX_TOKENS:
        raise ValueError(f"1 to {MAX_TOKENS} tokens, one on each line; # begins a comment")
    return tuple(map(token, lines))


def plugin_name(text: str) -> str:
    """Return `text` if it has the form package.module:callable, or raise ValueError.

    Imports nothing.
    """
    module, colon, name = text.partition(":")
    if not colon or not all(word.isidentifier() for word in [*module.split("."), name]):
        raise ValueError("package.module:callable")
    return text


@dataclass(frozen=True, slots=True)
class TokenService:
    """The URL of the token service, and the credentials of this proxy at the service."""

    url: str  # without credentials and trailing slash
    client_id: str
    client_secret: str = field(repr=False)


def token_service(text: str) -> TokenService:
    """Parse http(s)://CLIENT_ID:CLIENT_SECRET@HOST[:PORT][/PATH].

    Raises ValueError, which does not quote the URL.
    """
    try:
        parts = urlsplit(text)
        port = parts.port  # raises on one that is out of range
    except ValueError:
        raise _bad_service(
            "a URL is malformed (in the secret, : / ? # @ and % are written as %3A and the like)"
        ) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise _bad_service("scheme or host is missing")
    if not parts.username or not parts.password:
        raise _bad_service("client id or secret is missing")
    client_id, client_secret = _unquoted(parts.username), _unquoted(parts.password)
    if ":" in client_id:  # the separator of HTTP Basic
        raise _bad_service("the client id holds a colon")
    if parts.query or parts.fragment or not text.isprintable() or " " in text:
        raise _bad_service("it has other parts than these")
    where = parts.netloc.rpartition("@")[2]
    return TokenService(
        url=f"{parts.scheme}://{where}{parts.path.rstrip('/')}",
        client_id=client_id,
        client_secret=client_secret,
    )


def _unquoted(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise _bad_service("its % sequences are not UTF-8") from None


def _bad_service(why: str) -> ValueError:
    return ValueError(f"http(s)://CLIENT_ID:CLIENT_SECRET@HOST[:PORT][/PATH]; {why}")
