"""Answers an operator's questions, and follows the operator's commands, in one process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from inspect import signature
from typing import Any, ClassVar, Final
from typing import Protocol as Interface

from streamplex.conversation import Reason, Refused
from tessel_proxy.operations.history import History
from tessel_proxy.operations.inventory import Inventory, Row
from tessel_proxy.operations.refusing import covers
from tessel_proxy.operations.rules import Rule
from tessel_proxy.operations.watching import Watching
from tessel_proxy.records.ends import TunnelOutcome

REBALANCE_SPREAD_MS: Final = 5000
"""Milliseconds over which devices that are asked to reconnect elsewhere come back."""


class Answers(Interface):
    """An interface to one or several processes that answer questions: each gives its own part."""

    async def ask(self, method: str, arguments: Mapping[str, Any]) -> Parts:
        """Return the answers of all processes. Does not fail."""


class Parts:
    """The answers of several processes, and which have not answered in time."""

    def __init__(self, answers: Mapping[str, Any], missing: Sequence[str] = ()) -> None:
        self.answers = answers
        self.missing = list(missing)

    @property
    def found(self) -> list[Any]:
        """The answers that are not None."""
        return [each for each in self.answers.values() if each is not None]


class ProcessOperations:
    """The questions and commands by their names."""

    def __init__(
        self,
        inventory: Inventory,
        history: History,
        obstacles: Callable[[], Sequence[str]],
        drain: Callable[[], None],
        jitter: Callable[[], float],
    ) -> None:
        """`obstacles`: why the process is not ready; `drain` begins to stop it.

        `jitter` returns numbers from 0 to 1.
        """
        self._inventory = inventory
        self._watching = Watching(inventory)
        self._history_kept = history
        self._obstacles = obstacles
        self._drain = drain
        self._jitter = jitter

    def answer(self, method: str, arguments: Mapping[str, Any]) -> Any:
        """Return the part of this process; raises KeyError for an unknown method."""
        return self.METHODS[method](self, **arguments)

    async def ask(self, method: str, arguments: Mapping[str, Any]) -> Parts:
        """Return the part of this process alone. See Answers."""
        return Parts({self._inventory.process.member: self.answer(method, arguments)})

    def _tunnels(
        self,
        *,
        account: str | None,
        device: str | None,
        address: str | None,
        limit: int,
        after: str,
        each: Mapping[str, int] | None = None,
    ) -> dict[str, Any]:
        """Return rows after a tunnel, and how many there are in all and after it.

        There are `limit` + 1 of them at most, none if it is 0; with `each`, as many as it has for
        this process.
        """
        prefix = self._inventory.process.prefix
        selected = self._inventory.selected(account, device, address)
        before, _, number = after.rpartition("-")
        if before > prefix:
            rest = []
        elif before == prefix:
            rest = [one for one in selected if one.record.tunnel > int(number)]
        else:
            rest = selected
        most = (
            (limit + 1 if limit else 0)
            if each is None
            else each.get(self._inventory.process.member, 0)
        )
        rows = self._inventory.rows(rest[:most]) if most else []
        return {"total": len(selected), "left": len(rest), "rows": rows}

    def _tunnel(self, tunnel_id: str) -> Row | None:
        found = self._inventory.find(tunnel_id)
        if found is None:
            return None
        (row,) = self._inventory.rows([found])
        return row | {"open": self._inventory.substreams_of(found.record)}

    def _end_tunnel(self, tunnel_id: str, reason: str) -> int | None:
        found = self._inventory.find(tunnel_id)
        if found is None:
            return None
        found.dismiss(Refused(Reason.ENDED, True, reason), TunnelOutcome.ENDED_BY_OPERATOR)
        return 1

    def _status(self) -> Row:
        obstacles = list(self._obstacles())
        return self._inventory.status(obstacles, draining="draining" in " ".join(obstacles))

    def _accounts(self, limit: int, after: str) -> dict[str, Any]:
        return self._inventory.accounts(limit, after)

    def _history(self) -> dict[str, Any]:
        return self._history_kept.shown()

    @wraps(Watching.look)  # `is_known` compares questions with its parameters
    def _look(self, **question: Any) -> dict[str, Any] | None:
        return self._watching.look(**question)

    def _rebalance(
        self,
        member: str | None,
        tunnels: int | None,
        share: float | None,
        each: Mapping[str, int] | None = None,
    ) -> int:
        """Ask devices to reconnect; return how many were asked.

        `each`: how many each process asks; without it, all ask `tunnels` or a `share` of theirs.
        """
        name = self._inventory.process.member
        if member not in (None, name):
            return 0
        able = [one for one in self._inventory.tunnels.all if one.owner is not None]
        wanted = len(able) if tunnels is None else tunnels
        if share is not None:
            wanted = round(len(able) * share)
        if each is not None:
            wanted = each.get(name, 0)
        asked = 0
        for tunnel in able:
            if asked >= wanted:
                break
            asked += tunnel.ask_to_move(round(self._jitter() * REBALANCE_SPREAD_MS))
        return asked

    def _covered(self, rule: dict[str, Any]) -> int:
        """Return how many open tunnels a rule refuses."""
        found = Rule.from_json(rule)
        return sum(covers(found, each) for each in self._inventory.tunnels.all)

    def _begin_to_drain(self, member: str | None) -> bool:
        if member not in (None, self._inventory.process.member):
            return False
        self._drain()
        return True

    METHODS: ClassVar[Mapping[str, Callable[..., Any]]] = {
        "tunnels": _tunnels,
        "tunnel": _tunnel,
        "end_tunnel": _end_tunnel,
        "accounts": _accounts,
        "proxies": _status,
        "history": _history,
        "look": _look,
        "rebalance": _rebalance,
        "drain": _begin_to_drain,
        "covered": _covered,
    }
    """What can be asked, by its name."""


COMMANDS: Final = frozenset({"end_tunnel", "rebalance", "drain"})
"""The questions that change something: nobody may act on one long after it was asked."""


def is_known(method: str, arguments: Mapping[str, Any]) -> bool:
    """Return whether this version can answer a question: one of a later version may be new."""
    found = ProcessOperations.METHODS.get(method)
    if found is None:
        return False
    try:
        signature(found).bind(None, **arguments)
    except TypeError:
        return False
    return True
