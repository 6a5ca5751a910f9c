"""A request -> its resource of the table, and the arguments."""

from __future__ import annotations

import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from twisted.internet.address import UNIXAddress
from twisted.web.server import Request

from tessel_proxy.monitoring.api.routes import ROUTES, Route
from tessel_proxy.operations.requests import ArgumentError


def segments_of(request: Request) -> list[str]:
    """Return the parts of the path below /api/, which Twisted has unquoted."""
    return [each.decode("utf-8", "replace") for each in request.postpath or ()]


def route_of(
    request: Request, segments: Sequence[str]
) -> tuple[Route, dict[str, str]] | HTTPStatus:
    """Return the resource of a request and the arguments in its path, or why there is none.

    With 405, the header `allow` of the answer is set.
    """
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
    if not at_path:
        return HTTPStatus.NOT_FOUND
    request.setHeader(b"allow", ", ".join(route.method for route, _ in at_path).encode())
    return HTTPStatus.METHOD_NOT_ALLOWED


def query_of(request: Request, route: Route) -> dict[str, Any]:
    """Return the arguments in the query; raises ArgumentError."""
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


def body_of(request: Request, route: Route) -> dict[str, Any]:
    """Return the arguments in the body; raises ArgumentError."""
    if not route.body:
        return {}
    given = object_of(request)
    known = {each.name: each for each in route.body}
    for name in given:
        if name not in known:
            raise ArgumentError(f"{name!r:.60} in the body; expected: {', '.join(known)}")
    return {name: field.value(given.get(name)) for name, field in known.items()}


def object_of(request: Request) -> dict[str, Any]:
    """Return the JSON object in the body; an empty body is an empty one. Raises ArgumentError."""
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
