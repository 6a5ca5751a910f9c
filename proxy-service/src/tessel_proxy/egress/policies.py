"""The egress rules in force: those of the environment, and those of POLICY_FILE for accounts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tessel_proxy.egress.policy import Policy, RuleSet
from tessel_proxy.egress.policy_file import DEFAULT, PolicyFile, PolicyFileError, parse
from tessel_proxy.egress.rules import EgressMode
from tessel_proxy.egress.settings import EgressSettings
from tessel_proxy.files.reloadable import stamps_of
from tessel_service_kit.files import FileError, bytes_of
from tessel_service_kit.settings import ConfigError

MAX_FILE_BYTES = 1024 * 1024  # some 20,000 rules; a wrong path may name a disk

_NOTHING = PolicyFile(RuleSet(f"[{DEFAULT}]"), {})


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

    def _with(self, rules: RuleSet) -> Policy:
        return Policy((self._everybodys, rules))

    def of(self, account: str) -> Policy:
        """Return the policy for a connection that this account opens now."""
        return self._own.get(account, self._default)

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
