"""REFUSALS_FILE: the operator's rules on disk, for the next start."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from tessel_proxy.certificates.keyfiles import NewFile, write_together
from tessel_proxy.operations.one_thread import OneThread
from tessel_proxy.operations.refusal_list import MAX_RULES, RefusalList
from tessel_proxy.operations.rules import Rule, RuleError
from tessel_proxy.records.error_codes import ErrorCode
from tessel_service_kit.files import reason
from tessel_service_kit.settings import ConfigError

MAX_FILE_BYTES: Final = 64 * 1024 * 1024
"""Bytes of the file: MAX_RULES rules with the longest names in JSON have less."""

PRIVATE: Final = 0o600
RETRY_S: Final = 10.0
"""Seconds until a failed write is tried again."""


@dataclass(frozen=True, slots=True)
class KeptRules:
    """The rules in the file. `epoch` names the data of the fleet's engine; "": there is none.

    An engine with another epoch has lost its data since, and gets the rules again. `file` None:
    no file keeps them.
    """

    rules: Sequence[Rule] = ()
    epoch: str = ""
    file: Path | None = None


def kept_rules(path: Path | None) -> KeptRules:
    """Return the rules in the file; none, if there is no file yet. Raises ConfigError."""
    if path is None:
        return KeptRules()
    source = f"REFUSALS_FILE={str(path)!r}"
    try:
        data = _read(path)
        return KeptRules(file=path) if data is None else replace(_rules_in(data), file=path)
    except OSError as error:
        raise ConfigError([f"{source} {reason(path, error)}"]) from error
    except RuleError as error:
        allowed = "allowed: a file that the proxy wrote, or none"
        raise ConfigError([f"{source} cannot be used: {error}; {allowed}"]) from error


def _read(path: Path) -> bytes | None:
    """Return the content of a regular file; None if it does not exist and can be made."""
    try:
        # a FIFO would block the start
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise RuleError(f"its folder {str(path.parent)!r} does not exist") from None
        return None
    with open(descriptor, "rb") as opened:  # noqa: PTH123 -- a descriptor, no path
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise RuleError("it is no regular file")
        data = opened.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise RuleError(f"it has more than {MAX_FILE_BYTES} bytes")
    return data


def _rules_in(data: bytes) -> KeptRules:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):  # also of text that is not UTF-8
        raise RuleError("it is not JSON") from None
    if not isinstance(value, dict) or not isinstance(value.get("rules"), list):
        raise RuleError("it is not an object with `rules`")
    if len(value["rules"]) > MAX_RULES:
        raise RuleError(f"it has more than {MAX_RULES} rules")
    rules = []
    for number, each in enumerate(value["rules"], 1):
        try:
            rules.append(Rule.from_json(each))
        except RuleError as error:
            raise RuleError(f"rule {number}: {error}") from None
    epoch = value.get("epoch")
    return KeptRules(tuple(RefusalList(rules).rules()), epoch if isinstance(epoch, str) else "")


def _write(path: Path, kept: KeptRules) -> None:
    """Replace the file in one step. Blocks."""
    content: dict[str, Any] = {
        "epoch": kept.epoch,
        "rules": [each.as_json() for each in kept.rules],
    }
    data = json.dumps(content, indent=1).encode() + b"\n"
    write_together([NewFile(path, data, PRIVATE)])


class RefusalsFile:
    """Writes the file in a thread; a failed write is logged once, and tried again."""

    _log = Logger()

    def __init__(
        self, path: Path, clock: IReactorTime, thread: OneThread, content: Callable[[], KeptRules]
    ) -> None:
        """`content` returns what is to be written now."""
        self._path = path
        self._clock = clock
        self._thread = thread
        self._content = content
        self._waiting: list[Deferred[bool]] = []  # calls whose content is not written yet
        self._is_writing = False
        self._retry: IDelayedCall | None = None
        self._is_failing = False
        self.failures = 0

    async def save(self) -> bool:
        """Write the content of now; return whether it is on the disk. Calls share a write."""
        waiter: Deferred[bool] = Deferred()
        self._waiting.append(waiter)
        if not self._is_writing:
            self._is_writing = True
            self._write_next()
        return await waiter

    def _write_next(self) -> None:
        if not self._waiting:
            self._is_writing = False
            return
        waiting, self._waiting = self._waiting, []
        writing: Deferred[Any] = self._thread.run(_write, self._path, self._content())
        writing.addCallbacks(lambda _: self._succeeded(), self._failed)
        writing.addBoth(self._ended, waiting)

    def _ended(self, result: bool | Failure, waiting: list[Deferred[bool]]) -> None:
        for each in waiting:  # one after the other: waiters of a lock would be called recursively
            each.callback(result)
        self._write_next()

    def stop(self) -> None:
        """Stop trying again."""
        if self._retry is not None and self._retry.active():
            self._retry.cancel()

    def _failed(self, failure: Failure) -> bool:
        failure.trap(OSError)
        error = cast("OSError", failure.value)
        self.failures += 1
        self.stop()
        self._retry = self._clock.callLater(RETRY_S, self._try_again)
        if not self._is_failing:
            self._log.error(
                "refusals are not kept: {file}: {why}; after a restart, rules that were changed "
                "since then are wrong",
                event="refusals_not_kept",
                error=ErrorCode.REFUSALS_NOT_KEPT.value,
                file=str(self._path),
                why=error.strerror or str(error),
            )
        self._is_failing = True
        return False

    def _succeeded(self) -> bool:
        if self._is_failing:
            self._log.info(
                "refusals are kept again in {file}", event="refusals_kept", file=str(self._path)
            )
        self._is_failing = False
        return True

    def _try_again(self) -> None:
        saving = Deferred.fromCoroutine(self.save())
        saving.addErrback(
            lambda failure: self._log.failure(
                "refusals cannot be written", failure=failure, error=ErrorCode.INTERNAL_ERROR.value
            )
        )
