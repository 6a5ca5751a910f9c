"""The sizes of the measures: bytes that are transferred, streams that are opened or held."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes for one run of each measure."""

    bulk_bytes: int
    opens: int
    echoes: int
    echo_s: float  # an echo measure ends after `echoes` echoes or this time
    stalled_bytes: int
    beside_bytes: int  # bytes that another stream transfers meanwhile
    idle_substreams: int
    idle_tunnels: int
    pieces: tuple[int, ...]  # bytes per data message
    frames: int  # number of frames of each size
    substreams: tuple[int, ...]
    tunnels: tuple[int, ...]
    sequence: int


FULL = Sizes(
    bulk_bytes=1 << 30,
    opens=2000,
    echoes=3000,
    echo_s=1.0,
    stalled_bytes=200_000_000,
    beside_bytes=1 << 30,
    idle_substreams=1000,
    idle_tunnels=1000,
    pieces=(16, 256, 4096, 16_384, 65_532),
    frames=50_000,
    substreams=(1, 100, 1000, 10_000),
    tunnels=(1, 10, 200, 2000),
    sequence=200_000,
)
QUICK = Sizes(
    bulk_bytes=16 << 20,
    opens=50,
    echoes=100,
    echo_s=0.3,
    stalled_bytes=20_000_000,
    beside_bytes=4 << 20,
    idle_substreams=100,
    idle_tunnels=20,
    pieces=(256, 65_532),
    frames=2000,
    substreams=(100,),
    tunnels=(20,),
    sequence=1000,
)
