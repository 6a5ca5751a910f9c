"""The limits and oddities of the chip, each with a switch of its own.

docs/emulator.md explains each of them and names its source; a test compares both tables. The
defaults are those of the chip. `IDEAL` is a chip without faults.
"""

from __future__ import annotations

from dataclasses import dataclass

from tessel.cc3000.hci.codes import Code


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """The limits and oddities of one chip. docs/emulator.md explains each field."""

    sockets: int = 4
    no_socket_code: int = Code.NO_MORE_SOCKETS
    one_command: bool = True
    buffers: int = 6
    late_free_buffers: bool = True
    overrun_wedges: bool = True
    close_leaks_buffers: bool = False
    receive_window: int = 5840
    datagrams_held: int = 4
    largest_read: int = 1460
    accept_depth: int = 1
    half_close: bool = False
    nagle: bool = False
    early_close_wait: bool = True
    late_send_failure: bool = True
    empty_read_code: int = 0
    closed_read_code: int = Code.INACTIVE
    connect_failed_code: int = Code.FAILED
    connect_timeout_s: float = 6.0
    inactivity_s: int = 60
    keepalive_s: int = 10
    failed_name_code: int = Code.NAME_NOT_FOUND
    refused_names: frozenset[str] = frozenset()
    first_lookup_is_zero: bool = False
    garbled_option_answer: bool = True
    first_write_in_two: bool = True
    patch_requests: tuple[int, ...] = ()


IDEAL = Quirks(
    sockets=32,
    one_command=False,
    buffers=255,
    late_free_buffers=False,
    overrun_wedges=False,
    receive_window=65_536,
    datagrams_held=64,
    largest_read=16_383,
    accept_depth=64,
    half_close=True,
    early_close_wait=False,
    late_send_failure=False,
    inactivity_s=0,
    keepalive_s=0,
    garbled_option_answer=False,
    first_write_in_two=False,
)
