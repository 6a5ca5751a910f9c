"""RADIO=cc3000 and RADIO=cc3000-sim: the chip as a radio."""

from tessel.radio.cc3000.radio import Cc3000Radio, NamesBy
from tessel.radio.cc3000.station import AccessPoint
from tessel.radio.cc3000.workings import Sizes

__all__ = ["AccessPoint", "Cc3000Radio", "NamesBy", "Sizes"]
