"""tally.py FAR_COUNTS_URL NEAR_COUNTS_URL: print the sites' counts, from a program on the device.

The device cannot read the proxy's log. The peer's addresses prove the route: the far site saw the
proxy's address, the near site the device's.
"""

import json
import sys

from tessel import http


def show(counts):
    for service, seen in counts["services"].items():
        for peer, connections in seen["connections"].items():
            print(f"The {counts['site']} site counted {connections} to {service}, from {peer}.")


def peers(counts):
    return {peer for seen in counts["services"].values() for peer in seen["connections"]}


def compare(far, near):
    show(far)
    show(near)
    assert peers(far), "the far site counted no connections"
    assert peers(near), "the near site counted no connections"
    assert not peers(far) & peers(near), "both sites saw the same address: the proxy was not used"
    print("Result: the device reached the far site only through the proxy, the near one directly.")


def get_json(url, then):
    def read(response):
        text = []
        response.set_encoding("utf8")
        response.on("data", text.append)
        response.on("end", lambda: then(json.loads("".join(text))))

    http.get(url, read)


if len(sys.argv) != 3:
    print("usage: tessel run demo/tally.py FAR_COUNTS_URL NEAR_COUNTS_URL", file=sys.stderr)
    sys.exit(2)
far_url, near_url = sys.argv[1:]
get_json(far_url, lambda far: get_json(near_url, lambda near: compare(far, near)))
