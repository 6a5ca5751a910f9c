"""The resources below /api/: access, arguments, answers, and the audit of commands."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from importlib.metadata import version
from importlib.resources import files
from typing import Any, Final, cast
from urllib.parse import unquote

from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from tessel_proxy.explanations import paragraph
from tessel_proxy.fleet.engine import EngineError
from tessel_proxy.monitoring.api.access import (
    COOKIE,
    Access,
    Caller,
    ForgedError,
    Session,
    TooManyTriesError,
    has_own_origin,
)
from tessel_proxy.monitoring.api.desk import Desk, NotAnsweredError, NotThereError
from tessel_proxy.monitoring.api.events import (
    RETRY_AFTER_S,
    SUBSTREAMS,
    TOPICS,
    EventStreams,
    TooManyWatchersError,
)
from tessel_proxy.monitoring.api.routes import ROUTES, Route, openapi
from tessel_proxy.operations import (
    RefusalsError,
    TooManyRulesError,
    UsageError,
)
from tessel_proxy.operations.requests import ArgumentError, rule_from_request, usage_question
from tessel_proxy.records.error_codes import ErrorCode

TRY_AGAIN_S: Final = 60
MAX_TOPICS: Final = 16
"""Topics of one stream; more cannot be looked at by one person."""

Answer = tuple[HTTPStatus, Any]

SHOWN_OF_ID: Final = 60
TUNNEL_ID: Final = re.compile(r"[0-9a-f]{8}-[0-9]{1,20}")
"""A process and a number. Other texts could exceed the 64 KiB of a question to workers."""

_SUBSTREAMS: Final = re.compile(SUBSTREAMS + TUNNEL_ID.pattern)

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
    ) -> None:
        """`nothing_there` answers as for every unknown path of the port."""
        super().__init__()  # type: ignore[no-untyped-call] # Twisted's has no types
        self._desk = desk
        self._access = access
        self._streams = events
        self._nothing_there = nothing_there
        schemas = json.loads(files(__package__).joinpath("schemas.json").read_text("utf-8"))
        self._document = openapi(schemas, version("tessel-proxy"))

    def render(self, request: Request) -> bytes | int:
        """Called with each request."""
        segments = [unquote(each.decode("latin-1")) for each in request.postpath or ()]
        if segments[:2] == ["v1", "session"] and request.method == b"POST":
            return self._log_in(request)
        try:
            caller = self._access.caller(request)
        except ForgedError:
            return self._forged(request)
        if caller is None or segments[:1] != ["v1"]:
            return self._nothing_there(request)
        found = _route(request, segments[1:])
        if isinstance(found, HTTPStatus):
            return _error(request, found, found.phrase.lower().replace(" ", "_"), found.phrase)
        return self._called(request, caller, *found)

    def _forged(self, request: Request) -> bytes:
        self._log.warn(
            "a command that the page has not sent was refused",
            event="audit",
            by="session",
            command="forged",
            address=_address(request),
            status=HTTPStatus.FORBIDDEN.value,
        )
        text = "this command was not sent by the page: its X-Tessel-CSRF or its origin is wrong"
        return _error(request, HTTPStatus.FORBIDDEN, "forged", text)

    # --- calls

    def _called(
        self, request: Request, caller: Caller, route: Route, in_path: dict[str, str]
    ) -> int:
        done = Deferred.fromCoroutine(self._answer(request, caller, route, in_path))
        left: Deferred[Any] = request.notifyFinish()
        left.addErrback(lambda _: None)  # an answer that nobody waits for is dropped
        done.addErrback(self._broken, request)
        return NOT_DONE_YET

    async def _answer(
        self, request: Request, caller: Caller, route: Route, in_path: dict[str, str]
    ) -> None:
        arguments: dict[str, Any] = {}
        try:
            arguments = in_path | _query(request, route) | _body(request, route)
            if route.call == "events" and request.method != b"HEAD":
                self._stream(request, arguments["topics"])
                return
            call = cast("Callable[..., Awaitable[Answer]]", getattr(self, f"_{route.call}"))
            status, value = await call(request, caller, **arguments)
        except tuple(STATUSES) as error:
            status, code = STATUSES[type(error)]
            text = TEXTS.get(type(error)) or str(error)
            value = {"error": {"code": code, "message": text}}
            if status is HTTPStatus.SERVICE_UNAVAILABLE:
                request.setHeader(b"retry-after", str(RETRY_AFTER_S).encode())
        if route.is_command:
            self._audit(caller, route, arguments, (status, value))
        _finish(request, status, value)

    def _broken(self, failure: Failure, request: Request) -> None:
        self._log.failure(
            "a request to the API failed", failure=failure, error=ErrorCode.INTERNAL_ERROR.value
        )
        text = "internal error of the proxy; its log has a traceback"
        value = {"error": {"code": "internal", "message": text}}
        _finish(request, HTTPStatus.INTERNAL_SERVER_ERROR, value)

    def _audit(
        self,
        caller: Caller,
        route: Route,
        arguments: dict[str, Any],
        answer: Answer,
    ) -> None:
        status, value = answer
        reason = arguments.get("reason", "")
        others = {name: each for name, each in arguments.items() if name != "reason"}
        self._log.info(
            "{by} {command} {log_arguments}: {log_result}; {reason}",
            event="audit",
            by=caller.by,
            address=caller.address,
            command=route.call,
            arguments=others,
            reason=reason,
            result=value if status is HTTPStatus.OK else value["error"],
            status=status.value,
            log_arguments=json.dumps(others),
            log_result=status.phrase,
        )

    # --- the resources, by their names in the table

    async def _tunnels(self, _request: Request, _caller: Caller, **asked: Any) -> Answer:
        after = asked["after"]
        if after and TUNNEL_ID.fullmatch(after) is None:
            raise ArgumentError(f"after={after!r:.60}: expected the id of a tunnel")
        return HTTPStatus.OK, await self._desk.tunnels(**asked)

    async def _tunnel(self, _request: Request, _caller: Caller, tunnel_id: str) -> Answer:
        _check_id(tunnel_id)
        return HTTPStatus.OK, await self._desk.tunnel(tunnel_id)

    async def _end_tunnel(
        self,
        _request: Request,
        _caller: Caller,
        tunnel_id: str,
        reason: str,
    ) -> Answer:
        _check_id(tunnel_id)
        return HTTPStatus.OK, await self._desk.end_tunnel(tunnel_id, reason)

    async def _end(self, _request: Request, _caller: Caller, **asked: Any) -> Answer:
        return HTTPStatus.OK, await self._desk.end(**asked)

    async def _check_tokens(self, _request: Request, _caller: Caller, **asked: Any) -> Answer:
        return HTTPStatus.OK, await self._desk.check_tokens(**asked)

    async def _accounts(self, _request: Request, _caller: Caller, **asked: Any) -> Answer:
        return HTTPStatus.OK, await self._desk.accounts(**asked)

    async def _proxies(self, _request: Request, _caller: Caller) -> Answer:
        return HTTPStatus.OK, await self._desk.proxies()

    async def _refused(self, _request: Request, _caller: Caller) -> Answer:
        return HTTPStatus.OK, {"refused": self._desk.refused()}

    async def _refuse(self, _request: Request, caller: Caller, **asked: Any) -> Answer:
        given = {name: value for name, value in asked.items() if value is not None}
        rule = rule_from_request(given, caller.by, self._desk.now())
        return HTTPStatus.OK, await self._desk.refuse(rule)

    async def _allow(self, _request: Request, _caller: Caller, rule_id: str) -> Answer:
        return HTTPStatus.OK, await self._desk.allow(rule_id)

    async def _rebalance(self, _request: Request, _caller: Caller, **asked: Any) -> Answer:
        if (asked["tunnels"] is None) == (asked["share"] is None):
            raise ArgumentError("expected either tunnels, or share")
        return HTTPStatus.OK, await self._desk.rebalance(**asked)

    async def _drain(self, _request: Request, _caller: Caller, member: str | None) -> Answer:
        return HTTPStatus.OK, await self._desk.drain(member)

    async def _upgrade(self, _request: Request, _caller: Caller) -> Answer:
        why = await self._desk.upgrade()
        if why is None:
            return HTTPStatus.OK, {"upgraded": True}
        return HTTPStatus.CONFLICT, {"error": {"code": "not_upgraded", "message": why}}

    async def _usage(self, _request: Request, _caller: Caller, **asked: Any) -> Answer:
        given = {name: str(value) for name, value in asked.items() if value}
        question = usage_question(given, self._desk.now())
        return HTTPStatus.OK, await self._desk.usage(question)

    async def _history(self, _request: Request, _caller: Caller) -> Answer:
        return HTTPStatus.OK, await self._desk.history()

    async def _error(self, _request: Request, _caller: Caller, number: str) -> Answer:
        if number not in {each.value for each in ErrorCode}:
            raise NotThereError(f"there is no error {number}")
        return HTTPStatus.OK, paragraph(ErrorCode(number)).as_json()

    async def _openapi(self, _request: Request, _caller: Caller) -> Answer:
        return HTTPStatus.OK, self._document

    async def _session(self, request: Request, _caller: Caller) -> Answer:
        session = self._access.session(request)
        if session is None:
            raise NotThereError("this request has no session of the page")
        return HTTPStatus.OK, _shown(session)

    async def _log_out(self, request: Request, _caller: Caller) -> Answer:
        session = self._access.session(request)
        if session is not None:
            self._access.log_out(session)
        request.setHeader(b"set-cookie", f"{COOKIE}=; Path=/; Max-Age=0".encode())
        return HTTPStatus.OK, {}

    async def _events(self, _request: Request, _caller: Caller, topics: str) -> Answer:
        """Answer HEAD, which begins no stream."""
        del topics
        return HTTPStatus.OK, {}

    # --- the log-in, and events

    def _log_in(self, request: Request) -> bytes:
        if not self._access.has_token:
            return self._nothing_there(request)
        if not has_own_origin(request):  # another site would use up the operator's tries
            return self._forged(request)
        try:
            given = _object(request).get("token")
            opened = self._access.log_in(request, given if isinstance(given, str) else "")
        except ArgumentError as error:
            return _error(request, HTTPStatus.BAD_REQUEST, "bad_argument", str(error))
        except TooManyTriesError:
            request.setHeader(b"retry-after", str(TRY_AGAIN_S).encode())
            text = f"too many wrong tokens; try again in {TRY_AGAIN_S} s"
            return _error(request, HTTPStatus.TOO_MANY_REQUESTS, "too_many_tries", text)
        self._log.info(
            "log-in: {result}",
            event="audit",
            by="session",
            command="log_in",
            address=_address(request),
            result="wrong token" if opened is None else "OK",
        )
        if opened is None:
            return _error(request, HTTPStatus.FORBIDDEN, "wrong_token", "this is not the token")
        name, session = opened
        cookie = f"{COOKIE}={name}; HttpOnly; SameSite=Strict; Path=/"
        request.setHeader(b"set-cookie", cookie.encode())
        return _written(request, HTTPStatus.OK, _shown(session))

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


def _check_id(tunnel_id: str) -> None:
    """Raise NotThereError for a text that is not the id of any tunnel: no process is asked."""
    if TUNNEL_ID.fullmatch(tunnel_id) is None:
        raise NotThereError(f"no tunnel {tunnel_id:.{SHOWN_OF_ID}} is open")


def _route(request: Request, segments: list[str]) -> tuple[Route, dict[str, str]] | HTTPStatus:
    """Return the resource of a request, and the arguments in its path."""
    is_local = isinstance(request.getClientAddress(), UNIXAddress)
    method = "GET" if request.method == b"HEAD" else request.method.decode("latin-1")
    at_path = [
        (route, found)
        for route in ROUTES
        if (found := route.arguments(segments)) is not None and (is_local or not route.is_local)
    ]
    for route, found in at_path:
        if route.method == method:
            return route, found
    return HTTPStatus.METHOD_NOT_ALLOWED if at_path else HTTPStatus.NOT_FOUND


def _query(request: Request, route: Route) -> dict[str, Any]:
    given = {
        name.decode("utf-8", "replace"): [each.decode("utf-8", "replace") for each in values]
        for name, values in (request.args or {}).items()
    }
    known = {each.name: each for each in route.query}
    for name, values in given.items():
        if name not in known or len(values) > 1:
            allowed = ", ".join(known) or "none"
            raise ArgumentError(
                f"{name!r:.60} in the query; expected each of these once: {allowed}"
            )
    return {
        name: field.parsed(given[name][0]) if name in given else field.value(None)
        for name, field in known.items()
    }


def _body(request: Request, route: Route) -> dict[str, Any]:
    if not route.body:
        return {}
    given = _object(request)
    known = {each.name: each for each in route.body}
    for name in given:
        if name not in known:
            raise ArgumentError(f"{name!r:.60} in the body; expected: {', '.join(known)}")
    return {name: field.value(given.get(name)) for name, field in known.items()}


def _object(request: Request) -> dict[str, Any]:
    data = request.content.read() if request.content else b""
    try:
        value = json.loads(data or b"{}")
    except (ValueError, RecursionError):
        raise ArgumentError("the body is not JSON; expected an object") from None
    if not isinstance(value, dict):
        raise ArgumentError(
            f"the body is {data.decode('utf-8', 'replace')!r:.60}; expected an object"
        )
    return value


def _address(request: Request) -> str:
    return getattr(request.getClientAddress(), "host", "")


def _shown(session: Session) -> dict[str, Any]:
    return {"csrf": session.csrf, "expires_at": round(session.expires_at)}


def _error(request: Request, status: HTTPStatus, code: str, text: str) -> bytes:
    return _written(request, status, {"error": {"code": code, "message": text}})


def _written(request: Request, status: HTTPStatus, value: Any) -> bytes:
    request.setResponseCode(status.value)
    request.setHeader(b"content-type", b"application/json")
    request.setHeader(b"cache-control", b"no-store")
    request.setHeader(b"x-content-type-options", b"nosniff")
    return json.dumps(value, separators=(",", ":")).encode()


def _finish(request: Request, status: HTTPStatus, value: Any) -> None:
    if request.finished or request._disconnected:  # noqa: SLF001 -- Twisted has no other way to ask
        return
    body = _written(request, status, value)
    request.setHeader(b"content-length", str(len(body)).encode())
    if request.method != b"HEAD":
        request.write(body)
    request.finish()
