"""HTTP <-> the token service: routes, and how answers and errors look."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final, cast

from klein import Klein
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from werkzeug.exceptions import HTTPException

from tessel_oauth import parameters
from tessel_oauth.errors import (
    OAuthError,
    UnavailableError,
    internal_error,
    invalid_request,
    method_not_allowed,
    not_found,
    too_large,
    unavailable,
)
from tessel_oauth.service import KNOWN_GRANT_TYPES, TokenService
from tessel_oauth.site import MAX_BODY, Request

JsonObject = Mapping[str, str | int]

# Tokens and keys are in most answers, and a cached error outlives its cause.
_FORM: Final = parameters.FORM.decode()
_NEVER_STORED: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class App:
    """The token service on the web."""

    routes = Klein()
    routes.url_map.merge_slashes = False  # 'a//b' is an unknown path, not a redirect to 'a/b'
    _log = Logger()

    def __init__(self, service: TokenService) -> None:
        self._service = service

    @routes.route("/oauth/token")
    async def token(self, request: Request) -> bytes:
        if request.method != b"POST" or not _is_form(request):
            raise invalid_request(f"POST it as {_FORM}")
        form = _parameters(request)
        grant_type = form.get("grant_type", "").lower()  # the original does not mind its case
        if grant_type not in KNOWN_GRANT_TYPES:
            raise invalid_request("grant_type is missing or unknown")
        credentials = parameters.client_credentials(_authorizations(request), form)
        grant = await self._service.grant(credentials, grant_type, form.get("api_key"))
        request.account = grant.account
        answer: dict[str, str | int] = {
            "token_type": "bearer",
            "access_token": grant.access_token,
        }
        if grant.expires_in is not None:
            answer["expires_in"] = grant.expires_in
        answer["refresh_token"] = grant.refresh_token
        return _answer(request, 200, answer)

    @routes.route("/users/profile")
    async def profile(self, request: Request) -> bytes:
        _allow(request, "GET, HEAD, POST")
        body = _parameters(request)
        query = parameters.parsed(request.uri.partition(b"?")[2])
        presented = parameters.access_token(query, _authorizations(request), body)
        if "access_token" in body and (request.method != b"POST" or not _is_form(request)):
            raise invalid_request(f"an access token in a body needs POST and {_FORM}")
        account = await self._service.account(presented.token)
        request.account = account.username
        if presented.in_header:
            return _not_modified(request)
        return _answer(
            request,
            200,
            {
                "username": account.username,
                "email": account.email,
                "apiKey": account.api_key,
                "name": account.name,
            },
        )

    @routes.route("/healthz")
    def healthz(self, request: Request) -> bytes:
        """The process serves. Whether the store does is each answer's own matter."""
        _allow(request, "GET, HEAD")
        return _answer(request, 200, {"status": "ok"})

    @routes.handle_errors(OAuthError)
    def refused(self, request: IRequest, failure: Failure) -> bytes:
        return _refusal(request, cast("OAuthError", failure.value))

    @routes.handle_errors(UnavailableError)
    def unavailable(self, request: IRequest, failure: Failure) -> bytes:
        self._log.error("{why}", event="store_failed", why=str(failure.value))
        return _refusal(request, unavailable())

    @routes.handle_errors(HTTPException)
    def unrouted(self, request: IRequest, failure: Failure) -> bytes:
        del failure  # werkzeug's only one here is NotFound
        return _refusal(request, not_found("there is nothing at this path"))

    @routes.handle_errors(Exception)
    def failed(self, request: IRequest, failure: Failure) -> bytes:
        """The process's edge: a fault of ours costs one request, and is logged whole."""
        self._log.failure("a request failed", failure=failure, event="request_failed")
        return _refusal(request, internal_error())


def _is_form(request: Request) -> bool:
    return parameters.is_form(request.requestHeaders.getRawHeaders(b"content-type", []))


def _parameters(request: Request) -> Mapping[str, str]:
    """The body's; of a body that is neither a form nor JSON, none."""
    if request.oversized:
        raise too_large(MAX_BODY)
    body = bytes(request.body)
    if _is_form(request):
        return parameters.parsed(body)
    return parameters.json_members(body) if _is_json(request) else {}


def _is_json(request: Request) -> bool:
    return parameters.is_json(request.requestHeaders.getRawHeaders(b"content-type", []))


def _authorizations(request: Request) -> list[bytes]:
    return list(request.requestHeaders.getRawHeaders(b"authorization", []))


def _allow(request: Request, methods: str) -> None:
    if request.method.decode("ascii") not in methods.split(", "):
        raise method_not_allowed(methods)


def _not_modified(request: Request) -> bytes:
    """The original's answer to a right token in the header: its page looks for one in the query
    and the form alone, and then answers 304.
    """
    request.setResponseCode(304)
    request.outcome = "token_in_header"
    for name, value in _NEVER_STORED.items():
        request.responseHeaders.setRawHeaders(name, [value])
    return b""


def _refusal(irequest: IRequest, error: OAuthError) -> bytes:
    request = cast("Request", irequest)
    request.outcome = error.word
    body: JsonObject = {
        "code": error.status,
        "error": error.word,
        "error_description": error.description,
    }
    return _answer(request, error.status, body, error.headers)


def _answer(
    request: Request, status: int, body: JsonObject, headers: Mapping[str, str] | None = None
) -> bytes:
    data = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
    request.setResponseCode(status)
    own = {"Content-Type": "application/json", "Content-Length": str(len(data))}
    for name, value in {**own, **_NEVER_STORED, **(headers or {})}.items():
        request.responseHeaders.setRawHeaders(name, [value])
    return data
