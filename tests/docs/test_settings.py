"""The README's tables are the settings that the code reads: no more, no fewer, same words."""

import re
from pathlib import Path

import pytest

from tessel.settings import SETTINGS as DEVICE_SETTINGS
from tessel_oauth.config import SETTINGS as OAUTH_SETTINGS
from tessel_proxy.config import SETTINGS as PROXY_SETTINGS

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"


def section(title):
    text = README.read_text()
    start = text.index(f"### {title}\n")
    return text[start : text.index("\n##", start + 1)]


def rows(title):
    return [line for line in section(title).splitlines() if line.startswith("| `")]


def row(setting):
    names = ", ".join(f"`{name}`" for name in setting.names)
    default = f"`{setting.default}`" if setting.default else ""
    return f"| {names} | {default} | {setting.meaning} |"


@pytest.mark.parametrize(
    ("title", "settings"),
    [
        ("Settings of the device", DEVICE_SETTINGS),
        ("Settings of the proxy", PROXY_SETTINGS),
        ("Settings of the token service", OAUTH_SETTINGS),
    ],
)
def test_the_tables_are_those_of_the_code(title, settings):
    assert rows(title) == [row(setting) for setting in settings]


def test_the_example_of_proxy_env_shows_settings_with_their_defaults():
    example = (ROOT / "deploy" / "proxy.env.example").read_text()
    shown = dict(re.findall(r"^#([A-Z_]+)=(.*)$", example, re.MULTILINE))
    defaults = {setting.name: setting.default for setting in PROXY_SETTINGS}
    assert shown == {name: defaults.get(name) for name in shown}
    assert {"BYTES_PER_S", "BYTES_PER_DAY", "SUBSTREAM_IDLE_S"} <= set(shown)
