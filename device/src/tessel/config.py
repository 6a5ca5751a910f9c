"""The settings of a device: the live environment -> Settings, once, at the first connection.

A program may set `TM_API_KEY` and the like itself before it connects, as programs for the original
do, so nothing is read earlier; but what is malformed when it starts, it is told then (`malformed`).
An empty value counts as unset. A secret may stand in a file instead: `NAME_FILE` names it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from cryptography import x509

from tessel.errors import NodeError
from tessel.radio_config import RadioSettings
from tessel.reading import Expected, Reader
from tessel.settings import (
    DEFAULT_IDLE_MS,
    DEFAULT_LOCAL,
    DEFAULT_PING_INTERVAL_S,
    DEFAULT_PING_TIMEOUT_S,
    DEFAULT_PORT,
)
from tessel_service_kit.files import hints_of_exposed
from tessel_service_kit.texts import counted, lines_of, token

HIGHEST_PORT = 65_535
HIGHEST_PING_S = 86_400  # a day: past that nobody is meant to notice anything
HIGHEST_IDLE_MS = 2**31 - 1  # Node's timers go no further
TOKENS = ("PROXY_TOKEN", "TM_API_KEY")  # the first that is set counts
IPV4_MAPPED_BITS = 96  # of ::ffff:0:0/96
LONGEST_DEVICE_NAME = 64  # as the wire allows
ASK_THE_OPERATOR = (
    "; the operator of the proxy has the token: it is in AUTH_HARDCODED_FILE there, or "
    "`tessel-proxy hash-token ACCOUNT` makes one"
)

_SEPARATORS = re.compile(r"[\s,]+")
_NAME = re.compile(r"[\w-]+(\.[\w-]+)*")  # a host's, in any script
_CERTIFICATE_BEGINS = b"-----BEGIN CERTIFICATE-----"
_FILE_HINT = "; a file of them is named by PROXY_CERT_FILE"

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


class SettingsError(NodeError):
    """Settings that cannot be used: each named, with what is expected. Secrets are not shown."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults), "ERR_SETTINGS")
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class LocalTargets:
    """PROXY_LOCAL: the targets that are always reached directly."""

    networks: tuple[Network, ...]
    domains: frozenset[str]  # without the leading dot; all below them belong to them
    names: frozenset[str]
    addresses: frozenset[Address]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the environment said at the first connection."""

    token: str | None
    token_setting: str | None  # the variable that it came from
    proxy_host: str | None
    proxy_port: int
    proxy_cert: bytes | None  # PEM; None: the system's trust store
    trusted: bool
    end_to_end: bool
    local: LocalTargets
    idle_s: float
    ping_interval_s: int  # 0: the proxy is never asked whether it is there
    ping_timeout_s: int
    device: str | None
    radio: RadioSettings

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Settings:
        """Read them all; SettingsError names every fault at once."""
        reader = _Reader(environ)
        token_setting, token = reader.token()
        settings = cls(
            token=token,
            token_setting=token_setting,
            proxy_host=reader.value("PROXY_HOST", _host, None),
            proxy_port=reader.value("PROXY_PORT", _port, DEFAULT_PORT),
            proxy_cert=reader.certificates(),
            trusted=reader.value("PROXY_TRUSTED", _flag, False),
            end_to_end=reader.value("PROXY_TLS", _tls_mode, False),
            local=reader.value("PROXY_LOCAL", _local, _local(DEFAULT_LOCAL)),
            idle_s=reader.value("PROXY_IDLE", _idle_ms, DEFAULT_IDLE_MS) / 1000,
            ping_interval_s=reader.value("PING_INTERVAL_S", _interval_s, DEFAULT_PING_INTERVAL_S),
            ping_timeout_s=reader.value("PING_TIMEOUT_S", _timeout_s, DEFAULT_PING_TIMEOUT_S),
            device=reader.value("PROXY_DEVICE", _device, None),
            radio=RadioSettings.read(reader),
        )
        if settings.token is not None and settings.proxy_host is None and not reader.faults:
            reader.faults.append(
                "PROXY_HOST is not set, though there is a token: "
                "the name or address of your proxy server is expected"
            )
        if reader.faults:
            raise SettingsError(reader.faults)
        return settings


def malformed(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The faults of what is set now. What is missing may still be set by the program."""
    try:
        Settings.from_env({"PROXY_HOST": "set.later.invalid", **_filled(environ)})
    except SettingsError as fault:
        return fault.faults
    return ()


def exposed(environ: Mapping[str, str]) -> list[str]:
    """A hint for each file with a secret that every user of this machine can read."""
    reader = _Reader(environ)
    reader.token()
    reader.text_or_file("WIFI_PASSWORD")
    return hints_of_exposed(reader.files)


def _filled(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if value}


class _Reader(Reader):
    """Of what the proxy needs."""

    def token(self) -> tuple[str | None, str | None]:
        """It, and before it the variable that it came from."""
        for name in TOKENS:
            source, text = self.text_or_file(name, ASK_THE_OPERATOR)
            if text is not None:
                return source, self._one_token(source, text)
        return None, None

    def _one_token(self, source: str, text: str) -> str | None:
        tokens = lines_of(text)
        if len(tokens) != 1:
            self.faults.append(
                f"{source} (not shown) has {counted(len(tokens), 'token')}; expected: one"
            )
            return None
        try:
            return token(tokens[0])
        except ValueError as error:
            self.faults.append(f"{source} (not shown) cannot be used; expected: {error}")
            return None

    def certificates(self) -> bytes | None:
        source, text = self.text_or_file("PROXY_CERT")
        if text is None:
            return None
        pem = text.encode(errors="surrogateescape")
        if not _are_certificates(pem):
            self.faults.append(
                f"{source} is {counted(len(pem), 'byte')} that cannot be read as certificates; "
                f"expected: certificates as PEM text{_pem_hint(text)}"
            )
        return pem


def _host(text: str) -> str:
    host = text.removeprefix("[").removesuffix("]")
    if "/" in host or "@" in host or any(c.isspace() for c in host):
        raise Expected("a name or an address, without a scheme or path")
    if ":" in host and not isinstance(literal(host), ipaddress.IPv6Address):
        raise Expected("a name or an address; the port stands in PROXY_PORT")
    return host


def _port(text: str) -> int:
    return _number(text, 1, HIGHEST_PORT)


def _idle_ms(text: str) -> int:
    return _number(text, 0, HIGHEST_IDLE_MS)


def _interval_s(text: str) -> int:
    return _number(text, 0, HIGHEST_PING_S)


def _timeout_s(text: str) -> int:
    return _number(text, 1, HIGHEST_PING_S)


def _number(text: str, lowest: int, highest: int) -> int:
    digits = text.isascii() and text.isdigit() and len(text) <= len(str(highest))
    if not digits or not lowest <= int(text) <= highest:
        raise Expected(f"a whole number from {lowest} to {highest}")
    return int(text)


def _flag(text: str) -> bool:
    try:
        return int(text[:20]) != 0
    except ValueError:
        raise Expected("0, or a number other than 0 for yes") from None


def _tls_mode(text: str) -> bool:
    if text.lower() != "end-to-end":
        raise Expected("end-to-end, or nothing")
    return True


def _device(text: str) -> str:
    if len(text) > LONGEST_DEVICE_NAME or not text.isprintable():
        raise Expected(f"a printable name of at most {LONGEST_DEVICE_NAME} characters")
    return text


def _local(text: str) -> LocalTargets:
    entries = [entry.lower().rstrip(".") for entry in _SEPARATORS.split(text) if entry]
    exact = [e for e in entries if "/" not in e and not e.startswith(".")]
    found = {entry: _exact(entry) for entry in exact}
    return LocalTargets(
        networks=tuple(_network(e) for e in entries if "/" in e),
        domains=frozenset(_domain(e) for e in entries if "/" not in e and e.startswith(".")),
        names=frozenset(e for e, address in found.items() if address is None),
        addresses=frozenset(address for address in found.values() if address is not None),
    )


def _network(entry: str) -> Network:
    try:
        network = ipaddress.ip_network(entry, strict=False)
    except ValueError:
        raise _no_target(entry) from None
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is None or network.prefixlen < IPV4_MAPPED_BITS:
        return network
    # a target in it counts as IPv4, as `literal` says
    return ipaddress.IPv4Network((mapped, network.prefixlen - IPV4_MAPPED_BITS))


def _domain(entry: str) -> str:
    domain = entry.removeprefix(".")
    if not _NAME.fullmatch(domain):
        raise _no_target(entry)
    return domain


def _exact(entry: str) -> Address | None:
    """The address that it is; None: it is a name."""
    address = literal(entry)
    if address is None and not _NAME.fullmatch(entry):
        raise _no_target(entry)  # 127.0.0.1:80, *.example.com: nothing would ever match it
    return address


def _no_target(entry: str) -> Expected:
    return Expected(
        "addresses and names without a port, networks such as 10.0.0.0/8, or domains such as "
        f".example.com, separated by blanks or commas ({entry!r} is none)"
    )


def literal(host: str) -> Address | None:
    """The address that a host is, if it is one and no name. IPv4 in IPv6 is that IPv4 address."""
    try:
        address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address


def _pem_hint(text: str) -> str:
    if "\n" in text.strip():
        return ""
    if "-----" not in text:
        return _FILE_HINT
    return r", with real line ends and not \n" if r"\n" in text else ""


def _are_certificates(pem: bytes) -> bool:
    """All of them, for all are loaded when the tunnel is opened. One that breaks off is none."""
    try:
        return len(x509.load_pem_x509_certificates(pem)) == pem.count(_CERTIFICATE_BEGINS)
    except ValueError:
        return False
