"""All settings of the proxy, read once from the environment; all faults are reported at once.

Each room declares its settings in its `settings.py`; Config joins them. From these tables come the
values, `tessel-proxy --help` and docs/settings.md. Nothing else reads the environment.
"""

# ruff: noqa: RUF009 -- setting() declares a field, as dataclasses.field() does
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from tessel_proxy.auth.settings import NO_AUTHENTICATOR
from tessel_proxy.egress.settings import EgressSettings
from tessel_proxy.fleet.settings import FleetSettings
from tessel_proxy.fleet.valkey.settings import EngineSettings
from tessel_proxy.front.settings import FrontSettings
from tessel_proxy.monitoring.settings import MonitoringSettings
from tessel_proxy.monitoring.tracing.settings import TracingSettings
from tessel_proxy.operations.settings import OperationsSettings
from tessel_service_kit.logs import LogFormat, LogLevel, format_setting, level_setting
from tessel_service_kit.parsers import integer, optional, seconds
from tessel_service_kit.settings import SecretFile, setting
from tessel_service_kit.texts import cleaned

MIB: Final = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Config(
    MonitoringSettings,
    OperationsSettings,
    TracingSettings,
    EgressSettings,
    FrontSettings,
    FleetSettings,
    EngineSettings,
):
    """Holds all settings of one proxy; fields that are not passed get their defaults."""

    reload_look_s: float = setting(
        "RELOAD_LOOK_S",
        "5",
        "seconds between two checks whether certificates or other files have changed",
        seconds,
    )
    log_level: LogLevel = level_setting()
    log_format: LogFormat = format_setting()
    log_file: Path | None = setting(
        "LOG_FILE",
        "",
        "regular file that gets the log lines besides standard error, for example on a volume that "
        "outlives the container; unset: no file",
        optional(Path),
    )
    log_file_mib: int = setting(
        "LOG_FILE_MIB",
        "10",
        "size in MiB at which LOG_FILE is renamed to .1, .1 to .2 and so on; the newest five files "
        "are kept; the same for AUDIT_LOG_FILE",
        integer(1, 1_000_000),
    )

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> tuple[Self, list[str]]:
        """Read all settings from the environment; return them and a list of faults.

        The faults include settings that exclude or need each other. No exception is raised.
        """
        config, faults = cls.read_only(environ, cls.table())
        return config, faults + _authenticator_faults(environ) + _pair_faults(config)

    @property
    def log_file_bytes(self) -> int:
        """The size at which a log file is rotated."""
        return self.log_file_mib * MIB

    @property
    def has_authenticator(self) -> bool:
        """Whether a setting chooses how tokens are checked (one of the AUTH_ settings)."""
        return bool(
            self.auth_plugin or self.auth_file or self.auth_tessel_oa2 or self.auth_hardcoded
        )

    @property
    def max_waiting_for_header(self) -> int:
        """The number of connections that may wait for a PROXY header, over all ports.

        0 if PROXY_PROTOCOL_FROM is not set.
        """
        ports = 1 if self.legacy_port is None else 2
        return ports * self.max_unauthenticated if self.proxy_protocol_from else 0

    @property
    def invitations_folder(self) -> Path | None:
        """The folder of invitations; None without AUTH_FILE, in which their tokens are."""
        if self.auth_file is None:
            return None
        return self.invitations_dir or self.auth_file.with_name("invitations")

    @classmethod
    def secret_files(cls, environ: Mapping[str, str]) -> dict[str, SecretFile]:
        """Return the files of secrets that can be read again, by the field name of the setting."""
        found = {name: each.file(environ) for name, each in cls.table().items()}
        return {name: file for name, file in found.items() if file is not None}

    @classmethod
    def for_certificates(cls, environ: Mapping[str, str]) -> Self:
        """Return a Config with the settings of make-cert only; raises ConfigError if faulty."""
        return cls.some_from_env(
            environ, "cert_file", "key_file", "key_pass", "legacy_cert_file", "legacy_key_file"
        )

    @classmethod
    def for_telling(cls, environ: Mapping[str, str]) -> Self:
        """Return a Config with the settings of the engine only; raises ConfigError if faulty."""
        return cls.some_from_env(environ, *EngineSettings.table())

    @classmethod
    def for_tokens(cls, environ: Mapping[str, str]) -> Self:
        """Return a Config with the settings of hash-token only; raises ConfigError if faulty."""
        return cls.some_from_env(environ, "auth_file")

    @classmethod
    def for_invitations(cls, environ: Mapping[str, str]) -> Self:
        """Return a Config with the settings of invite only; raises ConfigError if faulty."""
        needed = ("auth_file", "invitations_dir", "cert_file", "port")
        return cls.some_from_env(environ, *needed)


SETTINGS: Final = tuple(Config.table().values())


def _pair_faults(config: Config) -> list[str]:
    """Return the faults of settings that exclude or need each other."""
    return [*_port_faults(config), *_revocation_faults(config), *_audit_faults(config)]


def _audit_faults(config: Config) -> list[str]:
    file = config.audit_log_file
    if file is None or config.log_file is None or file.absolute() != config.log_file.absolute():
        return []
    return [f"AUDIT_LOG_FILE='{file}' is LOG_FILE, too; allowed: another file, or none"]


def _revocation_faults(config: Config) -> list[str]:
    if config.client_crl_file is None or config.client_ca_file is not None:
        return []
    file = config.client_crl_file
    return [f"CLIENT_CRL_FILE='{file}' is set without CLIENT_CA_FILE; allowed: both, or neither"]


def _port_faults(config: Config) -> list[str]:
    if config.legacy_port and config.legacy_port == config.port:
        return [f"LEGACY_PORT={config.legacy_port} is PORT, too; allowed: another one"]
    return []


def _authenticator_faults(environ: Mapping[str, str]) -> list[str]:
    # What is set counts, not what could be read: a faulty authenticator is not also missing.
    own = cleaned(environ.get("AUTH_PLUGIN", ""))
    others = [
        each.name
        for each in SETTINGS
        if each.name in ("AUTH_TESSEL_OA2", "AUTH_HARDCODED", "AUTH_FILE") and each.given(environ)
    ]
    if own and others:
        return [
            f"AUTH_PLUGIN={own!r} and {' and '.join(others)} are set; allowed: AUTH_PLUGIN alone"
        ]
    if not own and not others:
        return [NO_AUTHENTICATOR]
    return []
