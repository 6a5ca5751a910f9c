"""Egress settings as a whole: what check-config and a start make of them."""

import pytest
from twisted.internet.testing import MemoryReactorClock

from tessel_proxy.startup.preparation import get_ready
from tessel_service_kit.settings import ConfigError


@pytest.fixture(autouse=True)
def _nothing_in_config(tmp_path, monkeypatch):
    """README makes a certificate in config/ of the checkout: here there is none to be found."""
    monkeypatch.chdir(tmp_path)


def faults(**environ):
    with pytest.raises(ConfigError) as raised:
        get_ready({"AUTH_HARDCODED": "DEV-CRED", **environ}, MemoryReactorClock())
    return [each for each in raised.value.faults if each.startswith(("EGRESS", "POLICY"))]


def test_all_faults_of_settings_and_policy_file_are_named_together(tmp_path):
    path = tmp_path / "policy"
    path.write_text("[default]\nmode ajar\n\nallow 10.0.0.1/8\n[account]\n")
    found = faults(
        EGRESS_MODE="shut",
        EGRESS_ALLOW="*",
        EGRESS_DENY="10.0.0.0/8:0 a.example:x",
        POLICY_FILE=str(path),
    )
    starts = [
        "EGRESS_MODE='shut'; allowed: enforce or report or open",
        "EGRESS_ALLOW='*'; allowed: ",
        "EGRESS_DENY='10.0.0.0/8:0 a.example:x'; allowed: ",
        f"POLICY_FILE={str(path)!r}, line 2: mode 'ajar'; ",
        f"POLICY_FILE={str(path)!r}, line 4: allow; ",
        f"POLICY_FILE={str(path)!r}, line 5: '[account]'; ",
    ]
    assert len(found) == len(starts)
    assert all(fault.startswith(start) for fault, start in zip(found, starts, strict=True))


def test_a_mode_that_lets_inner_addresses_through_is_hinted_at():
    assert "EGRESS_MODE=open: internal addresses are allowed" in faults(EGRESS_MODE="open")
