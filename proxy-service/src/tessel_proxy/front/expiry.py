"""Log a warning each day when the certificate that devices see is about to expire."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger, LogLevel

from tessel_proxy.records.error_codes import ErrorCode
from tessel_service_kit.clocks import WallTime

WARN_BEFORE: Final = timedelta(days=14)
"""ACME clients renew 30 days before the end: with 14 left, renewals have failed for two weeks."""

LOOK_S: Final = 24 * 3600.0

_DAY_S: Final = timedelta(days=1).total_seconds()


class ExpiryWatch:
    """A daily check that logs a warning from 14 days before the server certificate expires.

    After the expiry it logs an error. A reload may change the certificate.
    """

    _log = Logger()

    def __init__(
        self, clock: IReactorTime, ends: Callable[[], float | None], wall_time: WallTime
    ) -> None:
        """Prepare the check; `start` begins it.

        `ends` returns when the certificate in use expires, in seconds since 1970, or None if there
        is none. `wall_time` returns the current time in the same form.
        """
        self._wall_time = wall_time
        self._ends = ends
        self._looks = LoopingCall(self._look)
        self._looks.clock = clock
        self._looking: Deferred[LoopingCall] | None = None

    def start(self) -> None:
        """Check now, and then every 24 hours."""
        self._looking = self._looks.start(LOOK_S, now=True)
        self._looking.addErrback(
            lambda why: self._log.failure("certificates are not watched any more", failure=why)
        )

    def stop(self) -> None:
        """Stop checking."""
        if self._looks.running:
            self._looks.stop()

    def _look(self) -> None:
        ends = self._ends()
        if ends is None:
            return
        left_s = ends - self._wall_time()
        if left_s > WARN_BEFORE.total_seconds():
            return
        self._log.emit(
            LogLevel.warn if left_s > 0 else LogLevel.error,
            "the certificate of the proxy {ends}",
            event="certificate_expires",
            ends=f"expires in {left_s / _DAY_S:.1f} days" if left_s > 0 else "has expired",
            days=round(left_s / _DAY_S, 1),
            error=ErrorCode.CERTIFICATE_EXPIRES.value,
        )
