"""What a request says about itself: its parameters, client credentials, access token. Pure.

All of it comes from strangers; whatever is wrong with it is an OAuthError.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl

from tessel_oauth.errors import invalid_client, invalid_request

FORM: Final = b"application/x-www-form-urlencoded"
MAX_PARAMETERS: Final = 32  # there are five; some clients send more


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who a client says it is."""

    client_id: str
    client_secret: str = field(repr=False)


def parsed(octets: bytes) -> Mapping[str, str]:
    """A query or a form. RFC 6749 3.1: empty counts as omitted, twice is an error."""
    try:
        pairs = parse_qsl(octets.decode(), errors="strict", max_num_fields=MAX_PARAMETERS)
    except ValueError:  # of which UnicodeDecodeError is one
        raise invalid_request(
            f"parameters are at most {MAX_PARAMETERS}, form-encoded UTF-8"
        ) from None
    parameters = dict(pairs)
    if len(parameters) < len(pairs):
        raise invalid_request("a parameter is given more than once")
    return parameters


def is_form(content_types: Sequence[bytes]) -> bool:
    """Is a body with these Content-Type headers form-encoded?"""
    return [each.partition(b";")[0].strip().lower() for each in content_types] == [FORM]


def client_credentials(authorizations: Sequence[bytes], form: Mapping[str, str]) -> Credentials:
    """From HTTP Basic if there is one, else from the body."""
    given = _basic(authorizations) or (form.get("client_id"), form.get("client_secret"))
    client_id, client_secret = given
    if not client_id:
        raise invalid_client("client_id is missing")
    if not client_secret:
        raise invalid_client("client_secret is missing")
    # A fault of whoever runs the client, so not invalid_request, which a proxy takes for a wrong
    # API key.
    if form.get("client_id", client_id) != client_id:
        raise invalid_client("client_id differs between the Authorization header and the body")
    if form.get("client_secret", client_secret) != client_secret:
        raise invalid_client("client_secret differs between the Authorization header and the body")
    return Credentials(client_id, client_secret)


def access_token(
    query: Mapping[str, str], authorizations: Sequence[bytes], form: Mapping[str, str]
) -> str:
    """From exactly one of the three places."""
    bearers = [_after_scheme(each) for each in authorizations if _scheme(each) == b"bearer"]
    found = [each["access_token"] for each in (query, form) if "access_token" in each]
    found += [_text(each) for each in bearers]
    if not found:
        raise invalid_request("an access token is missing")
    if len(found) > 1:
        raise invalid_request("an access token comes in one place: query, header or body")
    return found[0]


def _basic(authorizations: Sequence[bytes]) -> tuple[str, str] | None:
    basics = [_after_scheme(each) for each in authorizations if _scheme(each) == b"basic"]
    if not basics:
        return None
    if len(basics) > 1:
        raise invalid_client("more than one Authorization header")
    try:
        client_id, colon, secret = b64decode(basics[0], validate=True).decode().partition(":")
    except ValueError:  # binascii.Error and UnicodeDecodeError
        raise invalid_client("the Authorization header is not base64 of UTF-8") from None
    if not colon:
        raise invalid_client("the Authorization header is not client_id:client_secret")
    return client_id, secret


def _scheme(authorization: bytes) -> bytes:
    return authorization.partition(b" ")[0].lower()


def _after_scheme(authorization: bytes) -> bytes:
    return authorization.partition(b" ")[2].strip()


def _text(token: bytes) -> str:
    """A Bearer token; RFC 6750 knows none that is empty or has other than ASCII."""
    try:
        text = token.decode("ascii")
    except UnicodeDecodeError:
        text = ""
    if not text:
        raise invalid_request("the Authorization header has no token")
    return text
