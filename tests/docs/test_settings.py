"""The README's tables are the settings that the code reads: no more, no fewer, same words."""

import re
from pathlib import Path

import pytest

from tessel.config import Settings
from tessel_oauth.config import SETTINGS as OAUTH_SETTINGS
from tessel_proxy.config import SETTINGS as PROXY_SETTINGS

README = Path(__file__).parents[2] / "README.md"
NAME = re.compile(r"`(_?[A-Z][A-Z0-9_]+)`")


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
        ("Settings of the proxy", PROXY_SETTINGS),
        ("Settings of the token service", OAUTH_SETTINGS),
    ],
)
def test_the_tables_of_the_services_are_those_of_the_code(title, settings):
    assert rows(title) == [row(setting) for setting in settings]


class Recording(dict):
    def __init__(self):
        super().__init__()
        self.asked = set()

    def get(self, name, default=None):
        self.asked.add(name)
        return default

    def __contains__(self, name):
        self.asked.add(name)
        return False


def test_the_devices_table_has_every_variable_that_it_reads():
    environ = Recording()
    Settings.from_env(environ)
    told = {name for line in rows("Settings of the device") for name in NAME.findall(line)}
    assert environ.asked - {"_PROXY_DBG"} <= told
