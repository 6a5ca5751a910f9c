"""docs/errors.md has a paragraph for every number, and the code a number for every paragraph."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from twisted.logger import Logger, LogPublisher

from tessel_proxy.records.ends import Outcome, Refusal, TunnelOutcome
from tessel_proxy.records.error_codes import ErrorCode
from tessel_service_kit.logs import LogFormat, LogLevel, observer

PAGE = Path(__file__).parents[2] / "docs" / "errors.md"
NO_ERRORS = {
    Outcome.ENDED,
    Outcome.ENDED_WITHOUT_CLOSE_NOTIFY,
    Outcome.LEFT_BY_DEVICE,
    TunnelOutcome.ENDED,
    TunnelOutcome.NOTHING_SENT,
    TunnelOutcome.STOPPED,
}


def paragraphs():
    """The first word in bold under each number."""
    return dict(re.findall(r"^### (TP\d{4})\n\n(\*\*.+)", PAGE.read_text(), re.MULTILINE))


def test_every_number_has_a_paragraph_and_every_paragraph_a_number():
    assert sorted(paragraphs()) == sorted(ErrorCode)
    assert PAGE.read_text().count("\n### ") == len(ErrorCode)


COMMANDS = re.findall(r"^    (.+ \| grep .+)$", PAGE.read_text(), re.MULTILINE)
WITHOUT_TERMINAL = """
tessel-proxy() { cat "$LOG" >&2; }
journalctl() { [ "$1" = --unit=tessel-proxy ] && cat "$LOG"; }
docker() { [ "$*" = "compose logs proxy" ] && sed "s/^/proxy-1  | /" "$LOG"; }
"""


@pytest.mark.parametrize("form", LogFormat)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_looks_for_a_number_finds_its_lines(command, form, tmp_path):
    log = tmp_path / "log"
    with log.open("w") as stream:
        publisher = LogPublisher(observer(stream, LogLevel.INFO, form))
        logger = Logger("tessel_proxy", observer=publisher)
        logger.info("wrong", event="substream_closed", error="TP1004")
        logger.info("right", event="substream_closed", error="TP1005")
    done = subprocess.run(
        ["bash", "-c", WITHOUT_TERMINAL + command],
        env={**os.environ, "LOG": str(log)},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    (line,) = done.stdout.splitlines()
    assert "right" in line
    assert done.stderr == ""


def test_there_is_a_command_for_each_place_where_a_log_is():
    assert [each.split()[0] for each in COMMANDS] == ["tessel-proxy", "journalctl", "docker"]


@pytest.mark.parametrize("kind", [Outcome, TunnelOutcome, Refusal])
def test_every_outcome_that_is_an_error_has_a_number(kind):
    without = {each for each in kind if each.error is None}
    assert without == {each for each in NO_ERRORS if isinstance(each, kind)}
