"""docs/settings.md is made from the tables of settings, and each setting is in one group."""

import re
from collections import Counter
from pathlib import Path

import pytest

from docs.tools.settings_page import PAGE, TABLES, page
from tessel_proxy.startup.config import SETTINGS as PROXY_SETTINGS

ROOT = Path(__file__).parents[2]


def test_the_page_is_what_the_tables_make():
    assert PAGE.read_text() == page(), "run `make settings-page`"


@pytest.mark.parametrize("title", TABLES)
def test_each_setting_is_in_one_group(title):
    groups, settings = TABLES[title]
    grouped = Counter(name for names in groups.values() for name in names.split())
    assert grouped == Counter(setting.names[0] for setting in settings)


def test_the_example_of_proxy_env_shows_settings_with_their_defaults():
    example = (ROOT / "deploy" / "proxy.env.example").read_text()
    shown = dict(re.findall(r"^#([A-Z_]+)=(.*)$", example, re.MULTILINE))
    defaults = {setting.name: setting.default for setting in PROXY_SETTINGS}
    assert shown == {name: defaults.get(name) for name in shown}
    assert {"BYTES_PER_S", "BYTES_PER_DAY", "SUBSTREAM_IDLE_S"} <= set(shown)
