"""Recorded bytes of TI's driver and of chips pass our codecs unchanged in both directions."""

import pytest

from support.spi_vectors import API_CALLS, CHIP, HOST, REAL_CHIP, bursts
from tessel.cc3000 import spi
from tessel.cc3000.hci import commands, packets
from tessel.cc3000.hci.packets import DataPacket, EventPacket, PatchPacket

# What follows these bytes of the packet differs for good reasons (README.txt there).
UNDEFINED = {
    "select_blocking": slice(40, 48),  # TI's driver leaves the timeout as it is
    "netapp_timeout_values": slice(20, 24),
    "sendto_udp_even_tolen16": None,  # Tessel's sixteen bytes of address where eight say it
    "sendto_udp_odd_tolen16": None,
}
SLIPS = {"real_chip_tessel_connect_dhcp": {4, 5, 8}}  # bits that the capture missed


def sides(name, side):
    return [burst.data for burst in bursts(name) if burst.side == side]


@pytest.mark.parametrize("name", API_CALLS)
def test_writes_of_tis_driver_are_decoded_and_encoded_unchanged(name):
    for frame in sides(name, HOST):
        packet = packets.decode(spi.packet_written(frame))
        again = packet
        if not isinstance(packet, PatchPacket):
            again = commands.message(packet).packet()
        if UNDEFINED.get(name, True) is None:
            assert commands.message(packet) == commands.message(again)
        else:
            assert spi.write_frame(again.encode()) == frame


@pytest.mark.parametrize("name", REAL_CHIP)
def test_writes_of_a_real_tessel_are_decoded_and_encoded_unchanged_except_pads(name):
    for frame in sides(name, HOST):
        packet = packets.decode(spi.packet_written(frame))
        again = commands.message(packet).packet().encode()
        assert spi.write_frame(again)[: spi.HEADER + len(again)] == frame[: spi.HEADER + len(again)]
        assert len(spi.write_frame(again)) == len(frame)


@pytest.mark.parametrize("name", [*API_CALLS, *REAL_CHIP])
def test_responses_of_chips_are_read_completely_in_both_styles(name):
    for number, frame in enumerate(sides(name, CHIP)):
        if number in SLIPS.get(name, ()):
            continue
        packet = packets.decode(spi.packet_read(frame))
        assert isinstance(packet, EventPacket | DataPacket)
        ours = spi.read_frame(packet.encode())
        assert frame.rstrip(b"\0") == ours.rstrip(b"\0")
        first = len(spi.FIRST_BURST)
        assert first + len(spi.rest_burst(frame[:first], spi.ReadStyle.BY_PACKET)) == len(frame)
        assert first + len(spi.rest_burst(frame[:first], spi.ReadStyle.BY_HEADER)) == len(ours)
