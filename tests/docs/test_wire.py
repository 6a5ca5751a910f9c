"""docs/wire.md: its conversation of a small client is one that was recorded, and whole."""

import re
from pathlib import Path

from support.dialogues import parse
from tessel_proxy.tunnel.admission import MAX_BYTES_WHILE_CHECKED, MAX_BYTES_WITHOUT_TOKEN, MAX_HELD

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "wire.md"
RECORDED = ROOT / "tests" / "interop" / "tunnel" / "net_echo10.txt"
LINE = re.compile(r"^    (device|proxy) +((?:[0-9a-f]{2} ){5}) (.+)$", re.MULTILINE)


def test_a_small_clients_conversation_is_a_recorded_one():
    shown = [
        (who == "device", bytes.fromhex(head) + payload.encode())
        for who, head, payload in LINE.findall(PAGE.read_text())
    ]
    assert shown == [(frame.from_client, frame.wire) for frame in parse(RECORDED).frames]


def test_the_limits_before_the_token_are_those_of_the_code():
    text = " ".join(PAGE.read_text().split())
    assert f"Before the token a device may send {MAX_BYTES_WITHOUT_TOKEN:,} octets" in text
    assert f"the limit is {MAX_BYTES_WHILE_CHECKED:,} octets and {MAX_HELD} messages" in text
