"""The board's Wi-Fi: join a network, print the address, and leave it.

    tessel run examples/join_network.py SSID

The simulated chip finds one network: tesselnet, without a password, or that of WIFI_SSID and
WIFI_PASSWORD. This program takes the password from WIFI_PASSWORD, too.
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
    # Add the listener only now: joining may leave another network first.
    wifi.on("disconnect", lambda: print("left; connected:", wifi.is_connected()))
    wifi.disconnect()  # then nothing is open, and the program ends


wifi.connect({"ssid": ssid, "password": os.environ.get("WIFI_PASSWORD")}, joined)
