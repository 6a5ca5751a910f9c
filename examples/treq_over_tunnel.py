"""treq, a Twisted HTTP client, over the device's network.

    tessel run --env PROXY_HOST=... --env PROXY_TOKEN=... examples/treq_over_tunnel.py URL

treq is not part of `tessel`. `make setup` installs it; elsewhere use `pip install treq`.
"""

import sys

from treq.client import HTTPClient
from twisted.internet.defer import Deferred

from tessel.agent import agent


async def main(url):
    client = HTTPClient(agent())  # direct or through the tunnel, as `http`
    response = await client.get(url)
    print(response.code, await response.text())


if len(sys.argv) != 2:
    print("usage: tessel run examples/treq_over_tunnel.py URL", file=sys.stderr)
    sys.exit(2)

# The reactor runs already. An unhandled error ends the program with exit code 1.
Deferred.fromCoroutine(main(sys.argv[1]))
