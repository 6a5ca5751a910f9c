"""tally.py FAR_COUNTS_URL NEAR_COUNTS_URL: what the sites counted, asked from the device.

The device cannot see the proxy's log. That it reached the far site through the proxy shows in the
peer's address, which is not the one the near site saw.
"""

import json
import sys

from tessel import http


def tell(counts):
    for service, seen in counts["services"].items():
        for peer, connections in seen["connections"].items():
            print(f"The {counts['site']} site counted {connections} to {service}, from {peer}.")


def peers(counts):
    return {peer for seen in counts["services"].values() for peer in seen["connections"]}


def compare(far, near):
    tell(far)
    tell(near)
    assert peers(far), "the far site has seen nobody"
    assert peers(near), "the near site has seen nobody"
    assert not peers(far) & peers(near), "one address at both sites: nothing came by the proxy"
    print("So the far site was reached through the proxy alone, and the near one directly.")


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
