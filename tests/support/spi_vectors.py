"""The recorded bus traffic in tests/interop/cc3000, as values."""

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "interop" / "cc3000"
API_CALLS = sorted(path.stem for path in FOLDER.glob("*.hex") if "real_chip" not in path.stem)
REAL_CHIP = sorted(path.stem for path in FOLDER.glob("real_chip_*.hex"))

HOST, CHIP = "MOSI", "MISO"


@dataclass(frozen=True)
class Burst:
    """One write or read of the host, with the bytes of the side that sends."""

    side: str
    data: bytes


def bursts(name):
    """The writes and reads of a recording, in order; of a real chip's, what the other side said
    meanwhile is left out."""
    lines = (FOLDER / f"{name}.hex").read_text().splitlines()
    told = [_burst(line) for line in lines if line.lstrip().startswith((HOST, CHIP))]
    return told if name not in REAL_CHIP else _of_pairs(told)


def _burst(line):
    side, _, data = line.strip().partition(" ")
    return Burst(side, bytes.fromhex(data))


def _of_pairs(told):
    """Return the side that sends: the first byte of the host tells a write from a read."""
    pairs = zip(told[::2], told[1::2], strict=True)
    return [chip if host.data[0] == 0x03 else host for host, chip in pairs]
