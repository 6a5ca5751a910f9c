"""Parsers of the device's settings: each gets a variable's text and returns the setting's value.

A parser raises ValueError for a text that is not allowed. The error says what is allowed, and never
quotes a text that may be a secret.
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
    """Return a parser that accepts the `known` names in any case and returns them in lower case."""

    def parse(text: str) -> str:
        if text.lower() not in known:
            raise ValueError(" or ".join(known))
        return text.lower()

    return parse


def token(text: str) -> str:
    """Return the token in a text, which may be a file's text with one token and comments.

    Raises ValueError if there is not exactly one token, or if it is malformed.
    """
    tokens = lines_of(text)
    if len(tokens) != 1:
        raise ValueError(f"one token; it has {len(tokens)}")
    return checked_token(tokens[0])


def host(text: str) -> str:
    """Return a host name or IP address, without the brackets that may surround an address.

    Raises ValueError if the text contains a scheme, a path, a user, a port or a space.
    """
    bare = text.removeprefix("[").removesuffix("]")
    if "/" in bare or "@" in bare or any(c.isspace() for c in bare):
        raise ValueError("a name or an address, without a scheme or path")
    if ":" in bare and not isinstance(literal(bare), ipaddress.IPv6Address):
        raise ValueError("a name or an address; set the port in PROXY_PORT")
    return bare


def number_flag(text: str) -> bool:
    """Return False for the number 0, True for every other number; also for `false` and `true`.

    A JavaScript program that assigns a boolean to process.env sets one of these two texts.
    """
    if text in ("true", "false"):
        return text == "true"
    try:
        return int(text[:20]) != 0
    except ValueError:
        raise ValueError("0 or false for no, another number or true for yes") from None


def end_to_end(text: str) -> bool:
    """Return True for `end-to-end`, the only value of PROXY_TLS; False for an empty text."""
    if text.lower() not in ("", "end-to-end"):
        raise ValueError("end-to-end, or nothing")
    return bool(text)


def board(text: str) -> bool:
    """Return True for `board`, the only value of TESSEL_COMPAT; False for an empty text."""
    if text not in ("", "board"):
        raise ValueError("board, or nothing")
    return bool(text)


def device_name(text: str) -> str:
    """Return the name of a device unchanged if it is allowed.

    Raises ValueError if it is longer than MAX_DEVICE_NAME or has unprintable characters.
    """
    if len(text) > MAX_DEVICE_NAME or not text.isprintable():
        raise ValueError(f"a printable name of at most {MAX_DEVICE_NAME} characters")
    return text


# Targets.


@dataclass(frozen=True, slots=True)
class LocalTargets:
    """The targets in PROXY_LOCAL. Connections to them go directly instead of through the tunnel."""

    networks: tuple[Network, ...]
    domains: frozenset[str]  # without the leading dot; names below them count, too
    names: frozenset[str]
    addresses: frozenset[Address]


def local_targets(text: str) -> LocalTargets:
    """Return the targets that a value of PROXY_LOCAL lists.

    The text has networks (10.0.0.0/8), addresses, names, and domains (.example.com), separated by
    spaces or commas.
    """
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
    """Return a text of PEM certificates as bytes, after a check that each can be loaded."""
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
    """Return the absolute path of an SPI device unchanged, such as /dev/spidev0.0."""
    if not text.startswith("/"):
        raise ValueError(f"the path of an SPI device, such as {DEFAULT_SPI}")
    return text


def gpio_line(text: str) -> GpioLine:
    """Return the GPIO line that a text names; the forms are those of GpioLine.parse."""
    try:
        return GpioLine.parse(text)
    except ValueError:
        raise ValueError(
            "a line of a GPIO chip: its number or name, with the chip before it if that is not "
            "gpiochip0, such as gpiochip4:22"
        ) from None


def ssid(text: str) -> bytes:
    """Return the name of a Wi-Fi network as bytes, at most MAX_SSID_BYTES."""
    data = text.encode(errors="surrogateescape")
    if len(data) > MAX_SSID_BYTES:
        raise ValueError(f"the name of a network, at most {MAX_SSID_BYTES} bytes")
    return data


def wifi_password(text: str) -> bytes:
    """Return the password of a Wi-Fi network as UTF-8 bytes, at most MAX_PASSWORD_BYTES."""
    try:
        data = text.encode()
    except UnicodeEncodeError:  # its own text would quote the password
        raise ValueError("text in UTF-8") from None
    if len(data) > MAX_PASSWORD_BYTES:
        raise ValueError(f"at most {MAX_PASSWORD_BYTES} bytes; it has {len(data)}")
    return data
