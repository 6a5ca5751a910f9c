"""Questions of the operator to all hosts of a fleet: who is asked what, and the answers as bytes.

A host is a supervisor with its workers, or a process without workers. Its name is the first part of
its members' names.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, Final, TypeAlias
from typing import Protocol as Interface

from twisted.internet.defer import Deferred

from tessel_proxy.fleet.wire import dumped
from tessel_proxy.operations import merging
from tessel_proxy.operations.inventory import prefix_of
from tessel_proxy.operations.process import Answers, Parts

MAX_ROWS: Final = 20_000
"""Rows of accounts, and changes of tunnels in a second, that all hosts together may send for one
question: some MiB of JSON, which the asker reads host by host."""

LEAST_ROWS: Final = 20
"""Rows of each host or process, however many there are."""

MAX_PLAIN_BYTES: Final = 64 * 1024 * 1024
"""Bytes of one answer when it is not compressed any more. One has some hundred KiB."""

Arguments: TypeAlias = Mapping[str, Any]
AnswerQuestion: TypeAlias = Callable[[str, Arguments], Awaitable[Parts]]


class HostQuestions(Interface):
    """Carries questions to other hosts, and their answers back."""

    def serve(self, host: str, answer: AnswerQuestion) -> None:
        """Answer the questions of others with `answer` from now on, as `host`."""

    @property
    def members(self) -> Mapping[str, Sequence[str]]:
        """The members of each host that lives, as the engine last said."""

    async def ask(
        self, method: str, arguments: Arguments, hosts: Collection[str] | None = None
    ) -> Parts:
        """Return the answers of other hosts, within a second or so; None: of all. Does not fail."""


def host_of(member: str) -> str:
    """Return the name of a member's host."""
    return member.partition("/")[0]


def packed(parts: Parts) -> bytes:
    """Return answers as compressed JSON."""
    return zlib.compress(dumped([parts.answers, parts.missing]), 1)


def unpacked(data: bytes) -> Parts:
    """Return the answers that `packed` has made bytes of; raises ValueError for anything else."""
    inflating = zlib.decompressobj()
    try:
        plain = inflating.decompress(data, MAX_PLAIN_BYTES)
        found = json.loads(plain) if inflating.eof else None
    except (zlib.error, RecursionError) as error:
        raise ValueError(str(error)) from error
    match found:
        case [dict(answers), list(missing)]:
            return Parts(answers, missing)
        case _:
            raise ValueError(f"expected answers and missing, not {plain[:60]!r}")


class FleetAnswers:
    """Answers by all hosts that share an engine; see Answers.

    Asked alone, a host sends nothing. A page of tunnels takes two questions: how many each process
    has, and then the rows of those whose rows are on the page.
    """

    def __init__(self, own: Answers, host: str, questions: HostQuestions) -> None:
        """`own`: this host's answers; `host`: its name."""
        self._own = own
        self._host = host
        self._questions = questions
        questions.serve(host, self._answer)

    async def ask(self, method: str, arguments: Arguments) -> Parts:
        """Return the answers of all processes of all hosts. Does not fail."""
        hosts = self._questions.members
        if not hosts.keys() - {self._host}:
            return await self._own.ask(method, arguments)
        if method == "tunnels" and arguments["limit"]:
            return await self._page(arguments)
        if method == "accounts":
            most = max(LEAST_ROWS, MAX_ROWS // len(hosts))
            arguments = {**arguments, "limit": min(arguments["limit"], most)}
        if method == "look":
            processes = sum(map(len, hosts.values()))
            arguments = {**arguments, "most": max(LEAST_ROWS, MAX_ROWS // processes)}
        return await self._ask(method, arguments, self._concerned(method, arguments))

    def _concerned(self, method: str, arguments: Arguments) -> Collection[str] | None:
        """Return the hosts that a question is for; None: all."""
        if arguments.get("each") is not None:
            return {host_of(member) for member in arguments["each"]}
        if method in ("rebalance", "drain") and arguments["member"] is not None:
            return {host_of(arguments["member"])}
        if method in ("tunnel", "end_tunnel"):
            prefix = arguments["tunnel_id"].partition("-")[0]
            members = self._questions.members
            found = {host for host, names in members.items() if prefix in map(prefix_of, names)}
            return found or None  # a process that has just begun may have it
        return None

    async def _page(self, arguments: Arguments) -> Parts:
        counted = await self._ask("tunnels", {**arguments, "limit": 0}, None)
        members = sorted(counted.answers, key=prefix_of)  # the order of ids
        left = {member: counted.answers[member]["left"] for member in members}
        each = merging.rows_of_each(left, arguments["limit"] + 1)
        if not each:
            return counted
        hosts = {host_of(member) for member in each}
        page = await self._ask("tunnels", {**arguments, "each": each}, hosts)
        rows = {member: part["rows"] for member, part in page.answers.items()}
        return Parts(
            {
                member: {**part, "rows": rows.get(member, [])}
                for member, part in counted.answers.items()
            },
            sorted({*counted.missing, *page.missing}),
        )

    async def _ask(self, method: str, arguments: Arguments, hosts: Collection[str] | None) -> Parts:
        """Ask this host and others at the same time."""
        wanted = None if hosts is None else set(hosts) - {self._host}
        asking = None
        if wanted is None or wanted:
            asking = Deferred.fromCoroutine(self._questions.ask(method, arguments, wanted))
        own = Parts({})
        if hosts is None or self._host in hosts:
            own = await self._answer(method, arguments)
        theirs = Parts({}) if asking is None else await asking
        return Parts({**own.answers, **theirs.answers}, [*own.missing, *theirs.missing])

    async def _answer(self, method: str, arguments: Arguments) -> Parts:
        """Return the answers of this host; of accounts and history, one for all its processes."""
        each = arguments.get("each")
        if each is not None:
            own = {name: number for name, number in each.items() if host_of(name) == self._host}
            arguments = {**arguments, "each": own}
        parts = await self._own.ask(method, arguments)
        if not parts.found:
            return parts
        match method:
            case "accounts":
                joined = merging.accounts(parts.found, arguments["limit"])
            case "history":
                joined = merging.history(parts.found)
            case _:
                return parts
        return Parts({self._host: joined}, parts.missing)
