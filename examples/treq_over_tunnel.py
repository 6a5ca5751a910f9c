"""The Twisted manner: treq, unchanged, over the board's network.

    tessel run --env PROXY_HOST=... --env PROXY_TOKEN=... examples/treq_over_tunnel.py URL

treq does not come with the device: `pip install treq`.
"""

import sys

from treq.client import HTTPClient

from tessel.agent import agent
from tessel.tasks import start


async def main(url):
    client = HTTPClient(agent())  # chooses between the tunnel and the direct way as `http` does
    response = await client.get(url)
    print(response.code, await response.text())


start(main(sys.argv[1]))  # if it fails, so does the program
