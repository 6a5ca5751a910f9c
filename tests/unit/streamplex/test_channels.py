"""Which numbers may be opened."""

from contextlib import suppress

import pytest

from streamplex import ChannelsExhaustedError, LocalError, RemoteError, Side
from streamplex.channels import OwnChannels, PeerChannels


def use_up(own):
    numbers = []
    with suppress(ChannelsExhaustedError):
        while True:
            numbers.append(own.allocate())
    return numbers


def test_each_side_is_the_others_other():
    assert Side.A.other is Side.B
    assert Side.B.other is Side.A


@pytest.mark.parametrize(("side", "last"), [(Side.A, 65535), (Side.B, 65534)])
def test_a_side_counts_up_through_its_own_numbers(side, last):
    assert use_up(OwnChannels(side)) == list(range(side.value, last + 1, 2))


def test_without_reuse_released_numbers_are_not_used_again():
    own = OwnChannels(Side.B)
    for channel in use_up(own):
        own.release(channel)
    with pytest.raises(ChannelsExhaustedError, match="the peer lacks reuse/1"):
        own.allocate()


def test_with_reuse_exhaustion_means_that_all_are_in_use():
    own = OwnChannels(Side.B)
    own.reuse = True
    use_up(own)
    with pytest.raises(ChannelsExhaustedError, match="all substreams of this tunnel are in use"):
        own.allocate()


def test_exhaustion_is_the_callers_to_handle():
    assert issubclass(ChannelsExhaustedError, LocalError)


def test_fresh_numbers_come_before_released_ones():
    own = OwnChannels(Side.A)
    own.reuse = True
    own.release(own.allocate())
    assert own.allocate() == 3


def test_the_number_unused_for_longest_is_used_again_first():
    own = OwnChannels(Side.B)
    own.reuse = True
    use_up(own)
    for channel in (40, 8, 600):
        own.release(channel)
    assert [own.allocate() for _ in range(3)] == [40, 8, 600]


def test_own_numbers_were_opened_once_allocated():
    own = OwnChannels(Side.B)
    assert not own.was_opened(2)
    own.allocate()
    assert own.was_opened(2)
    assert not own.was_opened(4)


def test_a_peer_may_open_its_numbers_in_any_order_and_again():
    peers = PeerChannels(Side.B)
    for channel in (8, 2, 65534, 2):
        peers.open(channel)
    assert peers.was_opened(4)


def test_what_is_above_the_peers_highest_was_never_opened():
    peers = PeerChannels(Side.B)
    assert not peers.was_opened(2)
    peers.open(8)
    assert peers.was_opened(8)
    assert peers.was_opened(2)
    assert not peers.was_opened(10)


@pytest.mark.parametrize("channel", [0, -2, 1, 65535, 65536, 10**300])
def test_a_device_opens_even_numbers_in_range(channel):
    with pytest.raises(RemoteError) as caught:
        PeerChannels(Side.B).open(channel)
    assert str(caught.value) == (
        f"substream number {channel}; side B opens even numbers from 2 to 65535"
    )


@pytest.mark.parametrize("channel", [0, -1, 2, 65534, 65537])
def test_a_server_opens_odd_numbers_in_range(channel):
    with pytest.raises(RemoteError, match="side A opens odd numbers from 1 to 65535"):
        PeerChannels(Side.A).open(channel)


def test_a_peer_has_used_up_its_numbers_when_it_has_opened_the_last_one():
    channels = PeerChannels(Side.B)
    channels.open(65532)
    assert not channels.used_up
    channels.open(65534)
    assert channels.used_up
    own = PeerChannels(Side.A)
    own.open(65533)
    assert not own.used_up
    own.open(65535)
    assert own.used_up
