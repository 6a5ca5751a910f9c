"""What can go wrong, by who is to blame: the store, or the one who asked."""

from __future__ import annotations

from collections.abc import Mapping


class UnavailableError(Exception):
    """The service cannot answer now, through no fault of the one who asked."""


class StoreError(UnavailableError):
    """SQLite failed, or the file is not ours."""


class OverloadError(UnavailableError):
    """More work waits than is held, or the service is stopping."""


class OAuthError(Exception):
    """An answer other than 200: its status, its error word, and a sentence for a person."""

    def __init__(
        self, status: int, word: str, description: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"{status} {word}: {description}")
        self.status = status
        self.word = word
        self.description = description
        self.headers = headers or {}


def invalid_request(description: str) -> OAuthError:
    return OAuthError(400, "invalid_request", description)


def invalid_client(description: str) -> OAuthError:
    # 400 and not RFC 6749's 401: that is what clients of the original know.
    return OAuthError(
        400, "invalid_client", description, {"WWW-Authenticate": 'Basic realm="Service"'}
    )


def invalid_token(description: str) -> OAuthError:
    # RFC 9110 has no 401 without a challenge; RFC 6750 says what stands in it.
    challenge = 'Bearer realm="Service", error="invalid_token"'
    return OAuthError(401, "invalid_token", description, {"WWW-Authenticate": challenge})


def not_found(description: str) -> OAuthError:
    return OAuthError(404, "not_found", description)


def method_not_allowed(allowed: str) -> OAuthError:
    return OAuthError(405, "method_not_allowed", f"allowed here: {allowed}", {"Allow": allowed})


def too_large(limit: int) -> OAuthError:
    return OAuthError(413, "invalid_request", f"a body has at most {limit} bytes")


def internal_error() -> OAuthError:
    return OAuthError(500, "server_error", "a fault of this service, which its log explains")


def unavailable() -> OAuthError:
    return OAuthError(503, "server_error", "the store cannot answer now")
