"""The engine that FLEET_URL names: made only if it is set, and only with its package."""

import subprocess
import sys

import pytest
from twisted.internet import reactor

from tessel_proxy.fleet import shared
from tessel_proxy.fleet.shared import fleet_engine
from tessel_proxy.fleet.valkey.settings import EngineSettings
from tessel_service_kit.settings import ConfigError

URL = {"FLEET_URL": "valkey://127.0.0.1:1"}


def test_without_fleet_url_there_is_no_engine_and_its_package_is_not_imported():
    assert fleet_engine(EngineSettings.from_env({}), reactor) is None
    program = "import tessel_proxy.__main__, sys; sys.exit('txredisapi' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_missing_package_is_a_fault_of_the_settings(monkeypatch):
    monkeypatch.setattr(shared, "EXTRA", "no_such_package")
    with pytest.raises(ConfigError, match=r"pip install 'tessel-proxy\[fleet\]'"):
        fleet_engine(EngineSettings.from_env(URL), reactor)


def test_passwords_can_be_replaced_for_the_next_connections():
    engine = fleet_engine(EngineSettings.from_env({**URL, "FLEET_PASSWORD": "old"}), reactor)
    engine.use_password("new")
    engine.use_sentinel_password("other")
    found = engine._dialer.credentials
    assert (found.password, found.sentinel_password) == ("new", "other")
    assert "new" not in repr(found)
