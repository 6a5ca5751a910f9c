"""Files that change while the proxy serves: looked at now and then, and all at once on SIGHUP.

What was loaded stays in use until its files can be used again: a renewal that is half done (a
certificate whose key is still to come) is tried again at each look, and told of once.

A change is taken up when it has been quiet for one look. A file that is written in place is then
not read half way; one that is renamed into place loses nothing but that look.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from tessel_proxy.files.reloadable import Reloadable, Warns, stamps_of
from tessel_proxy.records.error_codes import ErrorCode
from tessel_service_kit.settings import ConfigError


class Reloader:
    """Keeps all reloadables up with their files."""

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        reloadables: Iterable[Reloadable],
        look_s: float,
        reloaded: Callable[[str], None] = lambda _name: None,
    ) -> None:
        """`reloaded` is called with the name of each reloadable that uses its files anew."""
        self._watched = [_Watched(each, reloaded) for each in reloadables]
        self._looks = LoopingCall(self.look)
        self._looks.clock = clock
        self._look_s = look_s
        self._looking: Deferred[LoopingCall] | None = None

    def start(self) -> None:
        """Look from now on."""
        if self._watched:
            self._looking = self._looks.start(self._look_s, now=False)
            self._looking.addErrback(lambda why: self._log.failure("no more looks", failure=why))

    def stop(self) -> None:
        """Look no more."""
        if self._looks.running:
            self._looks.stop()

    def look(self) -> None:
        """Reload what has changed, or has failed before."""
        for each in self._watched:
            each.look()

    def reload_all(self) -> None:
        """Reload everything, changed or not: the operator asks for it."""
        for each in self._watched:
            each.fault = None  # what is still wrong is told again
            each.load()


class _Watched:
    """One reloadable, and its files as they were."""

    _log = Logger()

    def __init__(self, subject: Reloadable, reloaded: Callable[[str], None]) -> None:
        self._subject = subject
        self._reloaded = reloaded
        self._seen = subject.stamps
        self.fault: str | None = None  # of the last load

    def look(self) -> None:
        now = stamps_of(self._subject.paths)
        quiet = now == self._seen
        self._seen = now
        if quiet and (now != self._subject.stamps or self.fault is not None):
            self.load()

    def load(self) -> None:
        try:
            self._subject.reload()
        except ConfigError as error:
            self._failed(str(error))
        except Exception:  # noqa: BLE001 -- one reloadable's bug must not end the looks at others
            self._log.failure("cannot reload {what}", event="reload_failed", what=self._name)
        else:
            self.fault = None
            self._log.info("reloaded {what}", event="reloaded", what=self._name)
            self._reloaded(self._name)
            self._warn()

    def _warn(self) -> None:
        if isinstance(self._subject, Warns):
            for warning in self._subject.warnings:
                self._log.warn("{hint}", event="setting_hint", hint=warning)

    @property
    def _name(self) -> str:
        return self._subject.name

    def _failed(self, fault: str) -> None:
        if fault != self.fault:
            self._log.error(
                "{what} stays as it was: {why}",
                event="reload_failed",
                what=self._name,
                why=fault,
                error=ErrorCode.RELOAD_FAILED.value,
            )
        self.fault = fault
