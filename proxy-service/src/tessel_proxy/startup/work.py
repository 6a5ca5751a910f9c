"""Run one worker of a supervisor until it ends."""

from __future__ import annotations

import faulthandler
import signal
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import replace
from types import FrameType
from typing import Final

from twisted.logger import Logger

from tessel_proxy.fleet.division import TunnelRoom, divided
from tessel_proxy.fleet.joining import Fleet
from tessel_proxy.fleet.place import STDERR, place_of
from tessel_proxy.fleet.worker import WorkerLink
from tessel_proxy.fleet.workers import HALT, TRACE
from tessel_proxy.limits.heap import leave_out_modules
from tessel_proxy.records.error_codes import ErrorCode
from tessel_proxy.startup.config import Config
from tessel_proxy.startup.preparation import get_ready
from tessel_proxy.startup.run import Host, proxy_of, reload_all
from tessel_proxy.startup.working import Worker
from tessel_service_kit.logs import LogLevel, begin_logging
from tessel_service_kit.resolver import resolver_of
from tessel_service_kit.serving import AT_FAULT, STOP_TIMEOUT_S, Handler, Hangups, Serving
from tessel_service_kit.settings import ConfigError

SUPERVISORS_FILES: Final = ("REFUSALS_FILE",)


def work(host: Host, arguments: Namespace) -> int:
    """Run one worker of a supervisor, with the arguments that it gives; return the exit code."""
    for number in (signal.SIGINT, signal.SIGUSR2):  # for the supervisor, but sent to all
        signal.signal(number, signal.SIG_IGN)
    # the main thread alone: of a hundred threads, only the first would be written
    faulthandler.register(TRACE, file=STDERR, all_threads=False)
    hangups = Hangups()
    try:
        ready = get_ready(_for_workers(host.environ), host.reactor)
    except ConfigError as error:  # files have changed since the supervisor has read them
        _log_faults(error, host, arguments.number)
        return AT_FAULT
    config = divided(replace(ready.config, admin_port=None), ready.config.workers)
    reactor = host.reactor
    reactor.installNameResolver(resolver_of(reactor))
    log = begin_logging(
        host.standard_error, config.log_level, config.log_format, worker=arguments.number
    )
    link = WorkerLink(reactor)
    link.engine.asks_levels = ready.engine is not None
    room = TunnelRoom(config.max_tunnels, config.workers, link.last_look, reactor.seconds)
    place = place_of(arguments.number, arguments.sockets, arguments.listening, room)
    fleet = Fleet(arguments.member, config.workers, link.engine)
    service = proxy_of(host, config, ready, lambda: log.dropped, place=place, fleet=fleet)
    worker = Worker(service, link, reactor)
    serving = Serving(
        lambda: worker.start(reactor),
        worker.stop,
        reactor,
        reload=lambda: reload_all(service, ready),
        hangups=hangups,
        halt=service.abort,
        stop_timeout_s=config.stop_s + STOP_TIMEOUT_S,
        catch=_catch_in_worker,
    )
    worker.of(serving)
    leave_out_modules()
    return serving.run()


def _log_faults(error: ConfigError, host: Host, number: int) -> None:
    """Log why a worker cannot start: its standard error is the log of its supervisor."""
    config, _faults = Config.read_only(host.environ, ("log_format",))
    begin_logging(host.standard_error, LogLevel.INFO, config.log_format, worker=number)
    Logger().critical(
        "wrong settings: {faults}",
        event="wrong_settings",
        faults="; ".join(error.faults),
        error=ErrorCode.SETTINGS.value,
    )


def _for_workers(environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return the environment without files of the supervisor.

    A worker is restarted also while somebody has damaged one of them.
    """
    return {name: value for name, value in environ.items() if name not in SUPERVISORS_FILES}


def _catch_in_worker(number: int, handler: Handler) -> None:
    """Set a worker's handlers: SIGTERM counts once, HALT stops at once; see HALT."""
    if number == signal.SIGTERM:
        signal.signal(HALT, handler)
        signal.signal(number, _once(handler))
    elif number != signal.SIGINT:
        signal.signal(number, handler)


def _once(handler: Handler) -> Handler:
    def handle(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN)
        handler(number, frame)

    return handle
