"""Makes, from the settings, the keeping of rules and usage in a host's first process."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from tessel_proxy.fleet.host_keeping import HostKeeping
from tessel_proxy.fleet.host_refusals import HostRefusals, Publish
from tessel_proxy.operations import Usage, UsageKeeping
from tessel_proxy.operations.refusals_file import KeptRules
from tessel_proxy.operations.settings import OperationsSettings
from tessel_proxy.operations.usage_file import UsageFile
from tessel_proxy.operations.usage_keeping import KeepsUsage
from tessel_service_kit.names import IThreadsAndTime

if TYPE_CHECKING:
    from tessel_proxy.fleet.valkey.engine import ValkeyEngine


def host_keeping(
    settings: OperationsSettings,
    kept: KeptRules,
    reactor: IThreadsAndTime,
    *,
    publish: Publish,
    engine: ValkeyEngine | None,
    take: Callable[[], Mapping[str, Usage]] = dict,
) -> HostKeeping:
    """Return the operator's rules and usage of this host; nothing is started.

    Args:
        settings: where usage is kept.
        kept: the rules at the start.
        reactor: Twisted's reactor.
        publish: sends all processes a notice.
        engine: the state that other hosts share with this one; None: there are none.
        take: returns what accounts have used in this process since its last call.
    """
    refusals = HostRefusals(publish, reactor, time.time, kept, is_shared=engine is not None)
    if engine is not None:
        engine.follow_rules(refusals)
    place = _place_of_usage(settings, reactor, engine)
    usage = None if place is None else UsageKeeping(place, reactor, time.time, take)
    return HostKeeping(refusals, usage)


def _place_of_usage(
    settings: OperationsSettings, reactor: IThreadsAndTime, engine: ValkeyEngine | None
) -> KeepsUsage | None:
    if engine is not None:
        return engine.usage
    if settings.usage_file is not None:
        return UsageFile(settings.usage_file, reactor)
    return None
