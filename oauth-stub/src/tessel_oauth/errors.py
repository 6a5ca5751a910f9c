"""Errors of the token service: those of the store (503), and those of a request (4xx)."""

from __future__ import annotations

from collections.abc import Mapping


class UnavailableError(Exception):
    """The service cannot answer now, for a reason that is not in the request."""


class StoreError(UnavailableError):
    """SQLite failed, or the file is not a database of this service."""


class OverloadError(UnavailableError):
    """Too many jobs wait for a worker's threads, or the service is stopping."""


class OAuthError(Exception):
    """An error response to a request.

    It has the HTTP status, the OAuth error code in `word`, a description for people, and additional
    HTTP headers.
    """

    def __init__(
        self, status: int, word: str, description: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"{status} {word}: {description}")
        self.status = status
        self.word = word
        self.description = description
        self.headers = headers or {}


def invalid_request(description: str) -> OAuthError:
    """Return the error 400 invalid_request: a parameter is missing, malformed or wrong."""
    return OAuthError(400, "invalid_request", description)


def invalid_client(description: str) -> OAuthError:
    """Return the error 400 invalid_client: the client's credentials are wrong or missing."""
    # 400 as the original server answers, not 401 as RFC 6749 says.
    return OAuthError(
        400, "invalid_client", description, {"WWW-Authenticate": 'Basic realm="Service"'}
    )


def invalid_token(description: str) -> OAuthError:
    """Return the error 401 invalid_token: the access token is unknown, expired or malformed."""
    # RFC 9110 requires a challenge in each 401; RFC 6750 defines its content.
    challenge = 'Bearer realm="Service", error="invalid_token"'
    return OAuthError(401, "invalid_token", description, {"WWW-Authenticate": challenge})


def not_found(description: str) -> OAuthError:
    """Return the error 404 not_found: there is nothing at this path."""
    return OAuthError(404, "not_found", description)


def method_not_allowed(allowed: str) -> OAuthError:
    """Return the error 405. `allowed`: the methods that the path supports, separated by commas."""
    return OAuthError(405, "method_not_allowed", f"allowed here: {allowed}", {"Allow": allowed})


def too_large(limit: int) -> OAuthError:
    """Return the error 413: the body of the request has more than `limit` bytes."""
    return OAuthError(413, "invalid_request", f"a body has at most {limit} bytes")


def internal_error() -> OAuthError:
    """Return the error 500: the service has a bug. The cause is only in its log."""
    return OAuthError(500, "server_error", "an internal error; see the log of the service")


def unavailable() -> OAuthError:
    """Return the error 503: the store failed or is overloaded."""
    return OAuthError(503, "server_error", "the store cannot answer now")
