"""The CC3000 as a radio, for RADIO=cc3000 and RADIO=cc3000-sim.

`Cc3000Radio` adds to the driver what the chip does not do itself: polling for received bytes,
starting again after a failure, joining the network again, and opening ports again.
"""

from tessel.radio.cc3000.radio import Cc3000Radio, NamesBy
from tessel.radio.cc3000.socket_context import TransferSizes
from tessel.radio.cc3000.supervisor import WifiCredentials
from tessel.radio.cc3000.wifi import SECURITY_BY_NAME, Cc3000Wifi

__all__ = [
    "SECURITY_BY_NAME",
    "Cc3000Radio",
    "Cc3000Wifi",
    "NamesBy",
    "TransferSizes",
    "WifiCredentials",
]
