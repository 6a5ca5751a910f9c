"""Lines of a GPIO chip, as written in settings."""

from __future__ import annotations

import re
from dataclasses import dataclass

DEFAULT_GPIO_CHIP = "/dev/gpiochip0"
_LINE = re.compile(r"(?:(?P<chip>[\w./-]+):)?(?P<line>[\w.+-]+)")


@dataclass(frozen=True, slots=True)
class GpioLine:
    """A line of a GPIO chip, by number or name."""

    chip: str
    line: int | str

    @classmethod
    def parse(cls, text: str) -> GpioLine:
        """Parse `24`, `GPIO24`, `gpiochip4:24` or `/dev/gpiochip4:24`; raises ValueError."""
        match = _LINE.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is no line of a GPIO chip")
        chip = match["chip"] or DEFAULT_GPIO_CHIP
        number = match["line"]
        return cls(
            chip if "/" in chip else f"/dev/{chip}",
            int(number) if number.isascii() and number.isdigit() else number,
        )

    def __str__(self) -> str:
        return f"{self.chip}:{self.line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipPins:
    """The SPI device and GPIO lines of a chip."""

    spi: str  # the path of the device
    chip_select: GpioLine
    irq: GpioLine
    power: GpioLine
