"""The token service `tessel-oauth` on loopback, in this process."""

import os
from contextlib import asynccontextmanager

from twisted.internet import reactor
from twisted.logger import capturedLogs

from tessel_oauth.config import Config
from tessel_oauth.server import Server


@asynccontextmanager
async def token_service(key="KEY", port=0, **settings):
    """Run the service with the account `ada`; the block's value is the address of the service."""
    config = Config(port=port, seed_account="ada", seed_api_key=key, **settings)
    server = Server(config, reactor, os.urandom, None)
    with capturedLogs() as logged:
        await server.start()
    (port,) = [event["port"] for event in logged if event.get("event") == "listening"]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await server.stop()
