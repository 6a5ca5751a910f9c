"""Notify a member, and find out whether it has acted."""

from __future__ import annotations

from typing import Final

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from tessel_proxy.fleet.engine import CALL_TIMEOUT_S
from tessel_proxy.fleet.notices import Hear, Notice
from tessel_proxy.records.error_codes import ErrorCode

_LOG: Final = Logger()


def acted(
    hear: Hear, notice: Notice, clock: IReactorTime, within_s: float = CALL_TIMEOUT_S
) -> Deferred[bool]:
    """Call a hearer; the Deferred says whether it has acted within `within_s` seconds.

    It never fails: a fault of the hearer is logged here, or where it happened in another process.
    """
    try:
        acting = hear(notice)
    except Exception:  # noqa: BLE001 -- one hearer must not keep the others from hearing
        _LOG.failure(
            "a notice was not acted on", event="notice_failed", error=ErrorCode.INTERNAL_ERROR.value
        )
        return succeed(False)
    if acting is None:
        return succeed(True)
    acting.addTimeout(within_s, clock)
    return acting.addCallbacks(lambda _: True, lambda _: False)
