"""Answers of the API as JSON."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from twisted.web.server import NOT_DONE_YET, Request

Answer = tuple[HTTPStatus, Any]


def failed(status: HTTPStatus, code: str, text: str) -> Answer:
    """Return the answer to a request that was not followed; `text` says why."""
    return status, {"error": {"code": code, "message": text}}


def finish(request: Request, answer: Answer) -> int:
    """Send an answer, unless the peer has gone; return what `render` returns then."""
    if request.finished or request._disconnected:  # noqa: SLF001 -- Twisted has no other way to ask
        return NOT_DONE_YET
    status, value = answer
    body = json.dumps(value, separators=(",", ":")).encode()
    request.setResponseCode(status.value, status.phrase.encode())
    request.setHeader(b"content-type", b"application/json")
    request.setHeader(b"cache-control", b"no-store")
    request.setHeader(b"x-content-type-options", b"nosniff")
    request.setHeader(b"content-length", str(len(body)).encode())
    request.write(body)  # HEAD: Twisted sends the headers alone
    request.finish()
    return NOT_DONE_YET
