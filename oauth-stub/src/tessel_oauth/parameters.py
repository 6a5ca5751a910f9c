"""Parse a request: its parameters, the client's credentials, and the access token.

The input is not trusted: every fault in it raises an OAuthError. Nothing here does I/O.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl

from tessel_oauth.errors import invalid_client, invalid_request

FORM: Final = b"application/x-www-form-urlencoded"
JSON: Final = b"application/json"
MAX_PARAMETERS: Final = 32  # five are used; some clients send more

_BEARER: Final = re.compile(rb"Bearer[ \t]([!-~]+)")


@dataclass(frozen=True, slots=True)
class Credentials:
    """The client id and secret of a request, before they are checked."""

    client_id: str
    client_secret: str = field(repr=False)
    body_client_id: str | None = None  # sent in the body besides HTTP Basic; must be the same


@dataclass(frozen=True, slots=True)
class PresentedToken:
    """The access token of a request, before it is checked.

    `in_header` is True if it came in the Authorization header.
    """

    token: str = field(repr=False)
    in_header: bool


def parsed(data: bytes) -> Mapping[str, str]:
    """Return the parameters in `data`, a query or form-encoded body. Empty values are kept.

    Raises:
        OAuthError: invalid_request, if it is malformed, has too many parameters or repeats one.
    """
    try:
        pairs = parse_qsl(
            data.decode(),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MAX_PARAMETERS,
        )
    except ValueError:  # includes UnicodeDecodeError
        raise invalid_request(
            f"allowed: at most {MAX_PARAMETERS} parameters, form-encoded in UTF-8"
        ) from None
    parameters = dict(pairs)
    if len(parameters) < len(pairs):
        raise invalid_request("a parameter is given more than once")
    return parameters


def json_members(data: bytes) -> Mapping[str, str]:
    """Return the member names of a JSON object as parameters with empty values.

    The original server reads JSON bodies as parameters, too. The values do not matter here. JSON
    that is not an object has no parameters.

    Raises:
        OAuthError: invalid_request, if the data is not JSON.
    """
    try:
        value = json.loads(data or b"{}")
    except (ValueError, RecursionError):
        raise invalid_request("the body is not JSON") from None
    return dict.fromkeys(value, "") if isinstance(value, dict) else {}


def is_form(content_types: Sequence[bytes]) -> bool:
    """Return whether a request has exactly one Content-Type header, for a form-encoded body."""
    return _is_of(FORM, content_types)


def is_json(content_types: Sequence[bytes]) -> bool:
    """Return whether a request has exactly one Content-Type header, for a JSON body."""
    return _is_of(JSON, content_types)


def _is_of(media_type: bytes, content_types: Sequence[bytes]) -> bool:
    return [each.partition(b";")[0].strip().lower() for each in content_types] == [media_type]


def client_credentials(authorizations: Sequence[bytes], form: Mapping[str, str]) -> Credentials:
    """Return the client's credentials from the HTTP Basic header, or without one from the form.

    Raises:
        OAuthError: invalid_client, if they are missing, malformed or contradictory.
    """
    basic = _basic(authorizations)
    client_id, client_secret = basic or (form.get("client_id"), form.get("client_secret"))
    if not client_id:
        raise invalid_client("client_id is missing")
    if not client_secret:
        raise invalid_client("client_secret is missing")
    if form.get("client_secret", client_secret) != client_secret:
        raise invalid_client("client_secret differs between the Authorization header and the body")
    return Credentials(client_id, client_secret, form.get("client_id") if basic else None)


def access_token(
    query: Mapping[str, str], authorizations: Sequence[bytes], body: Mapping[str, str]
) -> PresentedToken:
    """Return the access token from the query, the Authorization header or the body.

    It must be in exactly one of them. As in the original server, any Authorization header counts as
    a token, and so does an empty parameter.

    Raises:
        OAuthError: invalid_request, if there is no token or more than one, or it is malformed.
    """
    found = [each["access_token"] for each in (query, body) if "access_token" in each]
    if not found and not authorizations:
        raise invalid_request("the access token was not found")
    if len(found) + len(authorizations) > 1:
        raise invalid_request(
            "Only one method may be used to authenticate at a time (Authorization header, query "
            "or body)"
        )
    if authorizations:
        return PresentedToken(_bearer(authorizations[0]), in_header=True)
    return PresentedToken(found[0], in_header=False)


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
    return authorization.partition(b" ")[2]


def _bearer(authorization: bytes) -> str:
    """Return the token of an Authorization header.

    As in the original server, `Bearer` is case-sensitive and followed by one separator, and an
    empty header counts as a token that is unknown.
    """
    found = _BEARER.search(authorization)
    if found is None and authorization:
        raise invalid_request("Malformed auth header")
    return found[1].decode() if found else ""
