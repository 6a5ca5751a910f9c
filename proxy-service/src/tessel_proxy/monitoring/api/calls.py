"""The resources of the API, by the names that the table gives them."""

from __future__ import annotations

import json
from http import HTTPStatus
from importlib.metadata import version
from importlib.resources import files
from typing import Any, Final

from twisted.web.server import Request

from tessel_proxy.explanations import paragraph
from tessel_proxy.monitoring.api.access import Caller
from tessel_proxy.monitoring.api.desk import Desk, NotThereError
from tessel_proxy.monitoring.api.document import openapi
from tessel_proxy.monitoring.api.routes import TUNNEL_ID
from tessel_proxy.monitoring.api.writing import Answer, failed
from tessel_proxy.operations.requests import ArgumentError, rule_from_request, usage_question
from tessel_proxy.records.error_codes import ErrorCode

SHOWN_OF_ID: Final = 60


class Calls:
    """The resources of the API, except the log-in and the streams of events."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        schemas = json.loads(files(__package__).joinpath("schemas.json").read_text("utf-8"))
        self._document = openapi(schemas, version("tessel-proxy"))

    async def tunnels(self, _request: Request, _caller: Caller, **asked: Any) -> Answer:
        """Return a page of tunnels."""
        return HTTPStatus.OK, await self._desk.tunnels(**asked)

    async def tunnel(self, _request: Request, _caller: Caller, tunnel_id: str) -> Answer:
        """Return a tunnel with its open substreams."""
        _check_id(tunnel_id)
        return HTTPStatus.OK, await self._desk.tunnel(tunnel_id)

    async def end_tunnel(
        self,
        _request: Request,
        _caller: Caller,
        tunnel_id: str,
        reason: str,
    ) -> Answer:
        """End a tunnel."""
        _check_id(tunnel_id)
        return HTTPStatus.OK, await self._desk.end_tunnel(tunnel_id, reason)

    async def end(self, _request: Request, _caller: Caller, **asked: Any) -> Answer:
        """End the tunnels of an account or a device."""
        return HTTPStatus.OK, await self._desk.end(**asked)

    async def check_tokens(self, _request: Request, _caller: Caller, **asked: Any) -> Answer:
        """Let all processes check tokens again."""
        return HTTPStatus.OK, await self._desk.check_tokens(**asked)

    async def accounts(self, _request: Request, _caller: Caller, **asked: Any) -> Answer:
        """Return a page of accounts."""
        return HTTPStatus.OK, await self._desk.accounts(**asked)

    async def proxies(self, _request: Request, _caller: Caller) -> Answer:
        """Return the processes."""
        return HTTPStatus.OK, await self._desk.proxies()

    async def refused(self, _request: Request, _caller: Caller) -> Answer:
        """Return the rules."""
        return HTTPStatus.OK, {"refused": self._desk.refused()}

    async def refuse(self, _request: Request, caller: Caller, **asked: Any) -> Answer:
        """Add a rule."""
        given = {name: value for name, value in asked.items() if value is not None}
        rule = rule_from_request(given, caller.by, self._desk.now())
        return HTTPStatus.OK, await self._desk.refuse(rule)

    async def allow(self, _request: Request, _caller: Caller, rule_id: str) -> Answer:
        """Remove a rule."""
        return HTTPStatus.OK, await self._desk.allow(rule_id)

    async def rebalance(self, _request: Request, _caller: Caller, **asked: Any) -> Answer:
        """Ask devices to reconnect."""
        if (asked["tunnels"] is None) == (asked["share"] is None):
            raise ArgumentError("expected either tunnels, or share")
        return HTTPStatus.OK, await self._desk.rebalance(**asked)

    async def drain(self, _request: Request, _caller: Caller, member: str | None) -> Answer:
        """Stop, as SIGTERM does."""
        return HTTPStatus.OK, await self._desk.drain(member)

    async def upgrade(self, _request: Request, _caller: Caller) -> Answer:
        """Start workers of the installed code."""
        why = await self._desk.upgrade()
        if why is None:
            return HTTPStatus.OK, {"upgraded": True}
        return failed(HTTPStatus.CONFLICT, "not_upgraded", why)

    async def usage(self, _request: Request, _caller: Caller, **asked: Any) -> Answer:
        """Return rows of usage."""
        given = {name: str(value) for name, value in asked.items() if value}
        question = usage_question(given, self._desk.now())
        return HTTPStatus.OK, await self._desk.usage(question)

    async def history(self, _request: Request, _caller: Caller) -> Answer:
        """Return the last hour."""
        return HTTPStatus.OK, await self._desk.history()

    async def error(self, _request: Request, _caller: Caller, number: str) -> Answer:
        """Return the paragraph of an error number."""
        if number not in {each.value for each in ErrorCode}:
            raise NotThereError(f"there is no error {number}")
        return HTTPStatus.OK, paragraph(ErrorCode(number)).as_json()

    async def openapi(self, _request: Request, _caller: Caller) -> Answer:
        """Return the document."""
        return HTTPStatus.OK, self._document


def _check_id(tunnel_id: str) -> None:
    """Raise NotThereError for a text that is not the id of any tunnel: no process is asked."""
    if TUNNEL_ID.fullmatch(tunnel_id) is None:
        raise NotThereError(f"no tunnel {tunnel_id:.{SHOWN_OF_ID}} is open")
