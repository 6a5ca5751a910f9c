"""Choose the route of a connection by its target, its options and the settings. Pure.

The first rule that applies decides:

1. no token                      directly
2. proxy=False                   directly
3. the target is local           directly
4. not TLS                       `net` substream
5. TLS, PROXY_TLS=end-to-end     the device's own TLS over a `net` substream; before rule 6, so that
                                 PROXY_TRUSTED as well does not weaken it
6. TLS, PROXY_TRUSTED            `tls` substream: the proxy does the TLS; as in rule 5 if the
                                 connection has TLS options of its own (`has_own_options`)
7. TLS                           directly
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto

from tessel.addresses import literal
from tessel.network.interface import TlsOptions
from tessel.setting_parsers import LocalTargets
from tessel.settings import Settings


class Way(Enum):
    """The ways of a connection's bytes to its target: directly, or in a substream of the tunnel."""

    DIRECT = auto()
    NET_SUBSTREAM = auto()
    TLS_SUBSTREAM = auto()
    END_TO_END = auto()


@dataclass(frozen=True, slots=True)
class Route:
    """The way that was chosen for a connection, and the reason as text for the log."""

    way: Way
    reason: str


def route(host: str, tls: TlsOptions | None, settings: Settings, *, proxy: bool) -> Route:
    """Return the route of a connection to `host`, by the rules of this module.

    `tls` None: the connection does not use TLS. `proxy` False: the program forbids the tunnel.
    """
    if settings.token is None:
        return Route(Way.DIRECT, "there is no token")
    if not proxy:
        return Route(Way.DIRECT, "the connection has proxy=False")
    if is_local(host, settings.local):
        return Route(Way.DIRECT, "the target is in PROXY_LOCAL")
    if tls is None:
        return Route(Way.NET_SUBSTREAM, "there is a token")
    return _route_tls(host, tls, settings)


def _route_tls(host: str, tls: TlsOptions, settings: Settings) -> Route:
    if settings.end_to_end:
        return Route(Way.END_TO_END, "PROXY_TLS=end-to-end")
    if not settings.trusted:
        return Route(Way.DIRECT, "TLS, and neither PROXY_TLS=end-to-end nor PROXY_TRUSTED is set")
    if has_own_options(host, tls):
        return Route(Way.END_TO_END, "PROXY_TRUSTED, but the connection has TLS options of its own")
    return Route(Way.TLS_SUBSTREAM, "PROXY_TRUSTED")


def has_own_options(host: str, tls: TlsOptions) -> bool:
    """Return whether the program set TLS options that the proxy's TLS would not respect.

    The wire cannot carry TLS options, so the device must then do the TLS itself. Two options do not
    count, because the agent of Node's `https` always sets them and they change nothing: a
    `servername` that is the host (or, for an address, "", which is the same), and ALPN with only
    `http/1.1`. `extra_ca` does not count either: it belongs to the device, like its authorities.
    """
    unchanged = _is_same_name(host, tls.servername)
    http_only = tls.alpn_protocols == (b"http/1.1",)
    others = replace(
        tls,
        servername=None if unchanged else tls.servername,
        alpn_protocols=None if http_only else tls.alpn_protocols,
        extra_ca=None,
    )
    return others != TlsOptions()


def _is_same_name(host: str, servername: str | None) -> bool:
    """Return whether a servername means the host itself: in SNI, and in the check of the name."""
    if servername is None:
        return True
    address = literal(host)
    if address is not None:
        return servername == "" or literal(servername) == address
    return servername.lower().removesuffix(".") == host.lower().removesuffix(".")


def is_local(host: str, local: LocalTargets) -> bool:
    """Return whether PROXY_LOCAL contains this host, so that connections to it go directly.

    A name is compared as text and not looked up.
    """
    name = host.lower().rstrip(".")
    address = literal(name)
    if address is None:
        return name in local.names or _is_below(name, local.domains)
    return address in local.addresses or any(address in network for network in local.networks)


def _is_below(name: str, domains: frozenset[str]) -> bool:
    labels = name.split(".")
    return any(".".join(labels[start:]) in domains for start in range(len(labels)))
