"""GPIO lines of a machine, and the pins of a chip that are connected to them."""

from __future__ import annotations

import re
from dataclasses import dataclass

DEFAULT_GPIO_CHIP = "/dev/gpiochip0"
_LINE = re.compile(r"(?:(?P<chip>[\w./-]+):)?(?P<line>[\w.+-]+)")


@dataclass(frozen=True, slots=True)
class GpioLine:
    """One line of a GPIO chip: the chip's device path, and the line's number or name."""

    chip: str
    line: int | str

    @classmethod
    def parse(cls, text: str) -> GpioLine:
        """Return the line that a text names: `24`, `GPIO24`, `gpiochip4:24` or `/dev/gpiochip4:24`.

        Without a chip the line is one of DEFAULT_GPIO_CHIP. Raises ValueError for another form.
        """
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
    """The connections of a CC3000 to a machine: an SPI device and three GPIO lines."""

    spi: str  # the path of the device
    chip_select: GpioLine
    irq: GpioLine
    power: GpioLine
