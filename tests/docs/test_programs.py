"""The statements of docs/programs.md about the device, checked against the device."""

import re
from pathlib import Path

import pytest

from support.fake_board import powered_board
from tessel import net, stream, tls
from tessel.errors import NodeError
from tessel.node._dgram import outbox
from tessel.radio.cc3000.datagram_port import DATAGRAMS_HELD

TEXT = Path("docs/programs.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("what", "limit"),
    [
        ("wait for their port", outbox.MAX_UNBOUND_DATAGRAMS),
        ("of a name", outbox.MAX_LOOKUP_DATAGRAMS),
        ("wait for the CC3000", DATAGRAMS_HELD),
    ],
)
def test_a_limit_is_the_codes(what, limit):
    assert re.search(rf"^\| [^|]*{what} \| {limit} \|", TEXT, re.MULTILINE)


@pytest.mark.parametrize(
    "call",
    [
        lambda: net.connect({"prot": 80}),
        lambda: tls.connect(443, rejectUnauthorized=False),
        lambda: net.connect(80, localPort=5),
    ],
)
def test_an_error_reads_as_it_is_shown(call):
    with powered_board(), pytest.raises(NodeError) as raised:
        call()

    assert f"\n{raised.value}\n" in TEXT


@pytest.mark.parametrize(
    "name", ["utf8", "utf16le", "ucs2", "latin1", "binary", "ascii", "base64", "base64url", "hex"]
)
def test_an_encoding_that_is_named_is_there(name):
    assert f"`{name}`" in TEXT
    with powered_board():
        stream.Readable().set_encoding(name)
