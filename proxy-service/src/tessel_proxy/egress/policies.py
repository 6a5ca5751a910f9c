"""The egress rules in force: those of the environment, and those of POLICY_FILE for accounts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TypeAlias

from tessel_proxy.egress import hosts
from tessel_proxy.egress.policy import Policy, RequestedTarget, RuleSet, Standing
from tessel_proxy.egress.policy_file import DEFAULT, PolicyFile, PolicyFileError, parse
from tessel_proxy.egress.rules import EgressMode
from tessel_proxy.egress.settings import EgressSettings
from tessel_proxy.files.reloadable import stamps_of
from tessel_service_kit.files import FileError, bytes_of
from tessel_service_kit.settings import ConfigError

MAX_FILE_BYTES = 1024 * 1024  # some 20,000 rules; a wrong path may name a disk

MAX_KNOWN = 1024
"""Targets that are remembered with what the rules say about them: some 1 MiB. Programs connect to
the same few again and again."""

MAX_STANDINGS = 8
"""Addresses of one target that are remembered with what the rules say about them. Most names have
one or two, and their owner chooses how many: so all targets together take 2.4 MiB at most."""

_NOTHING = PolicyFile(RuleSet(f"[{DEFAULT}]"), {})


class Standings(dict[str, Standing]):
    """What the rules alone say about each address of one target, by the address as text.

    It is worked out when an address is asked for the first time.
    """

    __slots__ = ("_policy", "_wanted")

    def __init__(self, policy: Policy, wanted: RequestedTarget) -> None:
        super().__init__()
        self._policy = policy
        self._wanted = wanted

    def __missing__(self, address: str) -> Standing:
        if len(self) >= MAX_STANDINGS:
            self.clear()
        standing = self[address] = self._policy.standing(self._wanted, ip_address(address))
        return standing


@dataclass(frozen=True, slots=True)
class KnownTarget:
    """A target as a device names it, and what its account's rules say about it.

    `refusal_of_name` is the rule that refuses it by its name alone, or None. `address` is the
    target as text if it is an address, "" for a name.
    """

    policy: Policy
    wanted: RequestedTarget
    refusal_of_name: str | None
    address: str
    standings: Standings


_Key: TypeAlias = tuple[str | None, str, int]
"""An account with rules of its own or None, a host as devices write it, and a port."""


class Policies:
    """Holds the egress rules of all accounts: those of the settings, and those of POLICY_FILE.

    They are read for each connection that a device opens, so a new POLICY_FILE also applies to
    tunnels that are open already.
    """

    name = "policy file"

    def __init__(self, settings: EgressSettings) -> None:
        """Read POLICY_FILE, if it is set. Raises ConfigError if the file has faults."""
        self._everybodys = RuleSet(
            mode=settings.egress_mode, allow=settings.egress_allow, deny=settings.egress_deny
        )
        self._path = settings.policy_file
        self._file = _NOTHING
        self.reload()

    @property
    def paths(self) -> Sequence[Path]:
        """The files that are read again when they change: POLICY_FILE, or none."""
        return () if self._path is None else (self._path,)

    def reload(self) -> None:
        """Read POLICY_FILE again, if it is set.

        Raises ConfigError if the file has faults or cannot be read; the earlier rules then stay in
        force.
        """
        self.stamps = stamps_of(self.paths)
        if self._path is not None:
            self._file = _read(self._path)
        # made once for all connections
        self._default = self._with(self._file.default)
        self._own = {name: self._with(rules) for name, rules in self._file.accounts.items()}
        self._known: dict[_Key, KnownTarget] = {}

    def _with(self, rules: RuleSet) -> Policy:
        return Policy((self._everybodys, rules))

    def of(self, account: str) -> Policy:
        """Return the policy for a connection that this account opens now."""
        return self._own.get(account, self._default)

    def known(self, account: str, host: str, port: int) -> KnownTarget:
        """Return what the rules in force say about a host and port that `account` asks for.

        Raises ValueError if the host is neither an address nor a valid DNS name.
        """
        key = (account if account in self._own else None, host, port)
        return self._known.get(key) or self._learn(key)

    def _learn(self, key: _Key) -> KnownTarget:
        account, host, port = key
        policy = self._default if account is None else self._own[account]
        wanted = RequestedTarget(hosts.canonical(host), port)
        address = "" if isinstance(wanted.host, str) else str(wanted.host)
        if len(self._known) >= MAX_KNOWN:
            self._known.clear()
        refusal, standings = policy.refusal_of_name(wanted), Standings(policy, wanted)
        known = self._known[key] = KnownTarget(policy, wanted, refusal, address, standings)
        return known

    def hints(self) -> list[str]:
        """Return warnings about settings that an operator may not have intended.

        Empty: there are none.
        """
        report = self._everybodys.mode is not EgressMode.ENFORCE
        return [f"EGRESS_MODE={self._everybodys.mode}: internal addresses are allowed"] * report

    def summary(self) -> str:
        """Return the mode and the accounts with rules of their own, as one line for the log."""
        names = ", ".join(sorted(self._file.accounts)) or "none"
        return f"egress: {self._everybodys.mode}, accounts with rules of their own: {names}"


def _read(path: Path) -> PolicyFile:
    source = f"POLICY_FILE={str(path)!r}"
    try:
        return parse(bytes_of(path, MAX_FILE_BYTES))
    except FileError as error:
        raise ConfigError([f"{source} {error}"]) from error
    except PolicyFileError as error:
        raise ConfigError([f"{source}, {fault}" for fault in error.faults]) from None
