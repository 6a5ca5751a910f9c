"""Settings of the limits: how many connections, bytes and how much memory."""

from __future__ import annotations

from dataclasses import dataclass

from tessel_service_kit.parsers import integer
from tessel_service_kit.settings import Settings, setting

MAX_CHANNELS_PER_SIDE = 32_767  # even channel numbers that a device can open on one tunnel


@dataclass(frozen=True, kw_only=True)
class LimitSettings(Settings):
    """The settings that limit the whole proxy, one account, and one tunnel."""

    max_unauthenticated: int = setting(
        "MAX_UNAUTHENTICATED",
        "256",
        "connections without an accepted token that may be open at the same time",
        integer(1, 1_000_000),
    )
    max_handshakes: int = setting(
        "MAX_HANDSHAKES",
        "128",
        "TLS handshakes with devices that may be in progress at the same time",
        integer(1, 1_000_000),
    )
    max_tunnels: int = setting(
        "MAX_TUNNELS",
        "4096",
        "tunnels that may be open in total; fewer if the limit of open files leaves less room",
        integer(1, 1_000_000),
    )
    max_tunnels_per_account: int = setting(
        "MAX_TUNNELS_PER_ACCOUNT",
        "256",
        "tunnels that one account may have open; devices with a shared token are one account",
        integer(1, 1_000_000),
    )
    max_substreams: int = setting(
        "MAX_SUBSTREAMS",
        "1024",
        "substreams that one tunnel may have open",
        integer(1, MAX_CHANNELS_PER_SIDE),
    )
    max_substreams_per_account: int = setting(
        "MAX_SUBSTREAMS_PER_ACCOUNT",
        "4096",
        "substreams that one account may have open, over all its tunnels",
        integer(1, 1_000_000),
    )
    opens_per_s: int = setting(
        "OPENS_PER_S",
        "200",
        "substreams per second that one account may open on average; ten seconds' worth may be "
        "opened at once",
        integer(1, 1_000_000),
    )
    # Off: only the operator knows the capacity of the link, and a shared token is one account.
    bytes_per_s: int = setting(
        "BYTES_PER_S",
        "0",
        "bytes per second that one account may move in each direction, over all its tunnels; one "
        "second's worth may be moved at once; 0: no limit",
        integer(0, 1_000_000_000_000),
    )
    bytes_per_day: int = setting(
        "BYTES_PER_DAY",
        "0",
        "bytes that one account may move in 24 hours, both directions together, counted from its "
        "first byte; after that its substreams end and new ones are refused; 0: no limit",
        integer(0, 1_000_000_000_000_000),
    )
    memory_max_mib: int = setting(
        "MEMORY_MAX_MIB",
        "1024",
        "memory of the process in MiB; from 90 % on, new tunnels are refused; at 100 %, the "
        "tunnel that holds most bytes is closed; 0: no limit",
        integer(0, 16_777_216),
    )

    @property
    def max_waiting_for_header(self) -> int:
        """Number of load balancers' connections that may wait for their PROXY header.

        They need file descriptors, too. 0 in this class; the Config of the proxy overrides it if
        PROXY_PROTOCOL_FROM is set.
        """
        return 0
