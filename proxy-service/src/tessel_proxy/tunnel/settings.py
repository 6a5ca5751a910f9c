"""Settings of a tunnel and its substreams: timeouts, pings, windows, the drain."""

# ruff: noqa: RUF009 -- setting() declares a field, as dataclasses.field() does
from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from streamplex.credit import FIRST_WINDOW_BYTES, MAX_CREDIT_BYTES, Windows
from streamplex.tx.tcp import KeepAliveTimes
from tessel_proxy.auth.settings import AuthSettings
from tessel_proxy.limits.settings import LimitSettings
from tessel_service_kit.parsers import integer, optional, seconds, seconds_or_none
from tessel_service_kit.settings import setting

MAX_KEEPALIVE_S = 32_767  # the largest TCP_KEEPIDLE and TCP_KEEPINTVL of Linux
MAX_KEEPALIVE_PROBES = 127  # the largest TCP_KEEPCNT of Linux


@dataclass(frozen=True, kw_only=True)
class TunnelSettings(LimitSettings, AuthSettings):
    """Settings of a tunnel and its substreams, including their limits and the token check."""

    handshake_timeout_s: float = setting(
        "HANDSHAKE_TIMEOUT_S",
        "10",
        "seconds for a device to complete its TLS handshake; then the connection is closed",
        seconds,
    )
    ping_interval_s: float = setting(
        "PING_INTERVAL_S",
        "15",
        "seconds without data from a device that supports ping/1 until the proxy sends a ping; "
        "0: no pings",
        seconds_or_none,
    )
    ping_timeout_s: float = setting(
        "PING_TIMEOUT_S",
        "15",
        "seconds to wait for any data after a ping before the tunnel is closed",
        seconds,
    )
    tcp_keepalive_idle_s: int = setting(
        "TCP_KEEPALIVE_IDLE_S",
        "60",
        "seconds without data on a TCP connection, from a device or to a target, until the system "
        "sends keepalive probes; 0: no probes",
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
        "keepalive probes without an answer after which a connection is closed",
        integer(1, MAX_KEEPALIVE_PROBES),
    )
    target_ca_file: Path | None = setting(
        "TARGET_CA_FILE",
        "",
        "file of authorities to trust for TLS targets besides the system's, PEM; read again on "
        "SIGHUP and when it changes; unset: only the system's",
        optional(Path),
    )
    connect_timeout_s: float = setting(
        "CONNECT_TIMEOUT_S",
        "30",
        "seconds to look up a target, connect to it and, if the proxy does the TLS, complete the "
        "handshake; then the substream fails",
        seconds,
    )
    substream_window_max: int = setting(
        "SUBSTREAM_WINDOW_MAX",
        "2097152",
        "maximum flow-control window of one substream in bytes (credit/1): at most this many "
        "bytes wait for the target; a window begins with 65536 bytes, or with the maximum if that "
        "is less, and grows with use",
        integer(1024, MAX_CREDIT_BYTES),
    )
    tunnel_window_max: int = setting(
        "TUNNEL_WINDOW_MAX",
        "134217728",
        "maximum sum of the windows of one tunnel's substreams in bytes (credit/1); a new "
        "substream is refused if its first window does not fit",
        integer(65536, 2**40),
    )
    # Off: a connection that waits for an event is silent for a good reason, and they are counted.
    substream_idle_s: float = setting(
        "SUBSTREAM_IDLE_S",
        "0",
        "seconds without data in either direction until a substream is closed; 0: no timeout",
        seconds_or_none,
    )
    # Off: without a load balancer it would only make each stop longer.
    drain_delay_s: float = setting(
        "DRAIN_DELAY_S",
        "0",
        "seconds after SIGTERM in which /readyz already answers 503 while new tunnels are still "
        "accepted, so that load balancers send devices elsewhere; DRAIN_S begins after this delay; "
        "0: no delay",
        seconds_or_none,
    )
    drain_s: float = setting(
        "DRAIN_S",
        "30",
        "seconds that open substreams have to finish after SIGTERM; 0: they are closed at once",
        seconds_or_none,
    )
    drain_return_s: float | None = setting(
        "DRAIN_RETURN_S",
        "",
        "seconds that a stopping proxy asks its devices to wait before they reconnect; up to 5 s "
        "are added, at random for each device; 0: at once, if another proxy takes over; unset: 8 s "
        "after the end of the drain, time enough for this proxy to restart",
        optional(seconds_or_none),
    )

    @cached_property
    def windows(self) -> Windows:
        """The flow-control window sizes in bytes that a device with credit/1 gets."""
        return Windows(
            first=min(FIRST_WINDOW_BYTES, self.substream_window_max),
            substream_max=self.substream_window_max,
            tunnel_max=self.tunnel_window_max,
        )

    @property
    def keep_alive(self) -> KeepAliveTimes:
        """The times of TCP keepalive probes on connections with devices and targets."""
        return KeepAliveTimes(
            self.tcp_keepalive_idle_s, self.tcp_keepalive_interval_s, self.tcp_keepalive_probes
        )

    @property
    def stop_s(self) -> float:
        """Seconds from SIGTERM until tunnels are closed: DRAIN_DELAY_S and DRAIN_S together."""
        return self.drain_delay_s + self.drain_s
