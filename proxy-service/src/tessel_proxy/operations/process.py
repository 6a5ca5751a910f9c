"""Answers an operator's questions, and follows the operator's commands, in one process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
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
    """One or several processes that answer questions: each gives its own part."""

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
        self._history = history
        self._obstacles = obstacles
        self._drain = drain
        self._jitter = jitter
        self._methods: Mapping[str, Callable[..., Any]] = {
            "tunnels": self._tunnels,
            "tunnel": self._tunnel,
            "end_tunnel": self._end_tunnel,
            "accounts": self._inventory.accounts,
            "proxies": self._status,
            "history": self._history.shown,
            "look": self._watching.look,
            "rebalance": self._rebalance,
            "drain": self._begin_to_drain,
            "covered": self._covered,
        }

    def answer(self, method: str, arguments: Mapping[str, Any]) -> Any:
        """Return the part of this process; raises KeyError for an unknown method."""
        return self._methods[method](**arguments)

    async def ask(self, method: str, arguments: Mapping[str, Any]) -> Parts:
        """Return the part of this process alone. See Answers."""
        return Parts({self._inventory.process.member: self.answer(method, arguments)})

    def _tunnels(
        self, account: str | None, device: str | None, address: str | None, limit: int, after: str
    ) -> dict[str, Any]:
        prefix = self._inventory.process.prefix
        selected = self._inventory.selected(account, device, address)
        before, _, number = after.rpartition("-")
        if before > prefix:
            rest = []
        elif before == prefix:
            rest = [each for each in selected if each.record.tunnel > int(number)]
        else:
            rest = selected
        rows = self._inventory.rows(rest[: limit + 1])
        return {"total": len(selected), "rows": rows}

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

    def _rebalance(self, member: str | None, tunnels: int | None, share: float | None) -> int:
        if member not in (None, self._inventory.process.member):
            return 0
        able = [each for each in self._inventory.tunnels.all if each.owner is not None]
        wanted = len(able) if tunnels is None else tunnels
        if share is not None:
            wanted = round(len(able) * share)
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
