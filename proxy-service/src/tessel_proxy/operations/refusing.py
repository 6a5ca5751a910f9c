"""The operator's rules in a process that serves devices: who may connect, whose tunnels end."""

from __future__ import annotations

from collections.abc import Sequence

from streamplex.conversation import Reason, Refused
from tessel_proxy.front.networks import plain_address
from tessel_proxy.operations.refusal_list import RefusalList
from tessel_proxy.operations.rules import Rule
from tessel_proxy.records.ends import TunnelOutcome
from tessel_proxy.records.peers import host_of_peer
from tessel_proxy.tunnel.shared_state import OpenTunnel, TunnelRegistry
from tessel_service_kit.clocks import WallTime


class Refusing:
    """Refuses new tunnels by the rules, and ends open ones when a rule is added.

    It is the `refusals` of the tunnels.
    """

    def __init__(self, tunnels: TunnelRegistry, wall_time: WallTime) -> None:
        """`wall_time` returns seconds since 1970: rules end by the calendar."""
        self._tunnels = tunnels
        self._wall_time = wall_time
        self._rules = RefusalList()
        self._ended: dict[str, int] = {}  # tunnels that a rule has ended, by its id

    def of_owner(self, account: str, device: str | None) -> Refused | None:
        """Return the answer to a device that is refused; None: it may connect."""
        now = self._wall_time()
        rule = self._rules.of_owner(account, device, now)
        return None if rule is None else answer_of(rule, now)

    def of_address(self, host: str) -> bool:
        """Return whether an address may not connect."""
        return self._rules.of_address(host, self._wall_time()) is not None

    def rules(self) -> Sequence[Rule]:
        """Return the rules in force, ordered by id."""
        self._drop_ended(self._wall_time())
        return self._rules.rules()

    def add(self, rule: Rule) -> int:
        """Add a rule, and end the tunnels that it covers; return how many these are.

        A rule that has ended only replaces an earlier one for the same subject.
        """
        now = self._wall_time()
        self._drop_ended(now)
        if rule.is_over(now):
            self.remove(rule.id)
            return 0
        self._rules.add(rule)
        covered = [each for each in self._tunnels.all if covers(rule, each)]
        for tunnel in covered:
            tunnel.dismiss(answer_of(rule, now), TunnelOutcome.REFUSED_BY_OPERATOR)
        self._ended[rule.id] = len(covered)
        return len(covered)

    def ended_by(self, rule_id: str) -> int:
        """Return how many tunnels the rule ended when it was added; 0: it is not in force."""
        return self._ended.get(rule_id, 0)

    def remove(self, rule_id: str) -> None:
        """Remove a rule; devices that it covers may connect again."""
        self._rules.remove(rule_id)
        self._ended.pop(rule_id, None)

    def _drop_ended(self, now: float) -> None:
        for rule in self._rules.drop_ended(now):
            self._ended.pop(rule.id, None)

    def replace(self, rules: Sequence[Rule]) -> None:
        """Use these rules instead of all others."""
        ids = {each.id for each in rules}
        for rule in self._rules.rules():
            if rule.id not in ids:
                self.remove(rule.id)
        for rule in rules:
            if self._rules.get(rule.id) != rule:
                self.add(rule)


def answer_of(rule: Rule, now: float) -> Refused:
    """Return the answer to a device that the rule refuses; `now`: seconds since 1970."""
    after_ms = None if rule.until_at is None else max(0, round((rule.until_at - now) * 1000))
    return Refused(Reason.REFUSED, rule.until_at is not None, rule.reason, after_ms)


def covers(rule: Rule, tunnel: OpenTunnel) -> bool:
    """Return whether the rule refuses this tunnel: its address, or its account and device."""
    network, owner = rule.network, tunnel.owner
    if network is None:
        return owner is not None and rule.covers(owner.account, owner.name or None)
    try:
        return plain_address(host_of_peer(tunnel.peer)) in network
    except ValueError:
        return False  # a peer without an address, as in tests
