"""Every setting of the proxy, read once from the environment, all faults named at once.

The fields below are the one table: from them come the values, `tessel-proxy --help` and the
page of the docs. Nothing else reads the environment.
"""

# ruff: noqa: RUF009 -- setting() declares a field, as dataclasses.field() does
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from streamplex.credit import FIRST_WINDOW_BYTES, MAX_CREDIT_BYTES, Windows
from streamplex.tx.tcp import KeepAliveTimes
from tessel_proxy.egress.rules import EgressMode, Rule, narrow_rules, rules
from tessel_proxy.front.networks import Networks, networks
from tessel_proxy.startup.parsers import (
    TokenService,
    passphrase,
    plugin_name,
    shared_tokens,
    token_service,
)
from tessel_service_kit.logs import LogFormat, LogLevel, format_setting, level_setting
from tessel_service_kit.parsers import (
    integer,
    listening_address,
    one_of,
    optional,
    seconds,
    seconds_or_none,
)
from tessel_service_kit.settings import SecretFile, Settings, setting
from tessel_service_kit.texts import cleaned

MAX_CHANNELS_PER_SIDE = 32_767  # even channel numbers a device can open on one tunnel
MAX_KEEPALIVE_S = 32_767  # what Linux takes for TCP_KEEPIDLE and TCP_KEEPINTVL
MAX_KEEPALIVE_PROBES = 127  # what Linux takes for TCP_KEEPCNT
HOW_TO_MAKE = "`(umask 077; head -c 24 /dev/urandom | base64 > {path})` makes one"
NO_AUTHENTICATOR = (
    "no authenticator is set; allowed: AUTH_HARDCODED=<a token that all devices share>, "
    "AUTH_HARDCODED_FILE=<a file that holds it: "
    f"{HOW_TO_MAKE.format(path='FILE')}>, "
    "AUTH_TESSEL_OA2=http(s)://CLIENT_ID:CLIENT_SECRET@HOST[:PORT], "
    "AUTH_FILE=<accounts and hashes of their tokens>, "
    "or AUTH_PLUGIN=package.module:callable"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(Settings):
    """The settings of one proxy. What is not given has its default, which suits tests as well."""

    host: str = setting(
        "HOST",
        "",
        "address to listen on; nothing: all interfaces, IPv4 and IPv6",
        listening_address,
    )
    port: int = setting(
        "PORT", "5005", "port to listen on; 0: any free one, which the log tells", integer(0, 65535)
    )
    cert_file: Path = setting(
        "CERT_FILE", "config/public-cert.pem", "the server's certificate and its chain, PEM", Path
    )
    key_file: Path = setting(
        "KEY_FILE", "config/private-key.pem", "the private key of that certificate, PEM", Path
    )
    key_pass: bytes | None = setting(
        "KEY_PASS",
        "",
        "passphrase of all private keys; a file is read again with the keys",
        optional(passphrase),
        secret=True,
        exact=True,
    )
    client_ca_file: Path | None = setting(
        "CLIENT_CA_FILE",
        "",
        "authorities of the certificates that devices must show besides their token, PEM; "
        "nothing: none is asked for. Tessel 1 boards have none, and are never asked",
        optional(Path),
    )
    client_crl_file: Path | None = setting(
        "CLIENT_CRL_FILE",
        "",
        "revocation lists (CRLs) of the authorities in CLIENT_CA_FILE, one of each, PEM (or one in "
        "DER): devices whose certificate is on its list are refused, and all devices of a list "
        "that has expired; read again on SIGHUP and when it changes; unset: no certificate is "
        "looked up",
        optional(Path),
    )
    legacy_port: int | None = setting(
        "LEGACY_PORT",
        "",
        "a second port, for Tessel 1 boards, whose TLS stops at 1.1; nothing: none",
        optional(integer(0, 65535)),
    )
    legacy_cert_file: Path = setting(
        "LEGACY_CERT_FILE",
        "config/tessel-1-cert.pem",
        "the certificate shown there, `make-cert --for-tessel-1` makes one, PEM",
        Path,
    )
    legacy_key_file: Path = setting(
        "LEGACY_KEY_FILE",
        "config/tessel-1-key.pem",
        "the private key of that certificate, PEM",
        Path,
    )
    auth_tessel_oa2: TokenService | None = setting(
        "AUTH_TESSEL_OA2",
        "",
        "the token service that knows the devices' tokens: http(s)://CLIENT_ID:CLIENT_SECRET@HOST; "
        "a file is read again on SIGHUP and when it changes",
        optional(token_service),
        secret=True,
    )
    auth_hardcoded: tuple[str, ...] | None = setting(
        "AUTH_HARDCODED",
        "",
        "the token that all devices share, or several, one on each line; AUTH_TESSEL_OA2 wins over "
        "it; a file is read again on SIGHUP and when it changes",
        optional(shared_tokens),
        secret=True,
        how_to_make=HOW_TO_MAKE,
    )
    auth_plugin: str | None = setting(
        "AUTH_PLUGIN",
        "",
        "a validator of your own, package.module:callable, instead of all others; loaded once, at "
        "the start",
        optional(plugin_name),
    )
    auth_file: Path | None = setting(
        "AUTH_FILE",
        "",
        "accounts and hashes of their tokens, made by tessel-proxy hash-token; asked first, the "
        "token service or else the shared token about what it does not know; read again on SIGHUP "
        "and when it changes",
        optional(Path),
    )
    target_ca_file: Path | None = setting(
        "TARGET_CA_FILE",
        "",
        "authorities to trust for TLS targets besides the system's, PEM; read again on SIGHUP and "
        "when it changes",
        optional(Path),
    )
    egress_mode: EgressMode = setting(
        "EGRESS_MODE",
        "enforce",
        "enforce: refuse loopback, private and other inner addresses; report: log what would be "
        "refused and let it through; open: refuse only what a rule denies",
        one_of(EgressMode),
    )
    egress_allow: tuple[Rule, ...] = setting(
        "EGRESS_ALLOW",
        "",
        "inner networks, addresses, names and .suffixes, each with optional :ports, that may be "
        "reached all the same, separated by blanks or commas",
        narrow_rules,
    )
    egress_deny: tuple[Rule, ...] = setting(
        "EGRESS_DENY",
        "",
        "targets that may not be reached, written as in EGRESS_ALLOW, or * for all; wins over it",
        rules,
    )
    policy_file: Path | None = setting(
        "POLICY_FILE",
        "",
        "egress rules for each account; read again on SIGHUP and when it changes",
        optional(Path),
    )
    auth_timeout_s: float = setting(
        "AUTH_TIMEOUT_S",
        "10",
        "seconds for a token: to arrive after the handshake, and to be checked",
        seconds,
    )
    auth_cache_s: float = setting(
        "AUTH_CACHE_S",
        "30",
        "seconds for which an answer about a token serves whoever sends it again; 0: none",
        seconds_or_none,
    )
    auth_stale_s: float = setting(
        "AUTH_STALE_S",
        "300",
        "seconds for which a token that was good still is while it cannot be checked; 0: none",
        seconds_or_none,
    )
    auth_recheck_s: float = setting(
        "AUTH_RECHECK_S",
        "60",
        "seconds after which an open tunnel's token is checked again; 0: never",
        seconds_or_none,
    )
    handshake_timeout_s: float = setting(
        "HANDSHAKE_TIMEOUT_S", "10", "seconds for a device's TLS handshake", seconds
    )
    ping_interval_s: float = setting(
        "PING_INTERVAL_S",
        "15",
        "seconds of silence after which a device that knows ping/1 is asked whether it is there; "
        "0: never",
        seconds_or_none,
    )
    ping_timeout_s: float = setting(
        "PING_TIMEOUT_S",
        "15",
        "seconds for it to say anything at all, else its tunnel is lost",
        seconds,
    )
    tcp_keepalive_idle_s: int = setting(
        "TCP_KEEPALIVE_IDLE_S",
        "60",
        "seconds without data on a TCP connection, of a device or to a target, after which the "
        "system sends keepalive probes; 0: no probes",
        integer(0, MAX_KEEPALIVE_S),
    )
    tcp_keepalive_interval_s: int = setting(
        "TCP_KEEPALIVE_INTERVAL_S",
        "15",
        "seconds between two keepalive probes",
        integer(1, MAX_KEEPALIVE_S),
    )
    tcp_keepalive_probes: int = setting(
        "TCP_KEEPALIVE_PROBES",
        "4",
        "keepalive probes without an answer after which a connection is lost",
        integer(1, MAX_KEEPALIVE_PROBES),
    )
    max_unauthenticated: int = setting(
        "MAX_UNAUTHENTICATED",
        "256",
        "connections that may be without an accepted token at a time",
        integer(1, 1_000_000),
    )
    max_wrong_tokens: int = setting(
        "MAX_WRONG_TOKENS",
        "50",
        "different wrong tokens that one address (IPv6: /64 network) may try in ten minutes; "
        "beyond them only tokens that were right from there are checked",
        integer(1, 1_000_000),
    )
    auth_penalty_s: float = setting(
        "AUTH_PENALTY_S",
        "300",
        "longest time for which a token that an address keeps sending is not checked again after "
        "being wrong; it begins with 1 s and doubles; 0: none, and no MAX_WRONG_TOKENS either",
        seconds_or_none,
    )
    max_handshakes: int = setting(
        "MAX_HANDSHAKES",
        "128",
        "TLS handshakes of devices that may be under way at a time",
        integer(1, 1_000_000),
    )
    max_tunnels: int = setting(
        "MAX_TUNNELS",
        "4096",
        "tunnels in all; fewer if the descriptors that the system allows do not suffice",
        integer(1, 1_000_000),
    )
    max_tunnels_per_account: int = setting(
        "MAX_TUNNELS_PER_ACCOUNT",
        "256",
        "tunnels per account; devices with a shared token are one account",
        integer(1, 1_000_000),
    )
    memory_max_mib: int = setting(
        "MEMORY_MAX_MIB",
        "1024",
        "memory of the process: from nine tenths on no new tunnels, then the one that holds most "
        "ends; 0: no limit",
        integer(0, 16_777_216),
    )
    connect_timeout_s: float = setting(
        "CONNECT_TIMEOUT_S", "30", "seconds to look up, reach and secure a target", seconds
    )
    max_substreams: int = setting(
        "MAX_SUBSTREAMS",
        "1024",
        "open substreams per tunnel",
        integer(1, MAX_CHANNELS_PER_SIDE),
    )
    max_substreams_per_account: int = setting(
        "MAX_SUBSTREAMS_PER_ACCOUNT",
        "4096",
        "open substreams per account, over all its tunnels",
        integer(1, 1_000_000),
    )
    substream_window_max: int = setting(
        "SUBSTREAM_WINDOW_MAX",
        "2097152",
        "bytes that a device may have under way on one substream in full use over a long path; "
        "it begins with 65536",
        integer(1024, MAX_CREDIT_BYTES),
    )
    tunnel_window_max: int = setting(
        "TUNNEL_WINDOW_MAX",
        "134217728",
        "bytes that a device may have under way on all substreams of one tunnel; more substreams "
        "than can be promised their first window are refused",
        integer(65536, 2**40),
    )
    # Off: a connection that waits for an event is silent for a good reason, and they are counted.
    substream_idle_s: float = setting(
        "SUBSTREAM_IDLE_S",
        "0",
        "seconds without a byte either way after which a substream is ended; 0: never",
        seconds_or_none,
    )
    opens_per_s: int = setting(
        "OPENS_PER_S",
        "200",
        "substreams that an account may open per second, ten seconds' worth of them at once",
        integer(1, 1_000_000),
    )
    # Off: what a link can do its operator knows, and a token that all share is one account.
    bytes_per_s: int = setting(
        "BYTES_PER_S",
        "0",
        "bytes per second that an account may move each way, over all its tunnels, one second's "
        "worth of them at once; 0: no limit",
        integer(0, 1_000_000_000_000),
    )
    bytes_per_day: int = setting(
        "BYTES_PER_DAY",
        "0",
        "bytes that an account may move in 24 hours, both ways together, from its first byte on; "
        "then its substreams end and new ones are refused; 0: no limit",
        integer(0, 1_000_000_000_000_000),
    )
    reload_look_s: float = setting(
        "RELOAD_LOOK_S",
        "5",
        "seconds between looks whether certificates or other files have changed",
        seconds,
    )
    proxy_protocol_from: Networks = setting(
        "PROXY_PROTOCOL_FROM",
        "",
        "load balancers whose connections begin with the PROXY protocol (version 1 or 2): networks "
        "or addresses, separated by blanks or commas",
        networks,
    )
    # Off: without a load balancer it would only make each stop longer.
    drain_delay_s: float = setting(
        "DRAIN_DELAY_S",
        "0",
        "seconds after SIGTERM in which /readyz already says 503 and new tunnels are still taken, "
        "so that load balancers send devices elsewhere first; DRAIN_S begins after them; 0: none",
        seconds_or_none,
    )
    drain_s: float = setting(
        "DRAIN_S",
        "30",
        "seconds for open substreams to finish after SIGTERM; 0: none",
        seconds_or_none,
    )
    drain_return_s: float | None = setting(
        "DRAIN_RETURN_S",
        "",
        "seconds after which devices of a draining proxy are to come back, and up to 5 s more, "
        "drawn for each device; unset: 8 s after the end of the drain, which takes DRAIN_S if "
        "connections are open, since a single proxy is away until then. Set it to 0 if another "
        "proxy takes over",
        optional(seconds_or_none),
    )
    admin_host: str = setting(
        "ADMIN_HOST",
        "127.0.0.1",
        "address for /healthz, /readyz and /metrics, which anybody there may ask",
        listening_address,
    )
    admin_port: int | None = setting(
        "ADMIN_PORT",
        "",
        "port for them; 0: any free one, which the log tells; unset: none",
        optional(integer(0, 65535)),
    )
    log_level: LogLevel = level_setting()
    log_format: LogFormat = format_setting()
    log_file: Path | None = setting(
        "LOG_FILE",
        "",
        "a regular file that gets the lines of the log besides standard error, such as one on a "
        "volume that outlives the container; unset: none",
        optional(Path),
    )
    log_file_mib: int = setting(
        "LOG_FILE_MIB",
        "10",
        "size in MiB at which LOG_FILE is renamed to .1, .1 to .2 and so on; the newest five files "
        "are kept",
        integer(1, 1_000_000),
    )

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> tuple[Self, list[str]]:
        config, faults = cls.read_only(environ, cls.table())
        return config, faults + _authenticator_faults(environ) + _pair_faults(config)

    @property
    def windows(self) -> Windows:
        """What a device is promised with credit/1."""
        return Windows(
            first=min(FIRST_WINDOW_BYTES, self.substream_window_max),
            substream_max=self.substream_window_max,
            tunnel_max=self.tunnel_window_max,
        )

    @property
    def keep_alive(self) -> KeepAliveTimes:
        """When TCP asks whether a peer is still there."""
        return KeepAliveTimes(
            self.tcp_keepalive_idle_s, self.tcp_keepalive_interval_s, self.tcp_keepalive_probes
        )

    @property
    def stop_s(self) -> float:
        """How long tunnels and targets may take to end after the first signal."""
        return self.drain_delay_s + self.drain_s

    @property
    def has_authenticator(self) -> bool:
        """Somebody says whose token is right."""
        return bool(
            self.auth_plugin or self.auth_file or self.auth_tessel_oa2 or self.auth_hardcoded
        )

    @classmethod
    def secret_files(cls, environ: Mapping[str, str]) -> dict[str, SecretFile]:
        """The secrets' files that can be read again, by the names of their fields."""
        found = {name: each.file(environ) for name, each in cls.table().items()}
        return {name: file for name, file in found.items() if file is not None}

    @classmethod
    def for_certificates(cls, environ: Mapping[str, str]) -> Self:
        """Only what make-cert needs; raises ConfigError."""
        return cls.some_from_env(
            environ, "cert_file", "key_file", "key_pass", "legacy_cert_file", "legacy_key_file"
        )

    @classmethod
    def for_tokens(cls, environ: Mapping[str, str]) -> Self:
        """Only what hash-token needs; raises ConfigError."""
        return cls.some_from_env(environ, "auth_file")


SETTINGS: Final = tuple(Config.table().values())


def _pair_faults(config: Config) -> list[str]:
    """Settings that do not go together."""
    return [*_port_faults(config), *_revocation_faults(config)]


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
    # Judged by what is set, not by what could be read: an authenticator with a fault of its own
    # is reported once, and not as missing besides.
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
