"""The table of the API's resources, with what each takes and returns.

The code reads arguments by this table, and the OpenAPI document is made of it: it cannot promise
what the code does not do.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from streamplex.conversation import MAX_MESSAGE_CHARACTERS
from tessel_proxy.monitoring.api.fields import Field

PREFIX: Final = "/api/v1/"
TUNNEL_ID: Final = re.compile(r"[0-9a-f]{8}-[0-9]{1,20}")
"""A process and a number. Other texts could exceed the 64 KiB of a question to workers."""

MAX_LIMIT: Final = 1000
"""Rows of one page of tunnels and accounts."""


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
    meaning="sent to the device, if it knows message/1",
    required=True,
    highest=MAX_MESSAGE_CHARACTERS,
)
LIMIT: Final = Field("limit", "integer", "rows of this page", 100, lowest=1, highest=MAX_LIMIT)
ACCOUNT: Final = Field("account", meaning="name of an account")
DEVICE: Final = Field("device", meaning="name of a device (device/1)")
MEMBER: Final = Field("member", meaning="name of one process; null: all")
DAY: Final = Field("day", pattern="[0-9]{4}-[0-9]{2}-[0-9]{2}", called="a day, as 2026-01-31")
AFTER: Final = Field("after", meaning="`next` of the page before", default="")

ROUTES: Final = (
    Route(
        "GET",
        "tunnels",
        "tunnels",
        "open tunnels, in pages, ordered by id",
        "Tunnels",
        (
            ACCOUNT,
            DEVICE,
            Field("address", meaning="IP address of a device"),
            LIMIT,
            replace(AFTER, pattern=TUNNEL_ID.pattern, called="the id of a tunnel"),
        ),
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
            Field("tunnels", "integer", "of all processes together", lowest=1, highest=1_000_000),
            Field("share", "number", "of the tunnels of each process", lowest=0, highest=1),
        ),
    ),
    Route("POST", "drain", "drain", "stop hosts, as SIGTERM does", "Draining", body=(MEMBER,)),
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
            replace(DAY, name="from", meaning="first day, YYYY-MM-DD; the oldest that is kept"),
            replace(DAY, name="to", meaning="last day, YYYY-MM-DD; today"),
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
