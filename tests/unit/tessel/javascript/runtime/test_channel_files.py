"""The channel's end in the program's process: its frames, its flow control, and a broken device."""

import json
import os
import socket
import struct
import subprocess
from pathlib import Path

import pytest

from support.node import node
from tessel.javascript.flow import WINDOW_BYTES
from tessel.javascript.frames import (
    MAX_DATA_BYTES,
    MAX_JSON_BYTES,
    encode_credit,
    encode_data,
    encode_message,
)
from tessel.javascript.process import PRELOAD

RUNTIME = PRELOAD.parent
PATIENCE_S = 60

READ = """
const { FrameReader } = require('%s/channel/frames');
const [size, file] = [Number(process.argv[2]), process.argv[3]];
const stream = require('fs').readFileSync(file);
const reader = new FrameReader();
const found = [];
let total = 0;
const begun = process.cpuUsage();
try {
  for (let at = 0; at < stream.length;) {
    const space = reader.space();
    const nbytes = Math.min(size, space.length, stream.length - at);
    stream.copy(space, 0, at, at + nbytes);
    at += nbytes;
    reader.filled(nbytes, space);
    for (let frame; (frame = reader.next()) !== undefined;) {
      total += frame.bytes ? frame.bytes.length : 0;
      const { id, fields, bytes, data, nbytes } = frame;
      if (found.length < 10) found.push([id, fields, (bytes || data || '').length, nbytes]);
    }
  }
} catch (error) {
  found.push(error.constructor.name, error.message);
}
console.log(JSON.stringify([found, total, process.cpuUsage(begun).user / 1e6]));
"""


def read(folder, stream, size=1 << 20):
    """Let the program's end read a stream in pieces; return frames, bytes and CPU seconds."""
    (folder / "stream").write_bytes(stream)
    (folder / "read.js").write_text(READ % RUNTIME)
    command = [node(), folder / "read.js", str(size), folder / "stream"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    return json.loads(done.stdout)


def raw(kind, object_id, body, length=None):
    size = 5 + len(body) if length is None else length
    return struct.pack(">IBI", size, kind, object_id) + body


@pytest.mark.parametrize("size", [1, 7, 100, 1 << 20])
def test_frames_are_read_in_pieces_of_any_size(tmp_path, size):
    stream = b"".join(
        (
            encode_message(1, {"event": "connected"}),
            *encode_data(3, b"bytes"),
            encode_credit(5, 2**32 - 1),
            encode_message(7, {"event": "message"}, b"\x00datagram"),
            encode_message(1, {"text": "x" * 300_000}),  # more than one read takes
            raw(2, 1, b""),
            b"\0\0\0",
        )
    )
    found, _, _ = read(tmp_path, stream, size)
    assert found == [
        [1, {"event": "connected"}, 0, None],
        [3, None, 5, None],
        [5, None, 0, 2**32 - 1],
        [7, {"event": "message"}, 9, None],
        [1, {"text": "x" * 300_000}, 0, None],
        [1, None, 0, None],
    ]


@pytest.mark.parametrize(
    ("stream", "why"),
    [
        (raw(1, 1, b"", length=4), "a frame of 4 bytes; allowed: 5 to "),
        (raw(1, 1, b"    ", length=2**32 - 1), "a frame of 4294967295 bytes; allowed: 5 to "),
        (raw(9, 1, b"{}"), "a frame of kind 9 with 2 bytes"),
        (raw(2, 1, bytes(MAX_DATA_BYTES + 1)), "a frame of kind 2 with 65537 bytes"),
        (raw(3, 1, b"\0\0\1"), "a frame of kind 3 with 3 bytes"),
        (raw(4, 1, b"\0\0\1"), "a frame of kind 4 with 3 bytes"),
        (raw(4, 1, b"\0\0\0\3{}"), "a message whose JSON ends at byte 7 of 6"),
        (raw(1, 1, b" " * (MAX_JSON_BYTES + 1)), "JSON of 1048577 bytes; allowed: up to 1048576"),
        (raw(1, 1, b"{"), "a text that is not JSON: "),
        (raw(1, 1, b"[" * 500_000), "a text that is not JSON: "),
        (raw(1, 1, b"[]"), "JSON that is no object: []"),
        (raw(1, 1, b"null"), "JSON that is no object: null"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_frame_is_an_error_that_shows_it(tmp_path, stream, why):
    found, _, _ = read(tmp_path, stream)
    assert found[0] == "ChannelError"
    assert found[1].startswith(why)


@pytest.mark.parametrize("size", [1_000, 1 << 20])
def test_much_data_is_read_in_proportional_time(tmp_path, size):
    found, total, cpu_s = read(tmp_path, b"".join(encode_data(1, bytes(100_000_000))), size)
    assert (len(found), total) == (10, 100_000_000)
    assert cpu_s < 4


# A broken device, played by the test.

CONNECT = "require('net').connect(80, '192.0.2.7').on('error', () => {});"


def against(tmp_path, frames, text=CONNECT):
    """Run a program whose device answers its first call with `frames`; return what it said."""
    (tmp_path / "program.js").write_text(text)
    ours, theirs = socket.socketpair()
    watched, lifeline = os.pipe()
    with ours, theirs:
        process = subprocess.Popen(
            [node(), "--require", PRELOAD, tmp_path / "program.js"],
            env=os.environ
            | {
                "TESSEL_CHANNEL_FD": str(theirs.fileno()),
                "TESSEL_LIFELINE_FD": str(watched),
            },
            pass_fds=[theirs.fileno(), watched],
            stderr=subprocess.PIPE,
            text=True,
        )
        assert ours.recv(65536)
        ours.sendall(frames)
        _, errors = process.communicate(timeout=PATIENCE_S)
    os.close(watched)
    os.close(lifeline)
    return process.returncode, errors


BROKEN = "tessel: the device has broken the channel's rules: "


@pytest.mark.parametrize(
    ("frames", "why"),
    [
        (raw(9, 1, b""), "a frame of kind 9 with 0 bytes"),
        (encode_credit(1, 1), f"credit for {WINDOW_BYTES + 1} bytes of a socket; allowed: "),
        (
            encode_message(1, {"event": "connected"})
            + b"".join(encode_data(1, bytes(WINDOW_BYTES + 1))),
            f"{WINDOW_BYTES + 1} bytes of a socket; allowed without credit: ",
        ),
    ],
    ids=["frame", "credit", "data"],
)
def test_a_broken_device_ends_the_program_and_the_program_says_why(tmp_path, frames, why):
    stalled = "require('net').connect(80, '192.0.2.7').pause().on('error', () => {});"
    code, errors = against(tmp_path, frames, stalled)
    assert code == 1
    assert errors.startswith(BROKEN + why)


def test_a_listener_that_throws_loses_no_later_frames(tmp_path):
    text = """
    process.on('uncaughtException', (error) => process.stderr.write(`caught ${error.message}\\n`));
    const socket = require('net').connect(80, '192.0.2.7');
    socket.on('data', (bytes) => {
      process.stderr.write(`${bytes}\\n`);
      if (String(bytes) === 'last') process.exit(3);
      throw new Error('mine');
    });
    """
    pieces = [part for text in (b"first", b"last") for part in encode_data(1, text)]
    frames = encode_message(1, {"event": "connected"}) + b"".join(pieces)
    assert against(tmp_path, frames, text) == (3, "first\ncaught mine\nlast\n")


def test_a_program_that_does_not_read_holds_a_window_at_most(tmp_path):
    """The device then has no credit, and its own 64 KiB at most: 192 KiB in both processes."""
    text = """
    const socket = require('net').connect(80, '192.0.2.7').pause();
    const link = Object.getOwnPropertySymbols(socket).find((one) => one.description === 'link');
    setTimeout(() => {
      const handle = socket[link];
      process.stderr.write(`${socket.readableLength + handle._received._keptBytes}`);
      process.exit();
    }, 500);
    """
    frames = encode_message(1, {"event": "connected"}) + b"".join(
        encode_data(1, bytes(WINDOW_BYTES))
    )
    assert against(tmp_path, frames, text) == (0, str(WINDOW_BYTES))


def test_the_files_are_where_this_test_looks_for_them():
    assert (Path(RUNTIME) / "channel/frames.js").is_file()
