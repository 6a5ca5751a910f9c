"""RADIO=cc3000 and RADIO=cc3000-sim: the chip as a radio."""

from tessel.radio.cc3000.radio import Cc3000Radio, NamesBy
from tessel.radio.cc3000.socket_context import TransferSizes
from tessel.radio.cc3000.supervisor import WifiCredentials

__all__ = ["Cc3000Radio", "NamesBy", "TransferSizes", "WifiCredentials"]
