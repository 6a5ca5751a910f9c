"""Preparation: an environment -> everything that serving needs, checked before anything listens."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tessel_proxy.auth import Authenticator, ChosenAuthenticator, IAuthReactor, authenticator_for
from tessel_proxy.certificates.issuing import dns_names_of
from tessel_proxy.egress.policies import Policies
from tessel_proxy.files.reloadable import Reloadable
from tessel_proxy.files.secret_files import ReadAgain, held_until_restart
from tessel_proxy.fleet.division import memory_hint
from tessel_proxy.fleet.shared import fleet_engine
from tessel_proxy.fleet.valkey.address import IEngineReactor
from tessel_proxy.front.tls import ServerTLS, server_tls
from tessel_proxy.front.tls_tessel_1 import tessel_1_tls
from tessel_proxy.monitoring.tracing import require_packages
from tessel_proxy.operations.refusals_file import KeptRules, kept_rules
from tessel_proxy.startup.config import SETTINGS, Config
from tessel_proxy.targets.trust import TargetTrust
from tessel_service_kit.clocks import WallTime
from tessel_service_kit.files import hints_of_exposed
from tessel_service_kit.log_file import can_be_renamed, why_unusable
from tessel_service_kit.settings import ConfigError, SecretFile
from tessel_service_kit.settings_help import lookalikes

if TYPE_CHECKING:
    from tessel_proxy.fleet.valkey.engine import ValkeyEngine


T = TypeVar("T")

GROWS = (
    "cannot be renamed when it is full, because its folder is not writable: it grows beyond "
    "LOG_FILE_MIB"
)
NOT_ASKED = "CLIENT_CA_FILE is ignored on LEGACY_PORT: Tessel 1 boards cannot present a certificate"
ONE_KEY = (
    "LEGACY_KEY_FILE is KEY_FILE: an attack on the weak TLS of LEGACY_PORT breaks PORT, too; "
    "`tessel-proxy make-cert --for-tessel-1` makes a separate key"
)
NO_NAME = (
    "LEGACY_CERT_FILE contains no DNS name, but Tessel 1 boards read nothing else: PROXY_HOST must "
    "be a name; `tessel-proxy make-cert --for-tessel-1 NAME` makes a certificate for one"
)


class IReadyReactor(IEngineReactor, IAuthReactor):
    """The reactor interfaces that authenticators and engine use."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The checked parts of a ProxyService, and hints: advice for the operator that is no fault."""

    config: Config
    tls: ServerTLS
    legacy_tls: ServerTLS | None
    chosen: ChosenAuthenticator
    hints: tuple[str, ...]
    reloadables: tuple[Reloadable, ...] = ()
    kept: tuple[str, ...] = ()  # names of secrets that a reload does not read again
    engine: ValkeyEngine | None = None  # of FLEET_URL
    engine_secrets: tuple[Reloadable, ...] = ()  # for the process that connects to it
    kept_rules: KeptRules = field(default_factory=KeptRules)  # of REFUSALS_FILE

    @property
    def authenticator(self) -> Authenticator:
        """The object that checks tokens."""
        return self.chosen.authenticator


def _log_hints(config: Config) -> list[str]:
    return [
        *_file_hints("LOG_FILE", config.log_file, "the log goes to standard error only"),
        *_file_hints("AUDIT_LOG_FILE", config.audit_log_file, "the audit goes to the log"),
    ]


def _file_hints(name: str, file: Path | None, instead: str) -> list[str]:
    if file is None:
        return []
    if why := why_unusable(file):
        return [f"{name}={str(file)!r} {why}: {instead}"]
    return [] if can_be_renamed(file) else [f"{name}={str(file)!r} {GROWS}"]


def _legacy_hints(config: Config, tls: ServerTLS | None) -> list[str]:
    if tls is None:
        return []
    no_name = [] if dns_names_of(tls.identity.certificate) else [NO_NAME]
    asked = [NOT_ASKED] if config.client_ca_file is not None else []
    same = config.legacy_key_file.absolute() == config.key_file.absolute()
    return [*asked, *([ONE_KEY] if same else []), *no_name]


def _account_hints(chosen: ChosenAuthenticator) -> list[str]:
    file = chosen.by_file
    if file is None or file.tokens or len(chosen.settings) > 1:
        return []
    hint = "has no line yet, so no device is accepted; `tessel-proxy hash-token ACCOUNT` makes one"
    return [f"AUTH_FILE={str(file.paths[0])!r} {hint}"]


def get_ready(
    environ: Mapping[str, str], reactor: IReadyReactor, wall_time: WallTime = time.time
) -> Ready:
    """Read and check settings, files and plug-in; return all parts that serving needs.

    Args:
        environ: the environment variables.
        reactor: Twisted's reactor, for the authenticator.
        wall_time: returns the current time in seconds since 1970, to check certificates.

    Raises:
        ConfigError: something cannot be used; the error lists all faults and hints.
    """
    config, faults = Config.read(environ)

    def collect(load: Callable[[], T]) -> T | None:
        try:
            return load()
        except ConfigError as error:
            faults.extend(fault for fault in error.faults if fault not in faults)
            return None

    files = Config.secret_files(environ)
    key_pass_file = files.get("key_pass")
    tls = collect(lambda: server_tls(config, wall_time, key_pass_file))
    legacy_tls = collect(lambda: tessel_1_tls(config, wall_time, key_pass_file))
    chosen = None
    if config.has_authenticator:  # otherwise this is among the faults
        chosen = collect(lambda: authenticator_for(config, reactor, files))
    trust = collect(lambda: TargetTrust(config.target_ca_file, wall_time))
    policies = collect(lambda: Policies(config))
    engine = collect(lambda: fleet_engine(config, reactor))
    rules = collect(lambda: kept_rules(config.refusals_file))
    collect(lambda: require_packages(config))
    hints = lookalikes(environ, SETTINGS) + (policies.hints() if policies else [])
    hints += hints_of_exposed(_secrets(config, files.values()))
    if faults or tls is None or chosen is None:
        raise ConfigError(faults + hints)
    hints += (
        memory_hint(config, config.workers)
        + _log_hints(config)
        + _account_hints(chosen)
        + _legacy_hints(config, legacy_tls)
    )
    hints += [warning for each in (tls, legacy_tls, trust) if each for warning in each.warnings]
    made_of_files = (tls, legacy_tls, chosen.by_file, *chosen.secrets)
    reloadables: list[Reloadable] = [each for each in made_of_files if each is not None]
    kept = held_until_restart(SETTINGS, environ)
    return Ready(
        config,
        tls,
        legacy_tls,
        chosen,
        tuple(hints),
        tuple(reloadables),
        tuple(kept),
        engine,
        tuple(_engine_secrets(engine, files)),
        rules or KeptRules(),
    )


def _engine_secrets(
    engine: ValkeyEngine | None, files: Mapping[str, SecretFile]
) -> list[Reloadable]:
    """Return the files of the engine's passwords, which apply to new connections when reloaded."""
    if engine is None:
        return []
    uses = {
        "fleet_password": engine.use_password,
        "fleet_sentinel_password": engine.use_sentinel_password,
    }
    return [ReadAgain(files[name], use) for name, use in uses.items() if name in files]


def _secrets(config: Config, files: Iterable[SecretFile]) -> Iterator[tuple[str, Path]]:
    """Yield the secret files, whose permissions are checked, with the names of their settings."""
    yield "KEY_FILE", config.key_file
    if config.legacy_port is not None:
        yield "LEGACY_KEY_FILE", config.legacy_key_file
    if config.auth_file is not None:
        yield "AUTH_FILE", config.auth_file
    yield from ((each.name, each.path) for each in files)
