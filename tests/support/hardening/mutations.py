"""Mutations of the recorded dialogues. The same seed and number give the same bytes."""

import json
from dataclasses import replace
from pathlib import Path
from random import Random

from streamplex.conversation import FEATURES
from support.dialogues import Frame, parse

RECORDED = sorted(
    path
    for path in (Path(__file__).parents[2] / "interop" / "tunnel").glob("*.txt")
    if path.stem != "README"
)
MAX_OPERATIONS = 4
MAX_COPIES = 40  # of one frame
PIECES = 5

ODD_VALUES = [
    *(None, True, False, 0, -1, 1, 2, 3, 65_535, 65_536, 2**31, 2**53, 10**300, 0.5, -0.0, 1e308),
    *("", "net", "tls", "\0", "\r\n", "\u2028", "é" * 70, "x" * 70_000, "127.0.0.1", "[::1]"),
    *("end", "error", "custom", "close", "_pls_connect", "_pls_timeout", "stream", "message"),
    *([], {}, [[]], [None], ["_pls_connect"], ["_pls_timeout", 1e300], {"token": None}),
    *({"event": "reset"}, {"event": "credit", "bytes": 1}, {"event": "credit", "bytes": 2**31 - 1}),
    *({"event": "end"}, {"type": "stream", "sock": 2}, {"type": "goaway", "after_ms": 1}),
]
ODD_JSON = [
    *(b"", b"{", b"[" * 5000, b'{"a":' * 3000, b"9" * 5000, b"-" + b"9" * 400, b"1e999"),
    *(b"NaN", b"Infinity", b"nul", b'"\\ud800"', b'"\xff"', b"\xef\xbb\xbf{}", b"{}{}"),
    *(b'{"event":"end","event":"error"}', b'{"event":"error","message":7}', b"[" + b"0," * 30_000),
]


class Mutations:
    """The inputs of one seed. Each has its own Random, so that it can be repeated alone."""

    def __init__(self, seed, adapt=lambda frame: frame):
        """`adapt` changes recorded frames for this machine, for example their ports."""
        self._seed = seed
        self._dialogues = [
            [adapt(frame) for frame in parse(path).frames if frame.from_client] for path in RECORDED
        ]

    def name(self, number):
        """Return the name of an input for a failure message."""
        return f"input {number} of seed {self._seed}"

    def mutated(self, number):
        """Return an input as one piece."""
        return self._spoiled(self._random(number))

    def pieces(self, number):
        """Return an input in pieces, as it arrives."""
        random = self._random(number)
        data = self._spoiled(random)
        cuts = sorted(random.randrange(len(data) + 1) for _ in range(random.randrange(PIECES)))
        return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]

    def _random(self, number):
        return Random(f"{self._seed}:{number}")

    def _spoiled(self, random):
        frames = list(random.choice(self._dialogues))
        if random.random() < 0.4:
            frames[0] = replace(frames[0], payload=_with_features(frames[0].payload))
        # an intact beginning lets the mutated rest get past the token check
        first = random.choice((0, 1, 1, 2, 2))
        for _ in range(random.randint(0, 3)):
            frames = random.choice(FRAME_OPERATIONS)(random, frames, first, self._dialogues)
        data = bytearray(b"".join(frame.wire for frame in frames))
        spared = sum(len(frame.wire) for frame in frames[:first])
        for _ in range(random.randint(0, MAX_OPERATIONS - 1)):
            random.choice(BYTE_OPERATIONS)(random, data, spared)
        return bytes(data)


def _with_features(hello):
    """The originals knew of none; ours do."""
    said = json.loads(hello)
    said["object"] = {**said.get("object", {}), "features": list(FEATURES), "device": "spoiled"}
    return json.dumps(said, separators=(",", ":")).encode()


# --- frames: (random, frames, index of the first that may be touched, all dialogues) -> frames


def _index(random, frames, first):
    return random.randrange(min(first, len(frames)), len(frames) + 1)


def _spliced(random, frames, first, dialogues):
    other = random.choice(dialogues)
    at = _index(random, frames, first)
    return frames[:at] + other[random.randrange(len(other) + 1) :]


def _repeated(random, frames, first, _):
    at = _index(random, frames, first)
    copies = random.choice((1, 2, random.randint(3, MAX_COPIES)))
    return frames[:at] + frames[at : at + 1] * copies + frames[at:]


def _dropped(random, frames, first, _):
    at = _index(random, frames, first)
    return frames[:at] + frames[at + 1 :]


def _shuffled(random, frames, first, _):
    rest = frames[first:]
    random.shuffle(rest)
    return frames[:first] + rest


def _elsewhere(random, frames, first, _):
    """The same on another channel."""
    return _changed(
        random,
        frames,
        first,
        lambda frame: replace(frame, channel=random.choice((0, 1, 2, 3, 4, 6, 65_534, 65_535))),
    )


def _of_other_type(random, frames, first, _):
    return _changed(random, frames, first, lambda frame: replace(frame, is_data=not frame.is_data))


def _with_odd_value(random, frames, first, _):
    """One value of its JSON replaced, at whatever depth."""

    def change(frame):
        try:
            value = json.loads(frame.payload)
        except (ValueError, RecursionError):
            return frame  # data, or spoiled already
        return replace(frame, payload=json.dumps(_with_odd_inside(random, value)).encode()[:65_532])

    return _changed(random, frames, first, change)


def _with_odd_inside(random, value):
    if isinstance(value, dict) and value and random.random() < 0.8:
        key = random.choice(list(value))
        return {**value, key: _with_odd_inside(random, value[key])}
    if isinstance(value, list) and value and random.random() < 0.8:
        at = random.randrange(len(value))
        return [*value[:at], _with_odd_inside(random, value[at]), *value[at + 1 :]]
    return random.choice(ODD_VALUES)


def _with_odd_json(random, frames, first, _):
    return _changed(
        random,
        frames,
        first,
        lambda frame: replace(frame, is_data=False, payload=random.choice(ODD_JSON)[:65_532]),
    )


def _inserted(random, frames, first, _):
    """Data of all sizes, for channels open or not."""
    payload = bytes(random.choice((0, 1, 100, 65_532)))
    new = Frame(True, random.choice((0, 1, 2, 4)), random.random() < 0.8, payload)
    at = _index(random, frames, first)
    return [*frames[:at], new, *frames[at:]]


def _changed(random, frames, first, change):
    if len(frames) <= first:
        return frames
    at = random.randrange(first, len(frames))
    return [*frames[:at], change(frames[at]), *frames[at + 1 :]]


FRAME_OPERATIONS = [
    *(_spliced, _repeated, _dropped, _shuffled, _elsewhere, _of_other_type),
    *(_with_odd_value, _with_odd_value, _with_odd_json, _inserted),
]


# --- bytes: (random, bytearray, how many at its beginning are spared); changes it in place


def _place(random, data, spared):
    return random.randrange(min(spared, len(data)), len(data) + 1)


def _flip(random, data, spared):
    at = _place(random, data, spared)
    data[at : at + 1] = bytes(byte ^ 1 << random.randrange(8) for byte in data[at : at + 1])


def _overwrite(random, data, spared):
    at = _place(random, data, spared)
    new = random.choice((b"\0", b"\xff", b"\0\0", b"\xff\xff", random.randbytes(4)))
    data[at : at + len(new)] = new


def _insert(random, data, spared):
    at = _place(random, data, spared)
    data[at:at] = random.randbytes(random.choice((1, 2, 5, 300)))


def _delete(random, data, spared):
    at = _place(random, data, spared)
    del data[at : at + random.choice((1, 2, 5, 50))]


def _cut(random, data, spared):
    del data[_place(random, data, spared) :]


BYTE_OPERATIONS = [_flip, _flip, _overwrite, _insert, _delete, _cut]
