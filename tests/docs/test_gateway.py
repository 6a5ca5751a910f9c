"""docs/gateway.md agrees with the codes and limits of the gateway."""

import re
from pathlib import Path

from tessel.gateway import limits
from tessel.gateway.opening.http_proxy import MAX_HEAD_BYTES
from tessel.gateway.opening.outcomes import CODES
from tessel.network.limits import CONNECT_TIMEOUT_S

PAGE = (Path(__file__).parents[2] / "docs" / "gateway.md").read_text()


def test_the_table_of_answers_is_that_of_the_code():
    rows = re.findall(r"^\| (.+) \| (\d+) \| 0x(\w\w) \| (\d+) \|$", PAGE, re.MULTILINE)

    assert [(text, int(s5), int(s4, 16), int(http)) for text, s5, s4, http in rows] == [
        (outcome.value, codes.socks5, codes.socks4, codes.http.value)
        for outcome, codes in CODES.items()
    ]


def test_the_limits_are_those_of_the_code():
    assert f"| {MAX_HEAD_BYTES // 1024} KiB | 431 |" in PAGE
    assert f"| {limits.EARLY_BYTES // 1024} KiB | the gateway stops reading" in PAGE
    assert f"| {limits.OPENING_TIMEOUT_S:g} s | the answer is a timeout" in PAGE
    assert f"| {limits.HALF_CLOSED_IDLE_S / 60:g} min | both sides are reset" in PAGE
    assert limits.OPENING_TIMEOUT_S > CONNECT_TIMEOUT_S
