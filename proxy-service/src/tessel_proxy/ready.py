"""An environment -> all that serving needs, looked at before anything listens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from twisted.internet.interfaces import IReactorTime

from servicekit.settings import ConfigError, lookalikes
from tessel_proxy.auth import Authenticator, authenticator_for
from tessel_proxy.config import SETTINGS, Config
from tessel_proxy.reload import Reloadable
from tessel_proxy.target_tls import TargetTrust
from tessel_proxy.tls import ServerTLS, server_tls, utc

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ready:
    """What a ProxyService is made of. A hint is for the operator to read and no fault."""

    config: Config
    tls: ServerTLS
    authenticator: Authenticator
    hints: tuple[str, ...]
    reloadables: tuple[Reloadable, ...] = ()


def get_ready(environ: Mapping[str, str], reactor: IReactorTime) -> Ready:
    """Raises ConfigError with the faults of settings, files and plug-in together, and hints."""
    config, faults = Config.read(environ)

    def collect(load: Callable[[], T]) -> T | None:
        try:
            return load()
        except ConfigError as error:
            faults.extend(fault for fault in error.faults if fault not in faults)
            return None

    tls = collect(lambda: server_tls(config, utc(reactor.seconds())))
    authenticator = collect(lambda: authenticator_for(config, reactor))
    collect(lambda: TargetTrust(config.target_ca_file))
    hints = lookalikes(environ, SETTINGS)
    if faults or tls is None or authenticator is None:
        raise ConfigError(faults + hints)
    return Ready(config, tls, authenticator, tuple(hints))
