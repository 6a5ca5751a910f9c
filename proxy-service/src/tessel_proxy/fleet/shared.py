"""Make the engine that FLEET_URL names."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from tessel_proxy.fleet.valkey.address import IEngineReactor
from tessel_proxy.fleet.valkey.settings import EngineSettings
from tessel_service_kit.settings import ConfigError

if TYPE_CHECKING:
    from tessel_proxy.fleet.valkey.engine import ValkeyEngine

EXTRA: Final = "txredisapi"


def fleet_engine(settings: EngineSettings, reactor: IEngineReactor) -> ValkeyEngine | None:
    """Return the engine of the fleet, which is not started; None if FLEET_URL is unset.

    Raises ConfigError: its package is not installed, or FLEET_CA_FILE is faulty.
    """
    if settings.fleet_url is None:
        return None
    if find_spec(EXTRA) is None:
        raise ConfigError(
            [f"FLEET_URL needs the package {EXTRA}: `pip install 'tessel-proxy[fleet]'`"]
        )
    # not imported without FLEET_URL: the package may be missing
    from tessel_proxy.fleet.valkey.dialing import Credentials, Dialer  # noqa: PLC0415
    from tessel_proxy.fleet.valkey.engine import ValkeyEngine  # noqa: PLC0415

    passwords = Credentials(settings.fleet_password, settings.fleet_sentinel_password)
    dialer = Dialer(reactor, settings.fleet_url, passwords, settings.fleet_ca_file)
    return ValkeyEngine(reactor, dialer)
