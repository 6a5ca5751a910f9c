"""The settings of the radio: which one, where its pins are, and the network it joins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tessel.gpio import Line, Pins
from tessel.reading import Expected, Reader
from tessel.settings import (
    DEFAULT_CS,
    DEFAULT_IRQ,
    DEFAULT_POWER,
    DEFAULT_SPI,
    PROFILES,
    RADIOS,
    SECURITIES,
)
from tessel_service_kit.texts import without_line_ends

LONGEST_SSID, LONGEST_KEY = 32, 64  # bytes; what the chip takes


@dataclass(frozen=True, slots=True, kw_only=True)
class RadioSettings:
    """What the environment said of the radio."""

    kind: str
    profile: str  # of the simulated chip
    pins: Pins  # of a real one
    ssid: bytes | None  # None: the program joins a network itself, if any
    security: str
    password: bytes = field(repr=False)

    @classmethod
    def read(cls, reader: Reader) -> RadioSettings:
        password = _password(reader)
        return cls(
            kind=reader.value("RADIO", _one_of(RADIOS), RADIOS[0]),
            profile=reader.value("CC3000_PROFILE", _one_of(PROFILES), PROFILES[0]),
            pins=Pins(
                spi=reader.value("CC3000_SPI", _device, DEFAULT_SPI),
                chip_select=reader.value("CC3000_GPIO_CS", _line, Line.parse(DEFAULT_CS)),
                irq=reader.value("CC3000_GPIO_IRQ", _line, Line.parse(DEFAULT_IRQ)),
                power=reader.value("CC3000_GPIO_VBAT_EN", _line, Line.parse(DEFAULT_POWER)),
            ),
            ssid=reader.value("WIFI_SSID", _ssid, None),
            security=reader.value(
                "WIFI_SECURITY", _one_of(SECURITIES), "wpa2" if password else "unsecured"
            ),
            password=password,
        )


def _password(reader: Reader) -> bytes:
    source, text = reader.text_or_file("WIFI_PASSWORD")
    if text is None:
        return b""
    data = (reader.utf8(source, without_line_ends(text)) or "").encode()
    if len(data) > LONGEST_KEY:
        reader.faults.append(
            f"{source} (not shown) has {len(data)} bytes; expected: at most {LONGEST_KEY}"
        )
        return b""
    return data


def _one_of(known: tuple[str, ...]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text.lower() not in known:
            raise Expected(" or ".join(known))
        return text.lower()

    return parse


def _device(text: str) -> str:
    if not text.startswith("/"):
        raise Expected(f"the path of an SPI device, such as {DEFAULT_SPI}")
    return text


def _line(text: str) -> Line:
    try:
        return Line.parse(text)
    except ValueError:
        raise Expected(
            "a line of a GPIO chip: its number or name, with the chip before it if that is not "
            f"gpiochip0, such as gpiochip4:{DEFAULT_CS}"
        ) from None


def _ssid(text: str) -> bytes:
    data = text.encode(errors="surrogateescape")
    if len(data) > LONGEST_SSID:
        raise Expected(f"the name of a network, of at most {LONGEST_SSID} bytes")
    return data
