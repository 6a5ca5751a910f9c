"""The table of the API's resources, with what each takes and returns; the OpenAPI document.

The code reads arguments by this table, so the document cannot promise what the code does not do.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from streamplex.conversation import MAX_MESSAGE_CHARACTERS
from tessel_proxy.operations.requests import ArgumentError

PREFIX: Final = "/api/v1/"
MAX_LIMIT: Final = 1000
"""Rows of one page of tunnels and accounts."""

MAX_TEXT: Final = 300
"""Characters of a name or an id. The longest account has 256."""

_SHOWN: Final = 60
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Field:
    """An argument. `kind`: string, integer or number. `default` None: may be missing, or null."""

    name: str
    kind: str = "string"
    meaning: str = ""
    default: Any = None
    required: bool = False
    lowest: float | None = None
    highest: float | None = None

    def value(self, given: object) -> Any:
        """Return the value of an argument in JSON; raises ArgumentError."""
        if given is None:
            if self.required:
                raise ArgumentError(f"{self.name} is missing; expected {self.expected}")
            return self.default
        if self.kind == "string":
            longest = self.highest or MAX_TEXT
            if isinstance(given, str) and 0 < len(given) <= longest and _is_text(given):
                return given
        elif not isinstance(given, bool) and isinstance(given, int | float):
            return self._number(given)
        raise ArgumentError(f"{self.name}={json.dumps(given):.{_SHOWN}}: expected {self.expected}")

    def _number(self, given: float) -> float:
        lowest = -math.inf if self.lowest is None else self.lowest
        highest = math.inf if self.highest is None else self.highest
        is_within = lowest <= given <= highest and abs(given) < math.inf  # false for NaN
        if is_within and (self.kind == "number" or given == math.floor(given)):
            return int(given) if self.kind == "integer" else given
        raise ArgumentError(f"{self.name}={given!s:.{_SHOWN}}: expected {self.expected}")

    def parsed(self, text: str) -> Any:
        """Return the value of an argument in a query; raises ArgumentError."""
        if self.kind == "string":
            return self.value(text or None)
        if _NUMBER.fullmatch(text) is None:  # float() takes other forms as well, such as 1_000
            raise ArgumentError(f"{self.name}={text!r:.{_SHOWN}}: expected {self.expected}")
        return self.value(float(text))

    @property
    def expected(self) -> str:
        """What is allowed, in words."""
        if self.kind == "string":
            return f"1 to {self.highest or MAX_TEXT:g} characters, none of them a control character"
        article = "an" if self.kind == "integer" else "a"
        if self.highest is None:
            return f"{article} {self.kind} of {self.lowest:g} or more"
        return f"{article} {self.kind} from {self.lowest:g} to {self.highest:g}"

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of the value."""
        if self.kind == "string":
            found: dict[str, Any] = {"minLength": 1, "maxLength": int(self.highest or MAX_TEXT)}
        else:
            found = {"minimum": self.lowest, "maximum": self.highest}
        limits = {name: value for name, value in found.items() if value is not None}
        return {"type": self.kind} | limits | ({"default": self.default} if self.default else {})


def _is_text(given: str) -> bool:
    """Return whether a text can be written in UTF-8, and moves no cursor where it is shown."""
    return not any(unicodedata.category(each) in ("Cc", "Cs") for each in given)


@dataclass(frozen=True, slots=True)
class Route:
    """One resource and method. `answer` names a schema of the document.

    `path` has the names of its parts in braces. `call` is a method of OperatorApi.
    """

    method: str
    path: str
    call: str
    meaning: str
    answer: str
    query: tuple[Field, ...] = ()
    body: tuple[Field, ...] = ()
    is_local: bool = False  # on CONTROL_SOCKET only

    def arguments(self, segments: Sequence[str]) -> dict[str, str] | None:
        """Return the arguments in a path, by name; None: it is the path of another resource."""
        own = self.path.split("/")
        if len(own) != len(segments):
            return None
        found = {}
        for part, given in zip(own, segments, strict=True):
            if part.startswith("{"):
                found[part.strip("{}")] = given
            elif part != given:
                return None
        return found

    @property
    def is_command(self) -> bool:
        """Whether it changes something, so that it is audited."""
        return self.method != "GET"


REASON: Final = Field(
    "reason",
    meaning="told to the device, if it knows message/1",
    required=True,
    highest=MAX_MESSAGE_CHARACTERS,
)
LIMIT: Final = Field("limit", "integer", "rows of this page", 100, lowest=1, highest=MAX_LIMIT)
ACCOUNT: Final = Field("account", meaning="name of an account")
DEVICE: Final = Field("device", meaning="name of a device (device/1)")
MEMBER: Final = Field("member", meaning="name of one process; null: all")
AFTER: Final = Field("after", meaning="`next` of the page before", default="")

ROUTES: Final = (
    Route(
        "GET",
        "tunnels",
        "tunnels",
        "open tunnels, in pages, ordered by id",
        "Tunnels",
        (ACCOUNT, DEVICE, Field("address", meaning="IP address of a device"), LIMIT, AFTER),
    ),
    Route(
        "GET", "tunnels/{tunnel_id}", "tunnel", "a tunnel with its open substreams", "TunnelAlone"
    ),
    Route("DELETE", "tunnels/{tunnel_id}", "end_tunnel", "end a tunnel", "Ended", (REASON,)),
    Route(
        "POST",
        "end",
        "end",
        "end all tunnels of an account, or of one of its devices",
        "Ended",
        body=(Field("account", required=True), DEVICE, REASON),
    ),
    Route(
        "POST",
        "check-tokens",
        "check_tokens",
        "read files of tokens again, and check the tokens of an account, or of all",
        "Spread",
        body=(ACCOUNT,),
    ),
    Route("GET", "accounts", "accounts", "accounts, ordered by name", "Accounts", (LIMIT, AFTER)),
    Route("GET", "proxies", "proxies", "the processes, and the engine", "Proxies"),
    Route("GET", "refused", "refused", "whom the operator refuses", "Refused"),
    Route(
        "POST",
        "refused",
        "refuse",
        "refuse an account, a device or an address; open tunnels of it are ended",
        "RuleAdded",
        body=(
            ACCOUNT,
            DEVICE,
            Field("address", meaning="IP address, or a network such as 192.0.2.0/24"),
            Field("for_s", "number", "seconds; without it and until_at: no end", lowest=1),
            Field("until_at", "number", "seconds since 1970", lowest=0),
            REASON,
        ),
    ),
    Route("DELETE", "refused/{rule_id}", "allow", "remove a rule", "Spread"),
    Route(
        "POST",
        "rebalance",
        "rebalance",
        "ask some devices to reconnect, elsewhere if there are several proxies",
        "Asked",
        body=(
            MEMBER,
            Field("tunnels", "integer", "of each process", lowest=1, highest=1_000_000),
            Field("share", "number", "of the tunnels of each process", lowest=0, highest=1),
        ),
    ),
    Route("POST", "drain", "drain", "stop, as SIGTERM does", "Draining", body=(MEMBER,)),
    Route(
        "POST",
        "upgrade",
        "upgrade",
        "start workers of the installed code; the former ones drain",
        "Upgraded",
        is_local=True,
    ),
    Route(
        "GET",
        "usage",
        "usage",
        "bytes, openings, tunnels and refusals by day (UTC) and account",
        "Usage",
        (
            ACCOUNT,
            Field("from", meaning="first day, YYYY-MM-DD; the oldest that is kept", highest=10),
            Field("to", meaning="last day, YYYY-MM-DD; today", highest=10),
            LIMIT,
            AFTER,
        ),
    ),
    Route("GET", "history", "history", "the last hour in steps", "History"),
    Route(
        "GET",
        "events",
        "events",
        "server-sent events of some topics: tunnels, totals, refusals, proxies, substreams:ID",
        "EventStream",
        (Field("topics", meaning="separated by commas", required=True, highest=4000),),
    ),
    Route("GET", "errors/{number}", "error", "what an error number means", "Explanation"),
    Route("GET", "openapi.json", "openapi", "this document", "Document"),
    Route(
        "POST",
        "session",
        "log_in",
        "begin a session of the page: needs no access, but the token",
        "Session",
        body=(Field("token", required=True, highest=4096),),
    ),
    Route("GET", "session", "session", "the session of the page", "Session"),
    Route("DELETE", "session", "log_out", "end the session of the page", "Nothing"),
)


def openapi(schemas: Mapping[str, Any], version: str) -> dict[str, Any]:
    """Return the OpenAPI document."""
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(PREFIX + route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "tessel-proxy",
            "version": version,
            "description": "See and steer the proxy. docs/admin-api.md explains it.",
        },
        "security": [{"token": []}, {"session": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "tessel_session"},
            },
            "schemas": dict(schemas),
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    in_path = [part.strip("{}") for part in route.path.split("/") if part.startswith("{")]
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in in_path
    ] + [
        {
            "name": each.name,
            "in": "query",
            "required": each.required,
            "description": each.meaning,
            "schema": each.schema,
        }
        for each in route.query
    ]
    operation: dict[str, Any] = {
        "operationId": route.call,
        "summary": route.meaning + ("; on CONTROL_SOCKET only" if route.is_local else ""),
        "parameters": parameters,
        "responses": {"200": _answer(route), "default": _content("Error")},
    }
    if route.body:
        operation["requestBody"] = {"content": {"application/json": {"schema": _body(route)}}}
    return operation


def _answer(route: Route) -> dict[str, Any]:
    if route.answer == "EventStream":
        return {"description": "events", "content": {"text/event-stream": {"schema": {}}}}
    return _content(route.answer)


def _content(schema: str) -> dict[str, Any]:
    reference = {"$ref": f"#/components/schemas/{schema}"}
    return {"description": schema, "content": {"application/json": {"schema": reference}}}


def _body(route: Route) -> dict[str, Any]:
    optional = {
        each.name: {"anyOf": [each.schema, {"type": "null"}], "description": each.meaning}
        for each in route.body
        if not each.required
    }
    needed = {
        each.name: each.schema | {"description": each.meaning}
        for each in route.body
        if each.required
    }
    return {
        "type": "object",
        "properties": needed | optional,
        "required": list(needed),
        "additionalProperties": False,
    }
