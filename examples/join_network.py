"""The board's Wi-Fi: joins a network, tells its address there, and leaves it.

    tessel run examples/join_network.py SSID

The simulated chip hears one network: tesselnet, without a password, or the one that WIFI_SSID and
WIFI_PASSWORD name. The password is taken from WIFI_PASSWORD here, too.
"""

import os
import sys

from tessel import wifi

if len(sys.argv) != 2:
    print("usage: tessel run examples/join_network.py SSID", file=sys.stderr)
    sys.exit(2)
ssid = sys.argv[1]


def joined(error, connection):
    if error:
        sys.exit(f"{ssid} was not joined: {error}")
    print(f"joined {connection['ssid']} as {wifi.mac_address().hex(':')}")
    print(f"address {connection['ip']}, gateway {connection['gateway']}")
    # Only now: the chip may have been in a network before, and that, too, is left.
    wifi.on("disconnect", lambda: print("left; connected:", wifi.is_connected()))
    wifi.disconnect()  # with nothing more to wait for, the program ends


wifi.connect({"ssid": ssid, "password": os.environ.get("WIFI_PASSWORD")}, joined)
