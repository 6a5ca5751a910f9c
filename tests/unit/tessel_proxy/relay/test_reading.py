"""How much of a target is read at once."""

from streamplex.credit import INTERACTIVE_BYTES
from streamplex.tx.bulk import READ_BYTES
from support.proxy_in_memory import Stage
from tessel_proxy.relay.reading import SHORT_READ_BYTES, SHORT_READS, Reading


def test_bulk_alone_is_read_in_bulk():
    reading = Reading()
    reading.came(INTERACTIVE_BYTES + 1, 0)
    assert reading.next_bytes() == READ_BYTES


def test_the_tail_of_bulk_is_no_message():
    reading = Reading()
    reading.came(1, INTERACTIVE_BYTES + 1)
    assert reading.next_bytes() == READ_BYTES


def test_after_a_small_piece_some_reads_are_short():
    reading = Reading()
    reading.came(INTERACTIVE_BYTES, INTERACTIVE_BYTES)
    reads = [reading.next_bytes() for _ in range(SHORT_READS + 1)]
    assert reads == [SHORT_READ_BYTES] * SHORT_READS + [READ_BYTES]


def test_all_targets_of_a_tunnel_are_read_shortly_while_somebody_types():
    stage = Stage()
    stage.authenticate()
    bulky, bulky_target = stage.relay("net")
    typing, typing_target = stage.relay("net")
    bulky_target.send(bytes(READ_BYTES))
    stage.pump()
    assert bulky_target.bufferSize == READ_BYTES
    typing_target.send(b"not typed")
    assert bulky_target.bufferSize == READ_BYTES
    typing.transport.write(b"key")
    stage.pump()
    bulky_target.send(bytes(READ_BYTES))
    assert bulky_target.bufferSize == SHORT_READ_BYTES
    for _ in range(SHORT_READS):
        bulky_target.send(bytes(SHORT_READ_BYTES))
        stage.pump()
    assert bulky_target.bufferSize == READ_BYTES
    assert bulky.data == bytes(2 * READ_BYTES + SHORT_READS * SHORT_READ_BYTES)
