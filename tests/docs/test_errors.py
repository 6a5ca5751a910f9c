"""docs/errors.md has a paragraph for every number, and the code a number for every paragraph."""

import os
import re
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest
from twisted.logger import Logger, LogPublisher

from support.exported_metrics import exported_samples
from tessel_proxy.explanations.explanation import explanations_of
from tessel_proxy.records.ends import Outcome, Refusal, TunnelOutcome
from tessel_proxy.records.error_codes import ErrorCode
from tessel_service_kit.logs import LogFormat, LogLevel, observer

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "errors.md"
NO_ERRORS = {
    Outcome.ENDED,
    Outcome.ENDED_WITHOUT_CLOSE_NOTIFY,
    Outcome.LEFT_BY_DEVICE,
    TunnelOutcome.ENDED,
    TunnelOutcome.JOINED,
    TunnelOutcome.NOTHING_SENT,
    TunnelOutcome.STOPPED,
}


EXPLANATIONS = {each.error: each for each in explanations_of(PAGE.read_text())}
COMMAND_NAMES = {
    *("tunnels", "tunnel", "accounts", "proxies", "usage", "end", "refuse", "allow", "refused"),
    *("rebalance", "drain", "top", "check-tokens", "upgrade", "check-config"),
}
METRIC = re.compile(r'`((?:tessel_proxy|process)_[a-z_]+)(?:\{([a-z]+)="([a-z_]+)"\})?`')
METRICS_OF = {
    Outcome: 'tessel_proxy_substreams_closed_total{outcome="%s"}',
    TunnelOutcome: 'tessel_proxy_tunnels_closed_total{outcome="%s"}',
    Refusal: 'tessel_proxy_refusals_total{reason="%s"}',
}


def test_every_number_has_a_paragraph_and_every_paragraph_a_number():
    assert sorted(EXPLANATIONS) == sorted(ErrorCode)
    assert PAGE.read_text().count("\n### ") == len(ErrorCode)


def test_the_package_has_the_same_page():
    shipped = files("tessel_proxy.explanations").joinpath("errors.md")
    assert shipped.read_text("utf-8") == PAGE.read_text(), "run `make errors-page`"


@pytest.mark.parametrize("error", ErrorCode)
def test_a_paragraph_says_where_to_see_the_error(error):
    see = EXPLANATIONS[error].see
    commands = set(re.findall(r"`tessel-proxy ([a-z-]+)", see))
    assert commands, "no command"
    assert commands <= COMMAND_NAMES
    assert re.search(r"\bpage\b", see)
    assert re.search(r"\bmetrics? `|\bno metric", see)
    assert re.search(r"\blog(:| events? `)|on standard error", see)


@pytest.mark.parametrize("error", ErrorCode)
def test_the_events_that_a_paragraph_names_are_those_of_the_code(error):
    named = re.findall(r"`([a-z]+_[a-z_]+)`", EXPLANATIONS[error].see.partition("log event")[2])
    sources = (ROOT / "proxy-service" / "src").rglob("*.py")
    assert set(named) <= set(re.findall(r'"([a-z_]+)"', "".join(map(Path.read_text, sources))))


@pytest.fixture(scope="module")
def samples():
    return exported_samples()


@pytest.mark.parametrize("error", ErrorCode)
def test_the_metrics_that_a_paragraph_names_are_exported(error, samples):
    for name, label, value in METRIC.findall(EXPLANATIONS[error].see):
        assert any(
            each.name in (name, f"{name}_count") and (not label or each.labels[label] == value)
            for each in samples
        ), name


@pytest.mark.parametrize(
    ("metric", "end"), [(METRICS_OF[kind], each) for kind in METRICS_OF for each in kind]
)
def test_the_counter_of_each_end_is_in_its_paragraph(metric, end):
    if end.error is not None:
        assert f"`{metric % end.value}`" in EXPLANATIONS[end.error].see


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
