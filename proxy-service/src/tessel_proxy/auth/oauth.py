"""Check tokens at a token service over HTTP. The tokens of devices are its API keys.

    POST /oauth/token     the API key, with this proxy's client id and secret  ->  an access token
    POST /users/profile   the access token  ->  the owner's username and API key

Only the first request has the client's credentials. The original service takes an Authorization
header of the second request for another access token, and refuses a request that has two.

A key that was accepted before is checked with the profile alone, because each access token adds a
row to the service's store. An access token outlives its key, so the key in the profile is compared.

The service answers 400 for many reasons. Its `error` field says whether the token or the operator's
settings are at fault.
"""

from __future__ import annotations

import hmac
import json
import random
from collections.abc import Coroutine, Mapping
from functools import partial
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from typing import Any

from treq.client import HTTPClient
from treq.cookies import IndexableCookieJar
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.error import ConnectError, ConnectionClosed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import RequestTransmissionFailed, ResponseDone, ResponseFailed
from twisted.web.http import PotentialDataLoss
from twisted.web.iweb import IAgent, IResponse

from streamplex.tx.endings import error_in_words
from tessel_proxy.auth.attempts import Jitter, PassingTroubleError, with_retries, within
from tessel_proxy.auth.interface import (
    Account,
    AuthMisconfiguredError,
    AuthUnavailableError,
    Refused,
)
from tessel_proxy.auth.settings_parsers import TokenService
from tessel_proxy.auth.token_memory import BoundedMemory, fresh_digest

GRANT_TYPE = "https://tessel-grant"
MAX_ANSWER_BYTES = 64 * 1024  # a grant or a profile has a few hundred
MAX_KEY_CHARACTERS = 4096  # a key has 32; longer ones of unauthenticated peers are not sent on
MAX_GRANTS = 50_000  # access tokens to remember, some 300 bytes each; others are requested again


class BodyTooLargeError(Exception):
    """The body of a response is larger than allowed."""


# Failures of the network, TLS and HTTP. Anything else is a bug of ours, and is raised.
_LOST = (
    OSError,  # DNSLookupError is one
    ConnectError,
    ConnectionClosed,
    RequestTransmissionFailed,
    ResponseFailed,
    BodyTooLargeError,
)

# Error codes of RFC 6749, by who is at fault. The original service uses the first of each.
_OPERATORS_FAULT = frozenset({"invalid_client", "unauthorized_client", "unsupported_grant_type"})
_TOKENS_FAULT = frozenset({"invalid_request", "invalid_grant"})

_Client = tuple[str, str]  # id and secret
_Fields = Mapping[str, object]
_Answer = tuple[int, _Fields]  # the status, and the JSON object of the body


class OAuthAuthenticator:
    """Checks tokens at a token service over HTTP.

    It remembers the access tokens that the service granted.
    """

    def __init__(
        self,
        service: TokenService,
        agent: IAgent,
        clock: IReactorTime,
        timeout_s: float,
        jitter: Jitter = random.random,
    ) -> None:
        self._service = service
        self._clock = clock
        self._timeout_s = timeout_s
        self._jitter = jitter
        self._digest = fresh_digest()
        self._grants: BoundedMemory[str] = BoundedMemory(MAX_GRANTS)
        # The next check may be for another device, and must not send cookies of this one.
        no_cookies = IndexableCookieJar(DefaultCookiePolicy(allowed_domains=[]))
        self._http = HTTPClient(agent, no_cookies)

    def use(self, service: TokenService) -> None:
        """Send requests to `service` from now on.

        If its URL or credentials differ from the earlier ones, the remembered access tokens are
        dropped.
        """
        if service != self._service:
            self._service = service
            self._grants = BoundedMemory(MAX_GRANTS)

    def check(self, token: str) -> Deferred[Account | Refused]:
        """Return a Deferred with the account of `token`, or Refused.

        Fails with AuthUnavailableError, or with AuthMisconfiguredError if the service rejects this
        proxy's own credentials.
        """
        if not _can_be_a_key(token):
            return succeed(Refused())
        return within(self._timeout_s, self._clock, self._ask(token))

    async def _ask(self, token: str) -> Account | Refused:
        key = self._digest(token)
        access_token = self._grants.get(key)
        if access_token is not None:
            status, profile = await self._profile(access_token)
            if status == HTTPStatus.OK and _has_key(profile, token):
                return _account_in(profile)
            # The access token expired or the key was renewed. A new access token decides.
            self._grants.drop(key)
        return await self._ask_anew(token, key)

    async def _ask_anew(self, token: str, key: bytes) -> Account | Refused:
        access_token = await self._grant(token)
        if isinstance(access_token, Refused):
            return access_token
        status, profile = await self._profile(access_token)
        if status != HTTPStatus.OK:
            # The service refuses an access token of its own, which says nothing about the key.
            raise _unusable("/users/profile", status)
        account = _account_in(profile)
        self._grants.put(key, access_token)
        return account

    def _profile(self, access_token: str) -> Coroutine[Deferred[Any], Any, _Answer]:
        return self._post("/users/profile", {"access_token": access_token}, auth=None)

    async def _grant(self, token: str) -> str | Refused:
        path = "/oauth/token"
        form = {"grant_type": GRANT_TYPE, "api_key": token}
        client = (self._service.client_id, self._service.client_secret)
        status, grant = await self._post(path, form, auth=client)
        access_token = grant.get("access_token")
        if status == HTTPStatus.OK and isinstance(access_token, str) and access_token:
            return access_token
        if not _is_clients_fault(status):
            raise _unusable(path, status)
        word = str(grant.get("error"))
        if word in _TOKENS_FAULT:
            return Refused()
        if word in _OPERATORS_FAULT:
            raise AuthMisconfiguredError(
                f"the token service answered {word}: check client id and secret in AUTH_TESSEL_OA2"
            )
        raise _unusable(path, status)

    def _post(
        self, path: str, form: dict[str, str], auth: _Client | None
    ) -> Coroutine[Deferred[Any], Any, _Answer]:
        return with_retries(partial(self._try, path, form, auth), self._clock, self._jitter)

    async def _try(self, path: str, form: dict[str, str], auth: _Client | None) -> _Answer:
        service = self._service
        try:
            response = await self._http.post(
                service.url + path,
                data=form,
                auth=auth,
                allow_redirects=False,  # the form holds the key, and is for this service only
                unbuffered=True,
                reactor=self._clock,  # type: ignore[arg-type] # only treq's own timeout needs more
            )
            body = await read_body(response, MAX_ANSWER_BYTES)
        except _LOST as error:
            reason = _innermost(error)
            if isinstance(reason, CancelledError):
                raise reason from None  # the check was cancelled
            raise PassingTroubleError(
                f"the token service at {service.url} cannot be asked: {error_in_words(reason)}"
            ) from None
        if response.code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            # The body is often the page of a load balancer, so only the status is reported.
            raise PassingTroubleError(_unexpected(path, response.code))
        return response.code, _fields(path, response.code, body)


def _can_be_a_key(token: str) -> bool:
    try:
        token.encode()  # unpaired surrogates have no bytes to send
    except UnicodeEncodeError:
        return False
    return len(token) <= MAX_KEY_CHARACTERS


def _account_in(profile: _Fields) -> Account:
    try:
        return Account.named(profile.get("username"))
    except ValueError as error:
        raise AuthUnavailableError(f"the token service's answer: {error}") from None


def _has_key(profile: _Fields, token: str) -> bool:
    key = profile.get("apiKey")
    return isinstance(key, str) and hmac.compare_digest(
        key.encode("utf-8", "surrogatepass"), token.encode()
    )


def _is_clients_fault(status: int) -> bool:
    return status in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED)


def _fields(path: str, status: int, body: bytes) -> _Fields:
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise AuthUnavailableError(
            f"the token service answered {path} with status {status} and no JSON object"
        )
    return fields


def _unusable(path: str, status: int) -> AuthUnavailableError:
    return AuthUnavailableError(_unexpected(path, status))


def _unexpected(path: str, status: int) -> str:
    # Nothing of the body is quoted: it may hold the key.
    return f"the token service answered {path} with unexpected status {status}"


def _innermost(error: BaseException) -> BaseException:
    """The cause within the errors of Twisted's HTTP client."""
    match error:
        case RequestTransmissionFailed(reasons=[*_, last]) | ResponseFailed(reasons=[*_, last]):
            return _innermost(last.value)
        case _:
            return error


def read_body(response: IResponse, max_bytes: int) -> Deferred[bytes]:
    """Return a Deferred with the whole body of `response`.

    Fails with BodyTooLargeError if the body has more than `max_bytes`, or with the reason if the
    connection is lost before the end. Cancelling the Deferred closes the connection.

    The readers of treq and Twisted have no limit, and continue to read when cancelled.
    """
    body = _Body(max_bytes)
    response.deliverBody(body)
    return body.whole


class _Body(Protocol):
    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._buffer = bytearray()
        self.whole: Deferred[bytes] = Deferred(self._cut)

    def _cut(self, _cancelled: object = None) -> None:
        if self.transport is not None:
            self.transport.loseConnection()

    def dataReceived(self, data: bytes) -> None:
        if self.whole.called:
            return
        self._buffer += data
        if len(self._buffer) > self._max_bytes:
            self._buffer.clear()
            self._cut()
            self.whole.errback(BodyTooLargeError(f"more than {self._max_bytes} bytes"))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.whole.called:
            return
        # A body without a stated length ends with the connection. If it was cut, it is not JSON.
        if isinstance(reason.value, (ResponseDone, PotentialDataLoss)):
            self.whole.callback(bytes(self._buffer))
        else:
            self.whole.errback(reason)
