"""The Twisted manner: treq, unchanged, over the board's network.

    tessel run --env PROXY_HOST=... --env PROXY_TOKEN=... examples/treq_over_tunnel.py URL

treq does not come with the device, but `make setup` has it; elsewhere, `pip install treq`.
"""

import sys

from treq.client import HTTPClient
from twisted.internet.defer import Deferred

from tessel.agent import agent


async def main(url):
    client = HTTPClient(agent())  # chooses between the tunnel and the direct way as `http` does
    response = await client.get(url)
    print(response.code, await response.text())


if len(sys.argv) != 2:
    print("usage: tessel run examples/treq_over_tunnel.py URL", file=sys.stderr)
    sys.exit(2)

# No reactor to run: it runs already. An error nobody handles ends the program with exit code 1.
Deferred.fromCoroutine(main(sys.argv[1]))
