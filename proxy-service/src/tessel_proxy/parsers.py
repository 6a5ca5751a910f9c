"""Text of the environment -> typed values, for what only a proxy is told.

A parser raises ValueError with the words that follow "allowed:" in the fault's sentence.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit


def passphrase(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def shared_password(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("text in UTF-8, as tokens are on the wire") from None
    return text


def plugin_name(text: str) -> str:
    module, colon, name = text.partition(":")
    if not colon or not all(word.isidentifier() for word in [*module.split("."), name]):
        raise ValueError("package.module:callable")
    return text


@dataclass(frozen=True, slots=True)
class TokenService:
    """Where the token service is, and who this proxy is to it."""

    url: str  # without credentials and trailing slash
    client_id: str
    client_secret: str = field(repr=False)


def token_service(text: str) -> TokenService:
    try:
        parts = urlsplit(text)
        port = parts.port  # raises on one that is out of range
    except ValueError:
        raise _bad_service("a URL is malformed") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise _bad_service("scheme or host is missing")
    if not parts.username or not parts.password:
        raise _bad_service("client id or secret is missing")
    if ":" in unquote(parts.username):  # HTTP Basic parts them there
        raise _bad_service("the client id holds a colon")
    if parts.query or parts.fragment or not text.isprintable() or " " in text:
        raise _bad_service("it has more than that")
    where = parts.netloc.rpartition("@")[2]
    return TokenService(
        url=f"{parts.scheme}://{where}{parts.path.rstrip('/')}",
        client_id=unquote(parts.username),
        client_secret=unquote(parts.password),
    )


def _bad_service(why: str) -> ValueError:
    return ValueError(f"http(s)://CLIENT_ID:CLIENT_SECRET@HOST[:PORT][/PATH]; {why}")
