"""Settings of the listeners: addresses, TLS with devices, load balancers."""

# ruff: noqa: RUF009 -- setting() declares a field, as dataclasses.field() does
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tessel_proxy.certificates.settings import CertificateSettings
from tessel_proxy.front.networks import Networks, networks
from tessel_service_kit.parsers import integer, listening_address, optional
from tessel_service_kit.settings import setting


@dataclass(frozen=True, kw_only=True)
class FrontSettings(CertificateSettings):
    """Settings of the ports for devices: addresses, client certificates, load balancers."""

    host: str = setting(
        "HOST",
        "",
        "address to listen on; unset: all interfaces, IPv4 and IPv6",
        listening_address,
    )
    port: int = setting(
        "PORT",
        "5005",
        "TCP port to listen on; 0: any free port, which is written to the log",
        integer(0, 65535),
    )
    client_ca_file: Path | None = setting(
        "CLIENT_CA_FILE",
        "",
        "file of certificate authorities, PEM. Besides its token, each device must present a "
        "certificate that one of them has issued; unset: devices need no certificate. Tessel 1 "
        "boards never need one",
        optional(Path),
    )
    client_crl_file: Path | None = setting(
        "CLIENT_CRL_FILE",
        "",
        "file of revocation lists (CRLs), one for each authority in CLIENT_CA_FILE, PEM (or one in "
        "DER). Devices with a revoked certificate are refused, and all devices of an authority "
        "whose list has expired. Read again on SIGHUP and when it changes; unset: no certificate "
        "is checked for revocation",
        optional(Path),
    )
    legacy_port: int | None = setting(
        "LEGACY_PORT",
        "",
        "second TCP port, for Tessel 1 boards, which support TLS up to 1.1; 0: any free port; "
        "unset: no second port",
        optional(integer(0, 65535)),
    )
    proxy_protocol_from: Networks = setting(
        "PROXY_PROTOCOL_FROM",
        "",
        "networks or addresses of load balancers that send the PROXY protocol (version 1 or 2), "
        "separated by spaces or commas; unset: the proxy expects no such header",
        networks,
    )
