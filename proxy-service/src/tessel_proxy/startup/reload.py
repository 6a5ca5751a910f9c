"""Reloading: files that change while the proxy serves are read again, also on SIGHUP.

The former content stays in use until the files can be used again. A renewal that is half done (a
new certificate without its key) is tried again at each look, and logged once.

A change is applied when nothing has changed for one look. So a file that is written in place is
not read half way; a file that is renamed into place waits one look longer.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from tessel_proxy.files.reloadable import Reloadable, Warns, stamps_of
from tessel_proxy.records.error_codes import ErrorCode
from tessel_service_kit.settings import ConfigError


class Reloader:
    """Checks the files of objects at intervals, and reloads objects whose files have changed."""

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        reloadables: Iterable[Reloadable],
        look_s: float,
        reloaded: Callable[[str], None] = lambda _name: None,
    ) -> None:
        """Prepare to check; the checks begin with `start`.

        Args:
            clock: the reactor.
            reloadables: the objects to reload.
            look_s: seconds between two checks of their files.
            reloaded: called with the name of each object after it was reloaded.
        """
        self._watched = [_Watched(each, reloaded) for each in reloadables]
        self._looks = LoopingCall(self.look)
        self._looks.clock = clock
        self._look_s = look_s
        self._looking: Deferred[LoopingCall] | None = None

    def start(self) -> None:
        """Start to check the files every `look_s` seconds."""
        if self._watched:
            self._looking = self._looks.start(self._look_s, now=False)
            self._looking.addErrback(
                lambda why: self._log.failure("files are not watched any more", failure=why)
            )

    def stop(self) -> None:
        """Stop checking the files."""
        if self._looks.running:
            self._looks.stop()

    def look(self) -> None:
        """Check all files once; reload objects whose files changed or whose last reload failed.

        A changed file is reloaded only when two checks in a row find it the same, so that it is not
        read while it is being written.
        """
        for each in self._watched:
            each.look()

    def reload_all(self) -> None:
        """Reload all objects now, whether their files changed or not, as on SIGHUP."""
        for each in self._watched:
            each.fault = None  # so that a fault is logged again
            each.load()

    def load_changed(self, names: Collection[str]) -> Sequence[str]:
        """Reload those of these objects whose files have changed, without waiting for a next look.

        Called when somebody says that the change is complete. Returns the names of those whose
        files have faults: their former content stays in use.
        """
        asked = [each for each in self._watched if each.name in names]
        return [each.name for each in asked if not each.is_current()]


class _Watched:
    """One reloadable, and the stamps of its files at the last look."""

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

    def is_current(self) -> bool:
        """Return whether the content in use is that of the files; it is after a load that works."""
        if self.fault is None and stamps_of(self._subject.paths) == self._subject.stamps:
            return True
        return self.load()

    def load(self) -> bool:
        """Reload the subject; return whether its files can be used. Faults are logged."""
        try:
            self._subject.reload()
        except ConfigError as error:
            self._failed(str(error))
            return False
        except Exception:  # noqa: BLE001 -- a bug in one must not stop the others
            self._log.failure(
                "cannot reload {what}",
                event="reload_failed",
                what=self.name,
                error=ErrorCode.RELOAD_FAILED.value,
            )
            return False
        self.fault = None
        self._log.info("reloaded {what}", event="reloaded", what=self.name)
        self._reloaded(self.name)
        self._warn()
        return True

    def _warn(self) -> None:
        if isinstance(self._subject, Warns):
            for warning in self._subject.warnings:
                self._log.warn("{hint}", event="setting_hint", hint=warning)

    @property
    def name(self) -> str:
        """The name of the subject in the log."""
        return self._subject.name

    def _failed(self, fault: str) -> None:
        if fault != self.fault:
            self._log.error(
                "{what} not reloaded, the former content stays in use: {why}",
                event="reload_failed",
                what=self.name,
                why=fault,
                error=ErrorCode.RELOAD_FAILED.value,
            )
        self.fault = fault
