"""The log-in of the page: a session begins with the token, and ends."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from twisted.web.server import Request

from tessel_proxy.monitoring.api.access import (
    COOKIE,
    Access,
    Caller,
    Session,
    TooManyTriesError,
    has_own_origin,
)
from tessel_proxy.monitoring.api.audit import Audit, Command
from tessel_proxy.monitoring.api.desk import NotThereError
from tessel_proxy.monitoring.api.reading import object_of
from tessel_proxy.monitoring.api.writing import Answer, failed
from tessel_proxy.operations.requests import ArgumentError

TRY_AGAIN_S: Final = 60
FORGED: Final = failed(
    HTTPStatus.FORBIDDEN,
    "forged",
    "this command was not sent by the page: its X-Tessel-CSRF or its origin is wrong",
)
_LOG_OUT: Final = f"{COOKIE}=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0".encode()


class Sessions:
    """The resource `session`: logs the page in and out. Needs no access itself."""

    def __init__(self, access: Access, audit: Audit) -> None:
        self._access = access
        self._audit = audit

    def log_in(self, request: Request) -> Answer:
        """Begin a session, if the token is right. Wrong tokens are slowed down."""
        if not has_own_origin(request):  # another site would use up the operator's tries
            return FORGED
        try:
            given = object_of(request).get("token")
            opened = self._access.log_in(request, given if isinstance(given, str) else "")
        except ArgumentError as error:
            return failed(HTTPStatus.BAD_REQUEST, "bad_argument", str(error))
        except TooManyTriesError:
            request.setHeader(b"retry-after", str(TRY_AGAIN_S).encode())
            text = f"too many wrong tokens; try again in {TRY_AGAIN_S} s"
            return failed(HTTPStatus.TOO_MANY_REQUESTS, "too_many_tries", text)
        answer = self._opened(request, opened)
        address = getattr(request.getClientAddress(), "host", "")
        shown = answer[1] if opened is None else {}  # without the session's secret
        self._audit.write(Command("session", address, "log_in"), answer[0], shown)
        return answer

    def _opened(self, request: Request, opened: tuple[str, Session] | None) -> Answer:
        if opened is None:
            return failed(HTTPStatus.FORBIDDEN, "wrong_token", "this is not the token")
        name, session = opened
        cookie = f"{COOKIE}={name}; HttpOnly; SameSite=Strict; Path=/"
        request.setHeader(b"set-cookie", cookie.encode())
        return HTTPStatus.OK, _shown(session)

    async def show(self, request: Request, _caller: Caller) -> Answer:
        """Show the session of a request; raises NotThereError."""
        session = self._access.session(request)
        if session is None:
            raise NotThereError("this request has no session of the page")
        return HTTPStatus.OK, _shown(session)

    async def log_out(self, request: Request, _caller: Caller) -> Answer:
        """End the session of a request."""
        session = self._access.session(request)
        if session is not None:
            self._access.log_out(session)
        request.setHeader(b"set-cookie", _LOG_OUT)
        return HTTPStatus.OK, {}


def _shown(session: Session) -> dict[str, Any]:
    return {"csrf": session.csrf, "expires_at": round(session.expires_at)}
