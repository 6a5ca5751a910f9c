"""Parsers of the device's settings. They raise ValueError with a text that says what is allowed.

A text that is not allowed is never part of the error if it may be a secret.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from cryptography import x509

from tessel.addresses import Address, literal
from tessel.gpio import GpioLine
from tessel_service_kit.texts import lines_of
from tessel_service_kit.texts import token as checked_token

MAX_DEVICE_NAME: Final = 64  # characters, as the wire allows
MAX_SSID_BYTES: Final = 32  # as the chip accepts
MAX_PASSWORD_BYTES: Final = 64  # as the chip accepts
DEFAULT_SPI: Final = "/dev/spidev0.0"
IPV4_MAPPED_BITS: Final = 96  # of ::ffff:0:0/96

_SEPARATORS: Final = re.compile(r"[\s,]+")
_NAME: Final = re.compile(r"[\w-]+(\.[\w-]+)*")  # of a host, in any script
_CERTIFICATE_BEGINS: Final = b"-----BEGIN CERTIFICATE-----"

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


def choice(known: tuple[str, ...]) -> Callable[[str], str]:
    """Return a parser for one of these names, in lower or upper case."""

    def parse(text: str) -> str:
        if text.lower() not in known:
            raise ValueError(" or ".join(known))
        return text.lower()

    return parse


def token(text: str) -> str:
    """Parse the text of a token, or of a file with one token and comments."""
    tokens = lines_of(text)
    if len(tokens) != 1:
        raise ValueError(f"one token; it has {len(tokens)}")
    return checked_token(tokens[0])


def host(text: str) -> str:
    """Parse a host: a name or an address, the latter perhaps in brackets."""
    bare = text.removeprefix("[").removesuffix("]")
    if "/" in bare or "@" in bare or any(c.isspace() for c in bare):
        raise ValueError("a name or an address, without a scheme or path")
    if ":" in bare and not isinstance(literal(bare), ipaddress.IPv6Address):
        raise ValueError("a name or an address; set the port in PROXY_PORT")
    return bare


def number_flag(text: str) -> bool:
    """Parse a number; all but 0 mean True."""
    try:
        return int(text[:20]) != 0
    except ValueError:
        raise ValueError("0 for no, or another number for yes") from None


def end_to_end(text: str) -> bool:
    """Parse `end-to-end`, the one value of PROXY_TLS; nothing means False."""
    if text.lower() not in ("", "end-to-end"):
        raise ValueError("end-to-end, or nothing")
    return bool(text)


def device_name(text: str) -> str:
    """Check the name of a device and return it unchanged.

    Raises ValueError if it is longer than MAX_DEVICE_NAME or has unprintable characters.
    """
    if len(text) > MAX_DEVICE_NAME or not text.isprintable():
        raise ValueError(f"a printable name of at most {MAX_DEVICE_NAME} characters")
    return text


# Targets.


@dataclass(frozen=True, slots=True)
class LocalTargets:
    """The targets of PROXY_LOCAL, to which connections go directly."""

    networks: tuple[Network, ...]
    domains: frozenset[str]  # without the leading dot; names below them count, too
    names: frozenset[str]
    addresses: frozenset[Address]


def local_targets(text: str) -> LocalTargets:
    """Parse networks, addresses, names and domains, separated by spaces or commas."""
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
    # `literal` returns such addresses as IPv4, too
    return ipaddress.IPv4Network((mapped, network.prefixlen - IPV4_MAPPED_BITS))


def _domain(entry: str) -> str:
    domain = entry.removeprefix(".")
    if not _NAME.fullmatch(domain):
        raise _no_target(entry)
    return domain


def _exact(entry: str) -> Address | None:
    """Return the address; None if the entry is a name."""
    address = literal(entry)
    if address is None and not _NAME.fullmatch(entry):
        raise _no_target(entry)  # such as 127.0.0.1:80 or *.example.com
    return address


def _no_target(entry: str) -> ValueError:
    return ValueError(
        "addresses and names without a port, networks such as 10.0.0.0/8, or domains such as "
        f".example.com, separated by spaces or commas ({entry!r} is none)"
    )


# Certificates.


def certificates(text: str) -> bytes:
    """Parse certificates in PEM; return the PEM."""
    pem = text.encode(errors="surrogateescape")
    if not _are_certificates(pem):
        raise ValueError(
            f"certificates as PEM text; these {len(pem)} bytes are not{_pem_hint(text)}"
        )
    return pem


def _pem_hint(text: str) -> str:
    if "\n" in text.strip():
        return ""
    if "-----" not in text:
        return "; the path of a file belongs in PROXY_CERT_FILE"
    return r"; use real line ends and not \n" if r"\n" in text else ""


def _are_certificates(pem: bytes) -> bool:
    """Return whether all of them are complete: the tunnel's TLS loads all."""
    try:
        return len(x509.load_pem_x509_certificates(pem)) == pem.count(_CERTIFICATE_BEGINS)
    except ValueError:
        return False


# The radio.


def spi_device(text: str) -> str:
    """Parse the path of an SPI device."""
    if not text.startswith("/"):
        raise ValueError(f"the path of an SPI device, such as {DEFAULT_SPI}")
    return text


def gpio_line(text: str) -> GpioLine:
    """Parse a line of a GPIO chip; see GpioLine.parse."""
    try:
        return GpioLine.parse(text)
    except ValueError:
        raise ValueError(
            "a line of a GPIO chip: its number or name, with the chip before it if that is not "
            "gpiochip0, such as gpiochip4:22"
        ) from None


def ssid(text: str) -> bytes:
    """Parse the name of a Wi-Fi network."""
    data = text.encode(errors="surrogateescape")
    if len(data) > MAX_SSID_BYTES:
        raise ValueError(f"the name of a network, at most {MAX_SSID_BYTES} bytes")
    return data


def wifi_password(text: str) -> bytes:
    """Parse the password of a Wi-Fi network."""
    try:
        data = text.encode()
    except UnicodeEncodeError:  # its own text would quote the password
        raise ValueError("text in UTF-8") from None
    if len(data) > MAX_PASSWORD_BYTES:
        raise ValueError(f"at most {MAX_PASSWORD_BYTES} bytes; it has {len(data)}")
    return data
