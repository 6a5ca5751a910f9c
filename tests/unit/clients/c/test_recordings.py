"""The C client understands the recordings of the original server as the Python core does."""

from pathlib import Path

import pytest

from support.clients.c_client import CDevice, PythonDevice, joined
from support.dialogues import parse

RECORDED = sorted((Path(__file__).parents[3] / "interop" / "tunnel").glob("*.txt"))
DIALOGUES = [parse(path) for path in RECORDED if path.stem != "README"]
HIGHEST = 4  # channel of the recordings


@pytest.mark.parametrize("dialogue", DIALOGUES, ids=lambda each: each.name)
@pytest.mark.parametrize("piece_bytes", [1, 7, 100_000])
def test_every_recording_means_the_same(library, dialogue, piece_bytes):
    c, python = CDevice(library), PythonDevice()
    for device in (c, python):
        device.start("DEV-CRED", None, (), 65_536)
        device.sent()
        while device.connect("net", "127.0.0.1", 17_000) < HIGHEST:
            device.sent()
        device.sent()
    received = b"".join(frame.wire for frame in dialogue.from_server)
    pieces = [piece_bytes] * (len(received) // piece_bytes)
    ours = c.receive_pieces(received, pieces)
    assert ours == joined(python.receive(received))
    assert ("fault",) not in ours
    assert c.sent() == python.sent()
