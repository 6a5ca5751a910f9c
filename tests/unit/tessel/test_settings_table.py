"""The table of settings: what help shows of it, and the names that were meant to be in it."""

import pytest

from tessel.settings import SETTINGS, Settings, lookalikes


class Recording(dict):
    """An environment in which nothing is set, and that knows what it was asked for."""

    def get(self, name, default=None):
        self[name] = ""
        return default


def test_the_table_has_every_variable_that_is_read_and_no_other():
    environ = Recording()
    Settings.from_env(environ)
    told = {name for setting in SETTINGS for name in setting.names}
    assert set(environ) == told


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("PROXI_HOST", "PROXY_HOST"),
        ("PROXY_HOTS", "PROXY_HOST"),
        ("PROXY_TOKN", "PROXY_TOKEN"),
        ("PROXY_CERTFILE", "PROXY_CERT_FILE"),
        ("PROXY_TRUST", "PROXY_TRUSTED"),
        ("TM_APIKEY", "TM_API_KEY"),
        ("proxy_host", "PROXY_HOST"),
        ("PROXY_DBG", "_PROXY_DBG"),
    ],
)
def test_a_name_misspelt_is_reported_with_the_right_one(name, meant):
    assert lookalikes([name]) == [f"{name} is not a setting: did you mean {meant}?"]


@pytest.mark.parametrize(
    "name",
    ["PATH", "HTTP_PROXY", "https_proxy", "no_proxy", "ALL_PROXY", "HOST", "PORT", "PROXY_PASSWORD"]
    + [name for setting in SETTINGS for name in setting.names],
)
def test_other_names_are_nobodys_business(name):
    assert lookalikes([name]) == []
