"""Dashboard and alert rules ask for metrics, labels and words that the proxy exports."""

import json
import re
from pathlib import Path

import pytest

from support.exported_metrics import exported_samples

DEPLOY = Path(__file__).parents[2] / "deploy"
NAME = re.compile(r"\b(?:tessel_proxy|process)_[a-z_]+\b")
WORDS = re.compile(r"(tessel_proxy_[a-z_]+)\{([^}]*)\}")
CHOICE = re.compile(r'([a-z]+)(?:=|!=|=~|!~)"([a-z_|]+)"')  # not $instance


def of_dashboard():
    board = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text())
    asked = [each["query"] for each in board["templating"]["list"]]
    return [*asked, *(each["expr"] for panel in board["panels"] for each in panel["targets"])]


def of_rules():
    return (DEPLOY / "prometheus" / "alerts.yml").read_text().splitlines()


@pytest.fixture(scope="module")
def samples():
    return exported_samples()


@pytest.mark.parametrize("expressions", [of_dashboard(), of_rules()], ids=["dashboard", "rules"])
def test_every_metric_that_is_asked_for_is_exported(expressions, samples):
    asked = {name for text in expressions for name in NAME.findall(text)}
    assert asked
    assert asked <= {each.name for each in samples}


@pytest.mark.parametrize("expressions", [of_dashboard(), of_rules()], ids=["dashboard", "rules"])
def test_every_word_that_is_asked_for_is_one_of_its_label(expressions, samples):
    asked = {
        (name, label, word)
        for text in expressions
        for name, labels in WORDS.findall(text)
        for label, words in CHOICE.findall(labels)
        for word in words.split("|")
    }
    told = {(each.name, *pair) for each in samples for pair in each.labels.items()}
    assert asked
    assert asked <= told


def test_every_limit_that_is_exported_is_on_the_dashboard(samples):
    limits = {each.name for each in samples if re.search(r"_limit(_bytes)?$", each.name)}
    assert limits
    assert limits <= {name for text in of_dashboard() for name in NAME.findall(text)}
