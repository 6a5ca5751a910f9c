"""Radios: each carries the bytes of programs, and all have one interface.

`host` uses this machine's sockets, `cc3000` a CC3000 chip through its driver. `interface` defines
what each radio must do and which errors it raises.
"""

from tessel.radio.interface import (
    IDatagramOptions,
    ILosablePort,
    IRadio,
    IRadioPort,
    IWeakTransport,
    IWifi,
    LinkState,
    RadioError,
    WifiStatus,
)

__all__ = [
    "IDatagramOptions",
    "ILosablePort",
    "IRadio",
    "IRadioPort",
    "IWeakTransport",
    "IWifi",
    "LinkState",
    "RadioError",
    "WifiStatus",
]
