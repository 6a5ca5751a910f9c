"""The HTTP interface of the token service: its routes, and the JSON of responses and errors."""

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

_FORM: Final = parameters.FORM.decode()

# Most responses hold tokens or keys, and a cached error would outlive its cause.
_NEVER_STORED: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class App:
    """The token service as a web application; `routes.resource()` is the root for a site."""

    routes = Klein()
    routes.url_map.merge_slashes = False  # 'a//b' is an unknown path, not a redirect to 'a/b'
    _log = Logger()

    def __init__(self, service: TokenService) -> None:
        self._service = service

    @routes.route("/oauth/token")
    async def token(self, request: Request) -> bytes:
        """Handle POST /oauth/token: exchange an API key for an access token (RFC 6749, 4.5)."""
        if request.method != b"POST" or not _is_form(request):
            raise invalid_request(f"POST it as {_FORM}")
        form = _parameters(request)
        grant_type = form.get("grant_type", "").lower()  # the original server ignores case
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
        """Handle /users/profile: return the account that an access token belongs to, as JSON.

        If the token is in the Authorization header, answer 304 without a body, as the original
        server does.
        """
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
        """Handle /healthz: report that the process answers requests. The store is not checked."""
        _allow(request, "GET, HEAD")
        return _answer(request, 200, {"status": "ok"})

    @routes.handle_errors(OAuthError)
    def refused(self, request: IRequest, failure: Failure) -> bytes:
        """Called when a route raised OAuthError: answers with the status and JSON of that error."""
        return _refusal(request, cast("OAuthError", failure.value))

    @routes.handle_errors(UnavailableError)
    def unavailable(self, request: IRequest, failure: Failure) -> bytes:
        """Called when the store failed or is overloaded: answers 503, and logs the reason."""
        self._log.error("{why}", event="store_failed", why=str(failure.value))
        return _refusal(request, unavailable())

    @routes.handle_errors(HTTPException)
    def unrouted(self, request: IRequest, failure: Failure) -> bytes:
        """Called when no route has the path of a request: answers 404."""
        del failure  # werkzeug raises only NotFound here
        return _refusal(request, not_found("there is nothing at this path"))

    @routes.handle_errors(Exception)
    def failed(self, request: IRequest, failure: Failure) -> bytes:
        """Called when a route raised any other exception, which is a bug: answers 500.

        The exception is logged with a traceback, and the service continues.
        """
        self._log.failure("a request failed", failure=failure, event="request_failed")
        return _refusal(request, internal_error())


def _is_form(request: Request) -> bool:
    return parameters.is_form(request.requestHeaders.getRawHeaders(b"content-type", []))


def _parameters(request: Request) -> Mapping[str, str]:
    """Return the parameters of the body; none if it is neither a form nor JSON."""
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
    """Answer 304 to a valid token in the Authorization header, as the original server does.

    Its page looks for a token in the query and the form only, and answers 304 without one.
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
