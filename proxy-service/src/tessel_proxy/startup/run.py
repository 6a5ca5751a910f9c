"""Run the proxy until it ends: as one process, as the supervisor of workers, or as a worker."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, TextIO

from twisted.logger import Logger

from tessel_proxy.fleet.joining import Fleet, member_name
from tessel_proxy.fleet.launching import Launch
from tessel_proxy.fleet.place import Place
from tessel_proxy.limits.descriptors import raise_descriptors
from tessel_proxy.limits.heap import leave_out_modules
from tessel_proxy.records.error_codes import ErrorCode
from tessel_proxy.startup.alone import IAloneReactor, SingleProcess
from tessel_proxy.startup.composition import IProxyReactor, ProxyService
from tessel_proxy.startup.config import Config
from tessel_proxy.startup.operating import audit_of
from tessel_proxy.startup.preparation import IReadyReactor, Ready, get_ready
from tessel_proxy.startup.supervising import ISupervisingReactor, SupervisorService
from tessel_service_kit.log_file import FileOutput
from tessel_service_kit.logs import begin_logging, file_output
from tessel_service_kit.output import descriptor_of
from tessel_service_kit.resolver import IResolvingReactor, resolver_of
from tessel_service_kit.serving import (
    STOP_TIMEOUT_S,
    Hangups,
    IServingReactor,
    Serving,
)
from tessel_service_kit.systemd import Notifier

SUPERVISOR_MORE_S: Final = 2.0
"""Seconds that the supervisor waits for its workers, beyond the time after which they end
themselves."""


class IReactor(
    IProxyReactor,
    IAloneReactor,
    ISupervisingReactor,
    IServingReactor,
    IReadyReactor,
    IResolvingReactor,
):
    """The reactor interfaces that the command `tessel-proxy` uses."""


@dataclass(frozen=True, slots=True)
class Host:
    """What the command has of its process: environment, reactor and standard error.

    `standard_error` None: it was closed when the process started.
    """

    environ: Mapping[str, str]
    reactor: IReactor
    standard_error: TextIO | None


def serve(host: Host) -> int:
    """Run the proxy with the settings of the environment; return the exit code.

    With more than one worker, this process is their supervisor. Raises ConfigError.
    """
    hangups = Hangups()  # first, so that no SIGHUP is lost while files are read
    signal.signal(signal.SIGUSR1, lambda *_: host.reactor.callFromThread(_ignored))
    signal.signal(signal.SIGUSR2, lambda *_: host.reactor.callFromThread(_not_upgraded))
    ready = get_ready(host.environ, host.reactor)
    if ready.config.workers > 1:
        return _supervise(host, ready, hangups)
    config, reactor = ready.config, host.reactor
    reactor.installNameResolver(resolver_of(reactor))  # for the name of the token service
    files = log_files(config)
    log = begin_logging(host.standard_error, config.log_level, config.log_format, *files)
    _log_hints(ready)
    fleet = None
    if ready.engine is not None:
        fleet = Fleet(member_name(), 1, ready.engine)
        ready = replace(ready, reloadables=(*ready.reloadables, *ready.engine_secrets))
    service = proxy_of(
        host, config, ready, lambda: log.dropped + sum(each.dropped for each in files), fleet=fleet
    )
    alone = SingleProcess(
        service, reactor, config, ready.engine, ready.kept_rules, audit=audit_of(config)
    )
    serving = Serving(
        alone.start,
        alone.stop,
        reactor,
        reload=lambda: reload_all(service, ready),
        hangups=hangups,
        halt=service.abort,
        stop_timeout_s=config.stop_s + STOP_TIMEOUT_S,
        error_codes={"cannot_listen": ErrorCode.CANNOT_LISTEN.value},
        notifier=Notifier(host.environ),
    )
    leave_out_modules()
    return serving.run()


def proxy_of(
    host: Host,
    config: Config,
    ready: Ready,
    log_dropped: Callable[[], int],
    *,
    place: Place | None = None,
    fleet: Fleet | None = None,
) -> ProxyService:
    """Return the proxy of a process that serves devices; nothing is started.

    `place` is that of a worker, `fleet` the state that other processes share with this one.
    """
    return ProxyService(
        config,
        host.reactor,
        ready.authenticator,
        ready.tls,
        ready.reloadables,
        legacy_tls=ready.legacy_tls,
        certificate_ends=lambda: _first_end(ready),
        revocations_end=lambda: _revocations_end(ready),
        log_dropped=log_dropped,
        token_service=ready.chosen.token_service,
        doubt=ready.chosen.doubt,
        take_withdrawn=ready.chosen.take_withdrawn,
        descriptors=raise_descriptors(_processes(config)),
        place=place,
        fleet=fleet,
    )


def _supervise(host: Host, ready: Ready, hangups: Hangups) -> int:
    """Run the supervisor of several workers. It keeps nothing of `ready` but the settings."""
    config, reactor = ready.config, host.reactor
    files = log_files(config)
    log = begin_logging(host.standard_error, config.log_level, config.log_format, *files)
    _log_hints(ready)
    descriptors = raise_descriptors(_processes(config))  # workers inherit the limit
    service = SupervisorService(
        config,
        reactor,
        _launch(host),
        [log, *files],
        lambda: log.dropped + sum(each.dropped for each in files),
        fleet=ready.engine,
        reloadables=ready.engine_secrets,
        descriptors=descriptors,
        kept=ready.kept_rules,
        audit=audit_of(config),
    )
    signal.signal(signal.SIGUSR2, lambda *_: reactor.callFromThread(service.upgrade))
    return Serving(
        service.start,
        service.stop,
        reactor,
        reload=service.reload,
        hangups=hangups,
        halt=service.halt,
        stop_timeout_s=config.stop_s + STOP_TIMEOUT_S + SUPERVISOR_MORE_S,
        error_codes={"cannot_listen": ErrorCode.CANNOT_LISTEN.value},
        notifier=Notifier(host.environ),
    ).run()


def _processes(config: Config) -> int:
    """Return how many processes the proxy has: workers, and the supervisor of several ones."""
    return config.workers + (config.workers > 1)


def _ignored() -> None:
    """Called at SIGUSR1, on which other programs open their log again; its default would end it."""
    Logger().info(
        "SIGUSR1 does nothing: LOG_FILE needs no signal to be opened again", event="signal_ignored"
    )


def _not_upgraded() -> None:
    """Called at SIGUSR2 with one worker, or too early: its default would end the process."""
    Logger().warn(
        "no upgrade on SIGUSR2: it needs WORKERS above 1, and a proxy that serves",
        event="upgrade_refused",
    )


def _launch(host: Host) -> Launch:
    """Return what starts workers: by name, so that they are the code that is installed then."""
    nothing = os.open(os.devnull, os.O_RDWR)
    descriptor = descriptor_of(host.standard_error)
    return Launch(
        # -P: no module in the working directory can take the place of an installed one
        [sys.executable, "-P", "-m", "tessel_proxy", "worker"],
        host.environ,
        nothing if descriptor is None else descriptor,
        nothing,
    )


def _log_hints(ready: Ready) -> None:
    for hint in ready.hints:
        Logger().warn("{hint}", event="setting_hint", hint=hint)


def log_files(config: Config) -> list[FileOutput]:
    """Return the output to LOG_FILE, or none if it cannot be opened; a hint has said so."""
    if config.log_file is None:
        return []
    try:
        return [file_output(config.log_file, config.log_file_bytes, config.log_format)]
    except OSError:
        return []


def reload_all(service: ProxyService, ready: Ready) -> None:
    """Read all files of a process again, and log which settings need a restart."""
    service.reload()
    if ready.kept:
        Logger().info(
            "not read again: {settings}; restart the proxy to apply changes in them",
            event="not_reloaded",
            settings=", ".join(ready.kept),
        )


def _first_end(ready: Ready) -> float:
    """Return when the first server certificate expires; a reload changes it."""
    shown = [each.identity for each in (ready.tls, ready.legacy_tls) if each]
    return min(each.ends.timestamp() for each in shown)


def _revocations_end(ready: Ready) -> float | None:
    """Return when the first revocation list expires, None if none does."""
    ends = ready.tls.identity.revocations.first_end
    return None if ends is None else ends.timestamp()
