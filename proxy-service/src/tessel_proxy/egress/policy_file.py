"""Parse a policy file: rules for each section, or all faults with their lines. Pure.

    # a comment, on a line of its own
    [default]                           for accounts that have no section of their own
    deny  *:25 *:465
    [account kim]                       for that account, instead of [default]
    mode  report                        EGRESS_MODE for this account
    allow 10.1.0.0/16:5432
    deny  .example.com
    only  api.example.org:443           nothing else may be reached; may be on several lines

The format is not TOML: its parser stops at the first fault, and gives no line number for values
that are well-formed but invalid.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from tessel_proxy.egress.policy import RuleSet
from tessel_proxy.egress.rules import MAX_RULES, EgressMode, Rule, narrow_rules, rules
from tessel_service_kit.texts import counted

DEFAULT = "default"
MAX_FAULTS = 20  # reported; with more, the file is probably not a policy file

_HEADING = re.compile(r"\[\s*(?:(default)|account\s+(\S.*?))\s*\]")
_PARSERS = {"allow": narrow_rules, "deny": rules, "only": rules}
_SECTION_FORMS = "[default] or [account NAME]"
_LINE_FORMS = "allow, deny or only with rules, or mode with enforce, report or open"


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """The rules of POLICY_FILE.

    `accounts` holds those of accounts that have a section of their own, and `default` applies to
    all others.
    """

    default: RuleSet
    accounts: dict[str, RuleSet]


class PolicyFileError(Exception):
    """POLICY_FILE has faults. `faults` has one text for each of them."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


@dataclass(slots=True)
class _Section:
    """A section that is being read."""

    account: str | None
    rules: dict[str, list[Rule]] = field(default_factory=lambda: {verb: [] for verb in _PARSERS})
    mode: EgressMode | None = None

    def add(self, verb: str, text: str) -> None:
        """Add the rules of a line to the section. Raises ValueError."""
        if verb == "mode":
            self._set_mode(text)
        elif verb not in _PARSERS:
            raise ValueError(f"{verb!r}; allowed: {_LINE_FORMS}")
        elif not text:
            raise ValueError(f"{verb} without rules; allowed: {_LINE_FORMS}")
        else:
            self._add_rules(verb, text)

    def _set_mode(self, text: str) -> None:
        if self.mode is not None:
            raise ValueError("a second mode; allowed: one in each section")
        try:
            self.mode = EgressMode(text.lower())
        except ValueError:
            raise ValueError(f"mode {text!r}; allowed: {' or '.join(EgressMode)}") from None

    def _add_rules(self, verb: str, text: str) -> None:
        try:
            self.rules[verb] += _PARSERS[verb](text)
        except ValueError as fault:
            raise ValueError(f"{verb}; allowed: {fault}") from None
        if len(self.rules[verb]) > MAX_RULES:
            raise ValueError(f"{verb}; allowed: at most {MAX_RULES} rules in a section")

    def done(self) -> RuleSet:
        """The rules of the section, when all its lines were read."""
        name = f"[{DEFAULT}]" if self.account is None else f"[account {self.account}]"
        return RuleSet(name, self.mode, **{verb: tuple(each) for verb, each in self.rules.items()})


class _FileReading:
    """The sections of a file that is being read."""

    def __init__(self) -> None:
        self.sections: dict[str | None, _Section] = {}
        self._current: _Section | None = None

    def line(self, text: str) -> None:
        """Read one line. Raises ValueError if it has a fault."""
        if text.startswith("["):
            self._open(text)
            return
        if self._current is None:
            raise ValueError(f"a rule before any section; allowed: {_SECTION_FORMS}")
        verb, _, rest = text.partition(" ")
        self._current.add(verb, rest.strip())

    def _open(self, text: str) -> None:
        heading = _HEADING.fullmatch(text)
        account = heading[2] if heading else None
        # Lines below a faulty heading are checked as well, and belong to no account.
        self._current = _Section(account)
        if heading is None:
            raise ValueError(f"{text!r}; allowed: {_SECTION_FORMS}")
        if account in self.sections:
            raise ValueError(f"a second {text}; allowed: one section for each")
        self.sections[account] = self._current


def parse(data: bytes) -> PolicyFile:
    """Return the rules in `data`, the content of a policy file.

    Raises PolicyFileError with all faults.
    """
    reading = _FileReading()
    faults = list(_faults(reading, data))
    if len(faults) > MAX_FAULTS:
        more = len(faults) - MAX_FAULTS
        faults = [*faults[:MAX_FAULTS], f"and {counted(more, 'more fault')}"]
    if faults:
        raise PolicyFileError(faults)
    sets = {account: section.done() for account, section in reading.sections.items()}
    default = sets.pop(None, RuleSet(f"[{DEFAULT}]"))
    return PolicyFile(default, {account: each for account, each in sets.items() if account})


def _faults(reading: _FileReading, data: bytes) -> Iterator[str]:
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        try:
            text = " ".join(line.decode().split())
            if text and not text.startswith("#"):
                reading.line(text)
        except UnicodeDecodeError:
            yield f"line {number}: not UTF-8 text"
        except ValueError as fault:
            yield f"line {number}: {fault}"
