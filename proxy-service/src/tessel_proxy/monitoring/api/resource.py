"""Everything below /api/: who may, which resource, its answer, and the audit of commands."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from tessel_proxy.fleet.engine import EngineError
from tessel_proxy.monitoring.api.access import READING, Access, Caller, ForgedError
from tessel_proxy.monitoring.api.audit import Audit, Command
from tessel_proxy.monitoring.api.calls import Calls
from tessel_proxy.monitoring.api.desk import Desk, NotAnsweredError, NotThereError
from tessel_proxy.monitoring.api.events import (
    RETRY_AFTER_S,
    SUBSTREAMS,
    TOPICS,
    EventStreams,
    TooManyWatchersError,
)
from tessel_proxy.monitoring.api.reading import body_of, query_of, route_of, segments_of
from tessel_proxy.monitoring.api.routes import TUNNEL_ID, Route
from tessel_proxy.monitoring.api.sessions import FORGED, Sessions
from tessel_proxy.monitoring.api.writing import Answer, failed, finish
from tessel_proxy.operations import RefusalsError, TooManyRulesError, UsageError
from tessel_proxy.operations.requests import ArgumentError
from tessel_proxy.records.error_codes import ErrorCode

MAX_TOPICS: Final = 16
"""Topics of one stream; more cannot be looked at by one person."""

SHOWN_OF_PATH: Final = 60
"""Characters of a path in the audit, if it is not the path of a resource."""

VERSION: Final = "v1"
_SUBSTREAMS: Final = re.compile(SUBSTREAMS + TUNNEL_ID.pattern)
_BROKEN: Final = failed(
    HTTPStatus.INTERNAL_SERVER_ERROR,
    "internal",
    "internal error of the proxy; its log has a traceback",
)

STATUSES: Final[Mapping[type[Exception], tuple[HTTPStatus, str]]] = {
    ArgumentError: (HTTPStatus.BAD_REQUEST, "bad_argument"),
    NotThereError: (HTTPStatus.NOT_FOUND, "not_found"),
    NotAnsweredError: (HTTPStatus.SERVICE_UNAVAILABLE, "not_reached"),
    UsageError: (HTTPStatus.NOT_FOUND, "not_kept"),
    TooManyRulesError: (HTTPStatus.CONFLICT, "too_many_rules"),
    RefusalsError: (HTTPStatus.SERVICE_UNAVAILABLE, "not_reached"),
    EngineError: (HTTPStatus.SERVICE_UNAVAILABLE, "not_reached"),
    TooManyWatchersError: (HTTPStatus.SERVICE_UNAVAILABLE, "too_many_watchers"),
}
TEXTS: Final[Mapping[type[Exception], str]] = {
    TooManyWatchersError: "too many streams of events are open; close a page, or try again later",
}


class OperatorApi(Resource):
    """Everything below /api/. Without access each path is answered like one that is not there."""

    isLeaf = True
    _log = Logger()

    def __init__(
        self,
        desk: Desk,
        access: Access,
        events: EventStreams,
        nothing_there: Callable[[Request], bytes],
        audit: Audit,
    ) -> None:
        """`nothing_there` answers as for every unknown path of the port."""
        super().__init__()  # type: ignore[no-untyped-call] # Twisted's has no types
        self._access = access
        self._streams = events
        self._nothing_there = nothing_there
        self._audit = audit
        self._sessions = Sessions(access, audit)
        calls = Calls(desk)
        self._calls = {
            **{each: getattr(calls, each) for each in dir(calls) if not each.startswith("_")},
            "session": self._sessions.show,
            "log_out": self._sessions.log_out,
            "events": self._no_events,
        }

    def render(self, request: Request) -> bytes | int:
        """Called with each request."""
        segments = segments_of(request)
        if (request.method, segments) == (b"POST", [VERSION, "session"]):
            if self._access.has_token:
                return finish(request, self._sessions.log_in(request))
            return self._nothing_there(request)
        try:
            caller = self._access.caller(request)
        except ForgedError as error:
            return self._refused(request, error.caller, segments, FORGED)
        if caller is None or segments[:1] != [VERSION]:
            return self._nothing_there(request)
        found = route_of(request, segments[1:])
        if isinstance(found, HTTPStatus):
            code = found.phrase.lower().replace(" ", "_")
            return self._refused(request, caller, segments, failed(found, code, found.phrase))
        self._call(request, caller, *found)
        return NOT_DONE_YET

    def _refused(
        self, request: Request, caller: Caller, segments: list[str], answer: Answer
    ) -> int:
        """Answer a request that is none of the resources, or forged; a command is audited."""
        if request.method not in READING:
            method = request.method.decode("latin-1")
            name = f"{method} {'/'.join(segments[1:])}"[:SHOWN_OF_PATH]
            self._audit.write(Command(caller.by, caller.address, name), *answer)
        return finish(request, answer)

    def _call(
        self, request: Request, caller: Caller, route: Route, in_path: dict[str, str]
    ) -> None:
        done = Deferred.fromCoroutine(self._answer(request, caller, route, in_path))
        left: Deferred[Any] = request.notifyFinish()
        left.addErrback(lambda _: None)  # an answer that nobody waits for is dropped
        done.addErrback(self._broken)

    async def _answer(
        self, request: Request, caller: Caller, route: Route, in_path: dict[str, str]
    ) -> None:
        asked = Command(caller.by, caller.address, route.call, in_path)
        try:
            arguments = in_path | query_of(request, route) | body_of(request, route)
            asked = replace(asked, arguments=arguments)
            if route.call == "events" and request.method == b"GET":
                self._stream(request, arguments["topics"])
                return
            answer = await self._calls[route.call](request, caller, **arguments)
        except tuple(STATUSES) as error:
            answer = _answer_to(error)
        except Exception:  # noqa: BLE001 -- a bug in one call must not leave its caller waiting
            answer = self._broken(Failure())
        if answer[0] is HTTPStatus.SERVICE_UNAVAILABLE:
            request.setHeader(b"retry-after", str(RETRY_AFTER_S).encode())
        if route.is_command:
            self._audit.write(asked, *answer)
        finish(request, answer)

    def _broken(self, failure: Failure) -> Answer:
        self._log.failure(
            "a request to the API failed", failure=failure, error=ErrorCode.INTERNAL_ERROR.value
        )
        return _BROKEN

    async def _no_events(self, _request: Request, _caller: Caller, topics: str) -> Answer:
        """Answer HEAD, which begins no stream."""
        del topics
        return HTTPStatus.OK, {}

    def _stream(self, request: Request, text: str) -> None:
        topics = [each for each in text.split(",") if each]
        wrong = [each for each in topics if each not in TOPICS and not _SUBSTREAMS.fullmatch(each)]
        if wrong or not 0 < len(topics) <= MAX_TOPICS:
            allowed = f"{', '.join(TOPICS)}, {SUBSTREAMS}ID; at most {MAX_TOPICS}"
            raise ArgumentError(f"topics={text!r:.60}: expected {allowed}")
        session = self._access.session(request)
        request.setHeader(b"cache-control", b"no-store")
        self._streams.open(
            request, topics, lambda: session is None or self._access.is_open(session)
        )


def _answer_to(error: Exception) -> Answer:
    """Return the answer to one of the errors of STATUSES."""
    status, code = STATUSES[type(error)]
    return failed(status, code, TEXTS.get(type(error)) or str(error))
